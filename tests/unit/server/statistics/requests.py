"""Columns, and statistics over them, for the statistics' tests."""

from dataclasses import replace
from fractions import Fraction

from cotally.server.model.catalog import Column, ColumnType, Table
from cotally.server.model.query import Statistic, StatisticKind
from cotally.server.statistics.registry import METHODS
from cotally.server.statistics.request import Request

AGE = Column("age", ColumnType.INTEGER, lower=Fraction(-2), upper=Fraction(1))
WAGE = Column("wage", ColumnType.FLOAT, True, Fraction(1, 2), Fraction(5, 4), resolution=Fraction(1, 3))
DEBT = Column("debt", ColumnType.FLOAT, True, Fraction(-3, 4), Fraction(-1, 4), resolution=Fraction(1, 4))
WEIGHT = Column("weight", ColumnType.INTEGER, upper=Fraction(2), weight=True)
COLUMNS = (AGE, WAGE, DEBT, WEIGHT)
PEOPLE = Table("people", "residents", "pid", 1, 1, 1, 100, 1000, 1, "v", COLUMNS, ("a",))

K = StatisticKind


def request(
    kind: StatisticKind, *columns: str, weight: str = "", bins: int = 0, table: Table = PEOPLE
) -> Request:
    """The request for a statistic of *kind* over the columns, the explained one first."""
    first, *others = columns or ("",)
    q = Fraction(1, 3) if kind is K.QUANTILE else None
    return Request.of(Statistic("a", kind, first, tuple(others), q, bins, weight), table)


def over(column: Column, kind: StatisticKind) -> Request:
    """The request for a statistic of *kind* over *column* alone."""
    return request(kind, column.name, table=replace(PEOPLE, columns=(column,)))


EVERY = (
    request(K.COUNT_ROWS),
    request(K.COUNT, "age"),
    request(K.COUNT, "age", weight="weight"),
    request(K.SUM, "age"),
    request(K.SUM, "wage"),
    request(K.SUM, "debt"),
    request(K.SUM, "debt", weight="weight"),
    request(K.MEAN, "age"),
    request(K.MEAN, "wage"),
    request(K.MEAN, "debt"),
    request(K.MEAN, "wage", weight="weight"),
    request(K.VARIANCE, "age"),
    request(K.STDDEV, "wage"),
    request(K.COVAR, "age", "debt"),
    request(K.CORR, "wage", "age"),
    request(K.REGR, "age", "wage", "debt"),
    request(K.HISTOGRAM, "age", bins=3),
    request(K.QUANTILE, "age", bins=4),
    request(K.SUGGEST_BOUNDS, "age"),
    request(K.PERSONS),
    request(K.INCIDENCES),
    request(K.CLIPPED_LOW, "age"),
    request(K.CLIPPED_HIGH, "age"),
    request(K.TRUNCATED),
)
assert {each.statistic.kind for each in EVERY} == set(METHODS)
