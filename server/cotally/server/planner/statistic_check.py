"""Refuses a statistic whose fields contradict its kind, or that its columns cannot answer."""

from fractions import Fraction
from typing import Final

from cotally.v1.refusals import Refusal, Refused

from ..model.catalog import Column, Table
from ..model.query import Statistic, StatisticKind
from ..statistics import leaves
from . import limits

_OF_ROWS: Final = frozenset(
    {StatisticKind.COUNT_ROWS, StatisticKind.PERSONS, StatisticKind.INCIDENCES, StatisticKind.TRUNCATED}
)
_OF_PERSONS: Final = frozenset({
    StatisticKind.PERSONS, StatisticKind.INCIDENCES, StatisticKind.TRUNCATED, StatisticKind.CLIPPED_LOW,
    StatisticKind.CLIPPED_HIGH,
})
_OF_TWO: Final = frozenset({StatisticKind.CORR, StatisticKind.COVAR})
_WEIGHTED: Final = frozenset(
    {StatisticKind.COUNT_ROWS, StatisticKind.COUNT, StatisticKind.SUM, StatisticKind.MEAN}
)
_BINNED: Final = frozenset({StatisticKind.HISTOGRAM, StatisticKind.QUANTILE})


def check_statistic(statistic: Statistic, table: Table) -> None:
    """Return if *statistic* asks one clear thing of *table*; raise Refused naming it otherwise."""
    if not isinstance(statistic.kind, StatisticKind):
        raise Refused(Refusal.MALFORMED, f"{statistic.alias!r} is no known statistic")
    _check_columns(statistic, table)
    _check_parameters(statistic)
    _check_weight(statistic, table)
    _check_loss(statistic)
    if statistic.kind in _OF_PERSONS:
        _check_persons(statistic, table)


def _check_columns(statistic: Statistic, table: Table) -> None:
    kind, others = statistic.kind, statistic.others
    if kind in _OF_ROWS:
        if statistic.column:
            raise Refused(Refusal.MALFORMED, f"{statistic.alias!r} takes no column")
    else:
        column = column_of(table, statistic.column)
        if kind is not StatisticKind.COUNT:
            check_number(column)
    most = limits.MAX_EXPLAINING if kind is StatisticKind.REGR else 1 if kind in _OF_TWO else 0
    if len(others) > most or (most and not others):
        wanted = f"1 to {most}" if most > 1 else str(most)
        raise Refused(
            Refusal.MALFORMED, f"{statistic.alias!r} takes {wanted} explaining columns, not {len(others)}"
        )
    for name in others:
        check_number(column_of(table, name))
    if len({statistic.column, *others}) <= len(others):
        raise Refused(Refusal.MALFORMED, f"{statistic.alias!r} names one column twice")


def check_number(column: Column) -> None:
    """Refuse a column that has no units, or whose doubles lie so far apart that they are no units."""
    if not column.is_number:
        raise Refused(
            Refusal.UNSUPPORTED,
            f"{column.name!r} is a {column.type.value}; only numbers have sums, means and the like",
        )
    if max(abs(column.lower), abs(column.upper)) > limits.MAX_STEPS * column.resolution:
        raise Refused(
            Refusal.UNSUPPORTED, f"the bounds of {column.name!r} are too far from 0 for its resolution"
        )


def _check_parameters(statistic: Statistic) -> None:
    kind, q = statistic.kind, statistic.quantile
    if (q is not None) != (kind is StatisticKind.QUANTILE):
        raise Refused(Refusal.MALFORMED, f"{statistic.alias!r}: a quantile, and nothing else, takes q")
    if q is not None and not 0 < q < 1:
        raise Refused(Refusal.MALFORMED, f"{statistic.alias!r}: q must lie between 0 and 1")
    if statistic.bins and kind not in _BINNED:
        raise Refused(Refusal.MALFORMED, f"{statistic.alias!r} takes no bins")
    if kind is StatisticKind.HISTOGRAM and not 1 <= statistic.bins <= leaves.MOST:
        raise Refused(Refusal.UNSUPPORTED, f"{statistic.alias!r} takes 1 to {leaves.MOST} bins")
    if kind is StatisticKind.QUANTILE and statistic.bins:
        power = statistic.bins & (statistic.bins - 1) == 0
        if not power or not 2 <= statistic.bins <= leaves.MOST:
            raise Refused(
                Refusal.UNSUPPORTED,
                f"{statistic.alias!r} takes a power of two from 2 to {leaves.MOST} as its bins",
            )


def _check_weight(statistic: Statistic, table: Table) -> None:
    if not statistic.weight:
        return
    if statistic.kind not in _WEIGHTED:
        raise Refused(Refusal.UNSUPPORTED, f"{statistic.alias!r} takes no weight: counts, sums and means do")
    column = column_of(table, statistic.weight)
    if not column.weight or not column.is_number or column.lower < 0:
        raise Refused(Refusal.UNSUPPORTED, f"{column.name!r} is not declared as a survey weight")
    check_number(column)
    if statistic.weight == statistic.column:
        raise Refused(Refusal.MALFORMED, f"{statistic.alias!r} weights a column by itself")


def _check_loss(statistic: Statistic) -> None:
    loss, error = statistic.loss, statistic.error
    if not isinstance(loss, Fraction) or not limits.LEAST_LOSS <= loss <= limits.MOST_LOSS:
        raise Refused(
            Refusal.BAD_PRIVACY,
            f"the loss of {statistic.alias!r} must lie between {float(limits.LEAST_LOSS)} "
            f"and {limits.MOST_LOSS}",
        )
    if error is not None and error <= 0:
        raise Refused(Refusal.BAD_PRIVACY, f"the error of {statistic.alias!r} must be above 0")


def _check_persons(statistic: Statistic, table: Table) -> None:
    if table.unit is None:
        raise Refused(
            Refusal.UNSUPPORTED,
            f"the unit of table {table.name!r} is the row: it has no persons, only COUNT(*)",
        )
    if statistic.kind is not StatisticKind.INCIDENCES and table.overlap > 1:
        raise Refused(
            Refusal.UNSUPPORTED,
            f"a person can be in {table.overlap} departments of table {table.name!r}: persons cannot be "
            "counted once; ask for incidences, which count a person once per department",
        )


def column_of(table: Table, name: str) -> Column:
    """The column of the table called *name*, not a computed key; refuses any other name."""
    column = table.column(name)
    if column is None:
        raise Refused(Refusal.UNKNOWN_NAME, f"table {table.name!r} has no column {name!r}")
    if column.derived is not None:
        raise Refused(Refusal.UNSUPPORTED, f"{name!r} is a computed key and stands in GROUP BY only")
    return column
