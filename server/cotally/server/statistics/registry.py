"""Which file answers for which statistic."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Final, Protocol

from ..model.query import StatisticKind
from . import (
    clipping,
    correlation,
    count,
    covariance,
    histogram,
    mean,
    persons,
    quantile,
    regression,
    stddev,
    suggestion,
    variance,
)
from . import sum as bounded_sum
from .encoding import Encoding, Reach
from .request import Basis, Request, Value


class Method(Protocol):
    """What a statistic's file defines."""

    @property
    def BASIS(self) -> Basis:  # noqa: N802
        """On what its expected half-width rests."""

    def encodings(self, request: Request) -> tuple[Encoding, ...]:
        """The blocks it needs, in the order in which the methods below take them."""

    def decode(self, integers: Sequence[Fraction], request: Request) -> Value:
        """Its value from one group's unrefined totals, block after block; None where there is none."""

    def leverages(self, request: Request, people: Fraction) -> Sequence[Fraction]:
        """By how much a unit of each block's squared reach adds to the squared half-width; all positive.

        The loss is split accordingly. Linear in the noise, in a group of *people* rows.
        """

    def half_width_squared(self, reach: Reach, request: Request, people: Fraction) -> Fraction | None:
        """Squared half-width of its interval in a group of *people* rows; None: the whole line.

        Falls as the reach falls.
        """


METHODS: Final[dict[StatisticKind, Method]] = {
    StatisticKind.COUNT_ROWS: count,
    StatisticKind.COUNT: count,
    StatisticKind.SUM: bounded_sum,
    StatisticKind.MEAN: mean,
    StatisticKind.VARIANCE: variance,
    StatisticKind.STDDEV: stddev,
    StatisticKind.PERSONS: persons,
    StatisticKind.INCIDENCES: persons,
    StatisticKind.QUANTILE: quantile,
    StatisticKind.HISTOGRAM: histogram,
    StatisticKind.CORR: correlation,
    StatisticKind.COVAR: covariance,
    StatisticKind.REGR: regression,
    StatisticKind.SUGGEST_BOUNDS: suggestion,
    StatisticKind.CLIPPED_LOW: clipping,
    StatisticKind.CLIPPED_HIGH: clipping,
    StatisticKind.TRUNCATED: clipping,
}
