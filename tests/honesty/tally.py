"""How often intervals covered, statistic by statistic, and what is wrong with that."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from cotally.client.decode.estimate import Estimate
from cotally.v1 import query_pb2

LEAST: Final = 0.94  # of intervals of nominally 95 %
MOST: Final = 0.97
ENOUGH: Final = 20_000  # numbers on which a statistic is judged
WIDE: Final = 5.0  # units: from this standard deviation on, integers are no coarse grid
_SURE: Final = 5.0  # standard errors that an average may lie off
LINEAR: Final = frozenset({
    query_pb2.STATISTIC_KIND_COUNT_ROWS, query_pb2.STATISTIC_KIND_SUM, query_pb2.STATISTIC_KIND_PERSONS,
    query_pb2.STATISTIC_KIND_HISTOGRAM})


@dataclass
class Tally:
    """Numbers of one statistic under like circumstances."""

    numbers: int = 0
    lines: int = 0  # without an interval: the whole line, which covers
    missed_low: int = 0  # the interval lies above the truth
    missed_high: int = 0
    errors: list[float] = field(default_factory=list)  # in stated standard errors, where linear

    @property
    def coverage(self) -> float:
        """The share that covers the truth."""
        return 1 - (self.missed_low + self.missed_high) / self.numbers

    def add(self, other: "Tally") -> None:
        """Pool *other* with this."""
        self.numbers += other.numbers
        self.lines += other.lines
        self.missed_low += other.missed_low
        self.missed_high += other.missed_high
        self.errors += other.errors


@dataclass(frozen=True, order=True, slots=True)
class Row:
    """What is pooled: a statistic, at wide or narrow noise; `hopeless`: asked of groups that noise drowns."""

    name: str
    kind: int
    wide: bool
    hopeless: bool


Table = dict[Row, Tally]


def tally(estimates: Iterable[Estimate], truth: Sequence[float | None], linear: bool) -> Tally:
    """How the numbers of a statistic in one group did; those without a truth are left out."""
    found = Tally()
    for estimate in estimates:
        parts = [cell.estimate for cell in estimate.cells] or [estimate]
        for one, due in zip(parts, truth, strict=True):
            if due is None:
                continue
            found.numbers += 1
            if one.low is None or one.high is None:
                found.lines += 1
                continue
            found.missed_low += one.low > due
            found.missed_high += one.high < due
            if linear and one.value is not None and one.se is not None:
                found.errors.append((one.value - due) / one.se)
    return found


def faults(table: Table) -> list[str]:
    """Everything in *table* that intervals of nominally 95 % and their stated errors would not show."""
    found = []
    for row, each in sorted(table.items()):
        most = 1.0 if row.hopeless or not row.wide else MOST
        if not LEAST <= each.coverage <= most:
            found.append(f"{row}: {each.coverage:.4f} of {each.numbers} cover, not {LEAST} to {most}")
        if not each.errors:
            continue
        n = len(each.errors)
        if abs(float(np.mean(each.errors))) > _SURE / math.sqrt(n):
            off = float(np.mean(each.errors))
            found.append(f"{row}: values are off by {off:.3f} of their errors on average")
        spread = float(np.mean(np.square(each.errors)))
        if abs(spread - 1) > _SURE * math.sqrt(2 / n):
            found.append(f"{row}: squared errors are {spread:.3f} of what is stated")
    return found


def printed(table: Table) -> str:
    """The table as text."""
    heads = ("numbers", "cover", "too high", "too low", "lines")
    lines = [f"{'statistic':16} {'noise':7} {'groups':8}" + "".join(f"{head:>9}" for head in heads)]
    for row, each in sorted(table.items()):
        lines.append(
            f"{row.name:16} {'wide' if row.wide else 'narrow':7} {'drowned' if row.hopeless else 'told':8}"
            f"{each.numbers:9} {each.coverage:8.4f} {each.missed_low / each.numbers:8.4f} "
            f"{each.missed_high / each.numbers:8.4f} {each.lines / each.numbers:8.3f}")
    return "\n".join(lines)
