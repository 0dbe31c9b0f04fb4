"""Times two ways of doing the same, turn by turn, so that a change of the machine's mood meets both.

  1. Each side works once, untimed: tables are built, caches filled.
  2. Each side works once more to learn how often it must repeat to be long enough for the clock.
  3. Round by round: ours, the peer's, each divided by the units of work that it did.

A round's ratio is the peer's time divided by ours. The result is the median of the rounds' ratios,
with the least and the greatest. Python's garbage collector rests meanwhile.
"""

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil
from statistics import median
from typing import Final

from .rows import Row

ROUNDS: Final = 7
LEAST: Final = 0.1  # seconds that a side works in a round, at least
_PATIENCE: Final = 4.0  # seconds: what warmed up for longer is not tried out once more
_MOST: Final = 1000  # repetitions of one round

Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Work:
    """One side of a comparison: *run* does *amount* units of work each time it is called."""

    run: Callable[[], object]
    amount: int = 1


@dataclass(frozen=True, slots=True)
class Comparison:
    """The ratio with its spread over rounds, and the median seconds of one unit on either side."""

    ratio: float
    low: float
    high: float
    ours: float
    peer: float
    rounds: int

    def row(self, name: str, peer: str, unit: str) -> Row:
        """The row that says this, against *peer*, in *unit* (plural) per second."""
        return Row(row=name, ratio=self.ratio, low=self.low, high=self.high, rounds=self.rounds,
                   rate=1 / self.ours, peer=peer, peer_rate=1 / self.peer, unit=unit)


@dataclass(frozen=True, slots=True)
class Duration:
    """Median seconds with their spread over rounds."""

    seconds: float
    low: float
    high: float
    rounds: int

    def row(self, name: str) -> Row:
        """The row that says this."""
        return Row(row=name, seconds=self.seconds, low=self.low, high=self.high, rounds=self.rounds)


def compare(ours: Work, peer: Work, rounds: int = ROUNDS, least: float = LEAST,
            clock: Clock = time.perf_counter) -> Comparison:
    """Time *ours* against *peer* over *rounds* rounds; a side repeats until it takes *least* seconds."""
    with _collector_at_rest():
        sides = [(work, _repetitions(work, least, clock)) for work in (ours, peer)]
        timed = [[_per_unit(work, times, clock) for work, times in sides] for _ in range(rounds)]
    ratios = [theirs / mine for mine, theirs in timed]
    return Comparison(median(ratios), min(ratios), max(ratios), median(mine for mine, _ in timed),
                      median(theirs for _, theirs in timed), rounds)


def duration(work: Work, rounds: int = ROUNDS, clock: Clock = time.perf_counter) -> Duration:
    """Time *work* by itself, once per round, after one time that is not counted."""
    with _collector_at_rest():
        work.run()
        seconds = [_per_unit(work, 1, clock) for _ in range(rounds)]
    return Duration(median(seconds), min(seconds), max(seconds), rounds)


def _per_unit(work: Work, times: int, clock: Clock) -> float:
    start = clock()
    for _ in range(times):
        work.run()
    return (clock() - start) / (times * work.amount)


def _repetitions(work: Work, least: float, clock: Clock) -> int:
    start = clock()
    work.run()
    warmed = clock() - start
    if warmed > _PATIENCE:
        return 1
    seconds = _per_unit(work, 1, clock) * work.amount
    return min(max(ceil(least / seconds), 1), _MOST) if seconds > 0 else _MOST


@contextmanager
def _collector_at_rest() -> Iterator[None]:
    """Collect now, and not before this ends."""
    was = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()
