"""One run of the script under a schedule, from founding to the last check."""

import asyncio
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from . import invariants
from .founding import DEPARTMENTS, Founded, found
from .processes import sweeping
from .schedule import Schedule
from .script import play

MEMORY = Path("/dev/shm")  # every role syncs every write; a disk would be most of the time


END_S = 6_000  # on the clock: a script that is not over by then never will be


class Broken(AssertionError):
    """Something did not hold, under a schedule that replays."""


@cache
def _founded(departments: tuple[str, ...]) -> tuple[Founded, "TemporaryDirectory[str]"]:
    folder = TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None)
    return found(Path(folder.name) / "founded", departments), folder


@cache
def undisturbed() -> Mapping[str, int]:
    """How many durable writes each role makes where nothing happens: those that three departments are
    enough for, and one role of each kind in the same number among four."""
    return _run(Schedule(0, DEPARTMENTS[:3], ()))


def run(schedule: Schedule) -> None:
    """Fail, naming the seed, unless everything holds after *schedule*."""
    try:
        _run(schedule)
    except Exception as error:
        why = str(error) or type(error).__name__
        raise Broken(f"{why} ({schedule}; COTALLY_CRASH_SEED={schedule.seed} replays it)") from error


def _run(schedule: Schedule) -> dict[str, int]:
    founded, folder = _founded(schedule.departments)
    with sweeping(founded, Path(folder.name) / "run", schedule.faults, schedule.seed) as sweep:
        outcome = sweep.loop.run_until_complete(asyncio.wait_for(play(sweep), END_S))
        sweep.stop()
        assert sweep.struck or not schedule.faults, "the schedule struck nobody"
        invariants.check(schedule, sweep, outcome)
        return outcome.writes
