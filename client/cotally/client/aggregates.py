"""Statistics and computed keys of the fluent interface: the drafts that SQL makes of the same words."""

from collections.abc import Sequence
from dataclasses import replace

from cotally.v1 import query_pb2

from .question.draft import Aggregate, Computed
from .written import PyNumber, amount_of, name_of


def count(column: str | None = None) -> Aggregate:
    """COUNT(*), or COUNT(column): rows where it is not NULL."""
    if column is None:
        return Aggregate(query_pb2.STATISTIC_KIND_COUNT_ROWS)
    return Aggregate(query_pb2.STATISTIC_KIND_COUNT, name_of(column))


def count_distinct(unit: str | None = None) -> Aggregate:
    """COUNT(DISTINCT unit): persons. The unit column need not be named."""
    return Aggregate(query_pb2.STATISTIC_KIND_PERSONS, unit=None if unit is None else name_of(unit))


def incidences() -> Aggregate:
    """INCIDENCES(unit): persons, each counted once in every department that has them."""
    return Aggregate(query_pb2.STATISTIC_KIND_INCIDENCES)


def sum_(column: str) -> Aggregate:
    """SUM(column)."""
    return Aggregate(query_pb2.STATISTIC_KIND_SUM, name_of(column))


def avg(column: str) -> Aggregate:
    """AVG(column)."""
    return Aggregate(query_pb2.STATISTIC_KIND_MEAN, name_of(column))


def variance(column: str) -> Aggregate:
    """VARIANCE(column), of the population."""
    return Aggregate(query_pb2.STATISTIC_KIND_VARIANCE, name_of(column))


def std(column: str) -> Aggregate:
    """STDDEV(column), of the population."""
    return Aggregate(query_pb2.STATISTIC_KIND_STDDEV, name_of(column))


def median(column: str) -> Aggregate:
    """MEDIAN(column)."""
    return Aggregate(query_pb2.STATISTIC_KIND_QUANTILE, name_of(column))


def quantile(column: str, q: PyNumber, leaves: int | None = None) -> Aggregate:
    """QUANTILE(column, q[, leaves]): more leaves are finer and noisier."""
    return Aggregate(query_pb2.STATISTIC_KIND_QUANTILE, name_of(column), quantile=amount_of("quantile", q),
                     bins=None if leaves is None else amount_of("leaves", leaves))


def histogram(column: str, bins: int) -> Aggregate:
    """HISTOGRAM(column, bins)."""
    return Aggregate(query_pb2.STATISTIC_KIND_HISTOGRAM, name_of(column), bins=amount_of("bins", bins))


def corr(y: str, x: str) -> Aggregate:
    """CORR(y, x)."""
    return Aggregate(query_pb2.STATISTIC_KIND_CORR, name_of(y), others=(name_of(x),))


def covar(y: str, x: str) -> Aggregate:
    """COVAR(y, x), of the population."""
    return Aggregate(query_pb2.STATISTIC_KIND_COVAR, name_of(y), others=(name_of(x),))


def regr(y: str, x: str | Sequence[str]) -> Aggregate:
    """REGR(y, x1, x2, ...): least squares; one column or several."""
    names = (x,) if isinstance(x, str) else tuple(x)
    if not names:
        raise TypeError("regr takes at least one explaining column")
    return Aggregate(query_pb2.STATISTIC_KIND_REGR, name_of(y), others=tuple(map(name_of, names)))


def suggest_bounds(column: str) -> Aggregate:
    """SUGGEST BOUNDS FOR column: a histogram on a log scale, and the bounds that it suggests."""
    return Aggregate(query_pb2.STATISTIC_KIND_SUGGEST_BOUNDS, name_of(column))


def clipped_low(column: str) -> Aggregate:
    """CLIPPED_LOW(column): share of persons with a value below the lower bound."""
    return Aggregate(query_pb2.STATISTIC_KIND_CLIPPED_LOW, name_of(column))


def clipped_high(column: str) -> Aggregate:
    """CLIPPED_HIGH(column): share of persons with a value above the upper bound."""
    return Aggregate(query_pb2.STATISTIC_KIND_CLIPPED_HIGH, name_of(column))


def truncated() -> Aggregate:
    """TRUNCATED(*): share of persons with more rows in a group than count."""
    return Aggregate(query_pb2.STATISTIC_KIND_TRUNCATED)


def weighted(aggregate: Aggregate, weight: str) -> Aggregate:
    """WEIGHTED(aggregate, weight): *aggregate* with the survey weight in the column *weight*."""
    return replace(aggregate, weight=name_of(weight))


def bin_(column: str, width: PyNumber, *, other: bool = False) -> Computed:
    """BIN(column, width): a key of bins over the public bounds; *other* adds a cell for NULL."""
    return Computed(query_pb2.DERIVATION_BIN, name_of(column), amount_of("width", width), other)


def year(column: str, *, other: bool = False) -> Computed:
    """YEAR(column): a key; *other* adds a cell for NULL and for dates outside the declared range."""
    return Computed(query_pb2.DERIVATION_YEAR, name_of(column), None, other)


def quarter(column: str, *, other: bool = False) -> Computed:
    """QUARTER(column): a key, 1 to 4; *other* as for `year`."""
    return Computed(query_pb2.DERIVATION_QUARTER, name_of(column), None, other)


def month(column: str, *, other: bool = False) -> Computed:
    """MONTH(column): a key, 1 to 12; *other* as for `year`."""
    return Computed(query_pb2.DERIVATION_MONTH, name_of(column), None, other)
