"""Which file answers for which statistic."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Final, Protocol

from ..model.catalog import Column
from ..model.query import StatisticKind
from . import count, mean
from . import sum as bounded_sum
from .encoding import Encoding, Reach


class Method(Protocol):
    """What a statistic's file defines. `column` is None for COUNT(*) only."""

    def encodings(self, column: Column | None) -> tuple[Encoding, ...]:
        """The blocks it needs, in the order in which the methods below take them."""

    def decode(self, integers: Sequence[Fraction], column: Column | None) -> Fraction | None:
        """Its value from the blocks' unrefined totals in one group; None where there is none."""

    def half_width_squared(self, reach: Reach, column: Column | None, people: Fraction) -> Fraction | None:
        """Squared half-width of its interval in a group of *people* rows; None: the whole line."""

    def affordable(
        self, shape: Reach, column: Column | None, people: Fraction, error: Fraction
    ) -> Fraction:
        """The largest multiple of *shape*, or slightly less, whose half-width is at most *error* (> 0)."""


METHODS: Final[dict[StatisticKind, Method]] = {
    StatisticKind.COUNT_ROWS: count,
    StatisticKind.COUNT: count,
    StatisticKind.SUM: bounded_sum,
    StatisticKind.MEAN: mean,
}
