"""Which file answers for which statistic."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Final, Protocol

from ..model.catalog import Column
from ..model.query import StatisticKind
from . import count, mean
from . import sum as bounded_sum
from .encoding import Encoding


class Method(Protocol):
    """What a statistic's file defines. `column` is None for COUNT(*) only."""

    def encodings(self, column: Column | None) -> tuple[Encoding, ...]:
        """The blocks it needs, in the order in which `decode` and `slopes` name them."""

    def decode(self, integers: Sequence[Fraction], column: Column | None) -> Fraction | None:
        """Its value from the blocks' unrefined totals in one group; None where there is none."""

    def slopes(self, column: Column | None, people: Fraction) -> tuple[Fraction, ...]:
        """Its derivative by each block's unrefined total, for a group of *people* rows."""


METHODS: Final[dict[StatisticKind, Method]] = {
    StatisticKind.COUNT_ROWS: count,
    StatisticKind.COUNT: count,
    StatisticKind.SUM: bounded_sum,
    StatisticKind.MEAN: mean,
}
