"""A table of people and questions about it."""

from dataclasses import replace
from datetime import date
from fractions import Fraction

from cotally.server.model.catalog import Column, ColumnType, Table
from cotally.server.model.plan import Rules
from cotally.server.model.query import Mechanism, Predicate, Privacy, Query, Statistic, StatisticKind, Target

COLUMNS = (
    Column("age", ColumnType.INTEGER, nullable=False, upper=Fraction(100)),
    Column("income", ColumnType.FLOAT, upper=Fraction(200_000)),
    Column("sex", ColumnType.CATEGORY, codes=("0", "1"), other=True),
    Column("region", ColumnType.CATEGORY, codes=tuple(f"r{n}" for n in range(100))),
    Column("district", ColumnType.CATEGORY, codes=tuple(f"d{n}" for n in range(1100))),
    Column("visited", ColumnType.DATE, first=date(2020, 1, 1), last=date(2025, 12, 31)),
    Column("count_low", ColumnType.CATEGORY, codes=("a", "b")),
)

PEOPLE = Table(
    "people", "residents", "pid", overlap=1, rows_per_person=1, groups_per_person=1, expected_people=100_000,
    max_people=100_000, min_departments=3, vintage="2026", columns=COLUMNS, holders=("a", "b", "c", "d", "e"),
)

RULES = Rules(colluding=1, delta=Fraction(1, 10**7), tick_ms=50, round_ms=20_000, modulus_bits=3072)

N = Statistic("n", StatisticKind.COUNT_ROWS)
TOTAL = Statistic("total", StatisticKind.SUM, "income")
MEAN = Statistic("mean", StatisticKind.MEAN, "age")


def ask(
    *statistics: Statistic,
    keys: tuple[str, ...] = (),
    where: Predicate | None = None,
    target: Target = Target.EPSILON,
    amount: Fraction | int | str = 1,
    mechanism: Mechanism = Mechanism.GAUSSIAN,
    confidence: str = "0.95",
) -> Query:
    """A query over the table of people; COUNT(*) where no statistic is given."""
    privacy = Privacy(target, Fraction(amount), Fraction(confidence), mechanism)
    return Query("people", keys, statistics or (N,), where, privacy)


def people(**fields: object) -> Table:
    """The table of people with fields replaced."""
    return replace(PEOPLE, **fields)  # type: ignore[arg-type]
