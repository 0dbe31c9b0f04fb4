"""The crash sweep: kill -9 and I/O errors at durable writes of every role, by seed."""

import os
import time
from typing import Final
from unittest.mock import patch

import pytest

from cotally.server.node import measuring

from .founding import DEPARTMENTS
from .runs import Broken, run, undisturbed
from .schedule import Schedule, schedule, singles

DOUBLES: Final = 150  # schedules of two faults, beside every single one
LEAST: Final = 500    # schedules in all
QUICK: Final = 4
CHOSEN: Final = os.environ.get("COTALLY_CRASH_SEED")


@pytest.mark.parametrize("seed", [int(CHOSEN)] if CHOSEN else range(QUICK))
def test_a_schedule_holds(seed: int) -> None:
    run(schedule(seed, undisturbed()))


@pytest.mark.slow
def test_every_schedule_holds() -> None:
    """All of them, whatever breaks: the report names every seed."""
    writes, broken, began = undisturbed(), [], time.monotonic()
    seeds = len(singles(writes)) + DOUBLES
    assert seeds >= LEAST
    for seed in range(seeds):
        try:
            run(schedule(seed, writes))
        except Broken as error:
            broken.append(str(error))
    print(f"{seeds} schedules in {time.monotonic() - began:.0f} s; durable writes: {dict(writes)}")
    assert not broken, "\n".join(broken)


def test_without_noise_the_totals_are_found() -> None:
    """The search for un-noised numbers finds them where they are: in a release that nobody noised."""
    def unnoised(values: list[int], *_: object) -> list[int]:
        return values
    with patch.object(measuring, "add_noise", unnoised), pytest.raises(Broken, match="un-noised"):
        run(Schedule(0, DEPARTMENTS[:3], ()))
