"""One run of the script under a schedule, from founding to the last check."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from . import invariants
from .faults import Kind
from .founding import DEPARTMENTS, Founded, found
from .processes import sweeping
from .schedule import Schedule
from .script import play

MEMORY = Path("/dev/shm")  # every role syncs every write; a disk would be most of the time


END_S = 6_000  # on the clock: a script that is not over by then never will be


class Broken(AssertionError):
    """Something did not hold, under a schedule that replays."""


@dataclass(frozen=True)
class Ran:
    """What happened: points of durable writes by role, as long as faults could strike, and where they did.

    `told` is everything that was said, and every start, in order.
    """

    writes: Mapping[str, list[str]]
    struck: list[tuple[str, str, Kind]]
    told: tuple[object, ...]


@cache
def _founded(departments: tuple[str, ...]) -> tuple[Founded, "TemporaryDirectory[str]"]:
    folder = TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None)
    return found(Path(folder.name) / "founded", departments), folder


@cache
def undisturbed() -> Mapping[str, int]:
    """How many durable writes each role makes where nothing happens: those that three departments are
    enough for, and one role of each kind in the same number among four."""
    return {role: len(points) for role, points in run(Schedule(0, DEPARTMENTS[:3], ())).writes.items()}


def run(schedule: Schedule) -> Ran:
    """What *schedule* did; Broken, with what replays it, unless everything holds after it."""
    try:
        return _run(schedule)
    except Exception as error:
        why = str(error) or type(error).__name__
        raise Broken(f"{why} ({schedule}; COTALLY_CRASH_SEED='{schedule.spelled}' replays it)") from error


def _run(schedule: Schedule) -> Ran:
    founded, folder = _founded(schedule.departments)
    founded.tidy()
    with sweeping(founded, Path(folder.name) / "run", schedule.faults, schedule.seed) as sweep:
        outcome = sweep.loop.run_until_complete(asyncio.wait_for(play(sweep), END_S))
        sweep.stop()
        assert len(sweep.struck) == len(schedule.faults) or len(schedule.faults) > 1, "nobody was struck"
        invariants.check(schedule, sweep, outcome)
        roles = sweep.processes.values()
        return Ran({each.name: each.writes[:outcome.writes[each.name]] for each in roles}, sweep.struck, (
            [path for path, _ in sweep.wire.said],
            [(each.name, each.writes, len(each.starts)) for each in roles], sweep.struck,
            [(name, type(why)) for name, why in sweep.ends],
            [entry.WhichOneof("leaf") for entry in outcome.entries]))
