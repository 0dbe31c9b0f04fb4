"""Schedules of faults by seed: first every write of every kind of role in every way, then two at a time."""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from .faults import Fault, Kind
from .founding import DEPARTMENTS

SWEPT: Final = ("coordinator", "north", "holder-1")  # one role of each kind, through every write


@dataclass(frozen=True, slots=True)
class Schedule:
    """One run: who is in the federation, and what happens to whom."""

    seed: int
    departments: tuple[str, ...]
    faults: tuple[Fault, ...]

    def __str__(self) -> str:
        happens = "; ".join(f"{f.role} {f.kind} at its durable write {f.index}" for f in self.faults)
        return f"seed {self.seed}, {len(self.departments)} departments: {happens}"

    @property
    def spelled(self) -> str:
        """All of it in one line, for `spelled_out`."""
        faults = [f"{f.role}:{f.index}:{f.kind.name}" for f in self.faults]
        return " ".join([str(self.seed), str(len(self.departments)), *faults])


def spelled_out(line: str) -> Schedule:
    """The schedule that `Schedule.spelled` wrote."""
    seed, departments, *faults = line.split()
    found = [each.split(":") for each in faults]
    return Schedule(int(seed), DEPARTMENTS[:int(departments)], tuple(
        Fault(role, int(index), Kind[kind]) for role, index, kind in found))


def singles(writes: Mapping[str, int]) -> list[Fault]:
    """Every fault at every durable write of one role of each kind, in an order that mixes them."""
    found = [Fault(role, index, kind) for role in SWEPT for index in range(writes[role]) for kind in Kind]
    random.Random("order").shuffle(found)
    return found


def schedule(seed: int, writes: Mapping[str, int]) -> Schedule:
    """The schedule of *seed*, where *writes* counts each role's durable writes in a run without faults.

    Three departments are all needed; of four, one may be missing.
    """
    rng, every = random.Random(seed), singles(writes)
    departments = DEPARTMENTS if rng.random() < 0.5 else DEPARTMENTS[:3]
    if seed < len(every):
        return Schedule(seed, departments, (every[seed],))
    roles = ("coordinator", *departments, "holder-1", "holder-2", "holder-3")
    drawn = rng.choices(roles, [writes.get(role, writes["north"]) for role in roles], k=2)
    return Schedule(seed, departments, tuple(
        Fault(role, rng.randrange(writes.get(role, writes["north"])), rng.choice(list(Kind)))
        for role in drawn))
