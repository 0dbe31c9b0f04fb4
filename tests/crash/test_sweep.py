"""The crash sweep: kill -9 and I/O errors at durable writes of every role, by seed."""

import os
import time
from typing import Final
from unittest.mock import patch

import pytest

from cotally.server.node import measuring

from .faults import KILLS, Fault, Kind
from .founding import DEPARTMENTS
from .points import ELSEWHERE, Coverage, inventory
from .runs import Broken, run, undisturbed
from .schedule import Schedule, schedule, singles, spelled_out

DOUBLES: Final = 150  # schedules of two faults, beside every single one
LEAST: Final = 500    # schedules in all
DEEP: Final = 4       # recoveries from what struck a recovery
QUICK: Final = 4
CHOSEN: Final = os.environ.get("COTALLY_CRASH_SEED")


def planned(seed: str) -> Schedule:
    """The schedule of a seed, or one that is spelled out."""
    return spelled_out(seed) if " " in seed else schedule(int(seed), undisturbed())


@pytest.mark.parametrize("seed", [CHOSEN] if CHOSEN else [str(seed) for seed in range(QUICK)])
def test_a_schedule_holds(seed: str) -> None:
    run(planned(seed))


def test_a_schedule_replays_with_all_its_starts() -> None:
    """A coordinator's death scatters everybody, and they come back at times of their own."""
    doubles = (schedule(len(singles(undisturbed())) + more, undisturbed()) for more in range(DOUBLES))
    scattering = next(s for s in doubles for f in s.faults if f.role == "coordinator" and f.kind in KILLS)
    first, second = run(scattering), run(scattering)
    assert first.told == second.told
    assert spelled_out(Schedule(7, DEPARTMENTS, ()).spelled) == Schedule(7, DEPARTMENTS, ())


def test_a_round_ends_though_the_disk_refuses_its_end_too() -> None:
    """Without a restart: its death is stored and logged as soon as the disk takes it."""
    quiet = run(Schedule(0, DEPARTMENTS[:3], ())).writes["coordinator"]
    at = next(at for at, point in enumerate(quiet) if point.endswith("for coordinator.conduct._log_roster"))
    faults = tuple(Fault("coordinator", index, Kind.IO_ERROR) for index in (at, at + 1))
    struck = run(Schedule(0, DEPARTMENTS[:3], faults)).struck
    assert ["rounds.die" in point for _, point, _ in struck] == [False, True]


@pytest.mark.slow
def test_every_schedule_holds() -> None:
    """All of them, whatever breaks: the report names every seed. Then what they left out is struck too."""
    writes, broken, began, coverage = undisturbed(), [], time.monotonic(), Coverage()
    ran = 0

    def one(planned: Schedule) -> None:
        nonlocal ran
        ran += 1
        try:
            done = run(planned)
        except Broken as error:
            broken.append(str(error))
            print(error, flush=True)
        else:
            coverage.add(planned, done.writes, done.struck)

    for seed in range(len(singles(writes)) + DOUBLES):
        one(schedule(seed, writes))
    assert ran >= LEAST
    for _ in range(DEEP):
        for each in [*coverage.missing()]:
            print("left out so far:", each.spelled, flush=True)
            one(each)
    print(f"{ran} schedules in {time.monotonic() - began:.0f} s; durable writes: {dict(writes)}")
    print(coverage.table())
    assert not broken, "\n".join(broken)
    assert not [*coverage.missing()]
    assert inventory() - coverage.writers() == {*ELSEWHERE}


def test_without_noise_the_totals_are_found() -> None:
    """The search for un-noised numbers finds them where they are: in a release that nobody noised."""
    def unnoised(values: list[int], *_: object) -> list[int]:
        return values
    with patch.object(measuring, "add_noise", unnoised), pytest.raises(Broken, match="un-noised"):
        run(Schedule(0, DEPARTMENTS[:3], ()))
