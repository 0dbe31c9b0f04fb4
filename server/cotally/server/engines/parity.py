"""Shows that an engine gives the same integers as DuckDB, over a table of nobody's records.

The records are made for a table of the catalog, from its own bounds and codes: inside, on and beyond
them, missing, ill-formed, extreme, in several normal forms, with people who repeat. They are made by
counting, so every run at every site is the same.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from fractions import Fraction
from itertools import cycle, islice
from typing import Final

from cotally.server.engines.predicate import nearest
from cotally.server.model.catalog import Column, ColumnType, Table
from cotally.server.model.plan import Plan, Rules
from cotally.server.model.query import (
    Comparison,
    Mechanism,
    Operator,
    Predicate,
    Privacy,
    Query,
    Statistic,
    StatisticKind,
    Target,
)
from cotally.server.planner.plan import make_plan
from cotally.v1.refusals import Refused

ROWS: Final = 211  # a prime: columns with lists of other lengths meet in every combination in time
_SALT: Final = bytes(range(32))
_BAD: Final = ("", "x", "NaN", "nan", "null", "1e3", "-0.0", "+7", " 7 ", "12.5", "inf", "-Infinity", "1e400",
               "-1e400", "5e-324", "9" * 30, "-" + "9" * 30, "1.0", "01", "١٢")
_PEOPLE: Final = ("p1", "p2", "李", "e\u0301", "é", " a", "1", "1.0", "", "NaN", "null", "p1", "p1")
_TEXTS: Final = ("北京", "e\u0301", "é", "o'c", "\u1e9b\u0323", "\uac00", "\u1100\u1161", "other", "%s $1 {}")

Record = Mapping[str, str]
Measure = Callable[[Sequence[Record], Query, Table, Plan, bytes], list[int]]


@dataclass(frozen=True, slots=True)
class Difference:
    """A question whose vectors differ, and in how many of its coordinates."""

    question: str
    coordinates: int
    of: int


def differences(table: Table, rules: Rules, ours: Measure, theirs: Measure) -> list[Difference]:
    """Where *ours* and *theirs* disagree about *table*; over no record, and over `ROWS`."""
    made = records(table)
    found = []
    for query in questions(table):
        try:
            plan = make_plan(query, table, rules)
        except Refused:
            continue  # of the catalog's bounds; every engine would refuse it alike
        for rows in ([], made):
            a, b = ours(rows, query, table, plan, _SALT), theirs(rows, query, table, plan, _SALT)
            wrong = sum(x != y for x, y in zip(a, b, strict=True))
            if wrong:
                found.append(Difference(_spelt(query), wrong, len(a)))
    return found


def records(table: Table, count: int = ROWS) -> list[dict[str, str]]:
    """Records for *table*: for each column a cycle of cells of a length of its own."""
    columns: dict[str, list[str]] = {c.name: _cells(c) for c in table.columns}
    if table.unit is not None:
        columns[table.unit] = [*_PEOPLE, *(f"p{i}" for i in range(3, 20))]
    cells = {}
    for position, (name, listed) in enumerate(columns.items()):
        listed = listed + listed[:1] * position  # other lengths, so that columns do not march in step
        cells[name] = list(islice(cycle(listed), count))
    return [{name: listed[i] for name, listed in cells.items()} for i in range(count)]


def _cells(column: Column) -> list[str]:
    match column.type:
        case ColumnType.CATEGORY:
            return [*column.codes[:40], *_TEXTS, *_BAD]
        case ColumnType.DATE:
            day = timedelta(days=1)
            edges = [column.first, column.last]
            edges += [d + day for d in edges if d.year < 9999] + [d - day for d in edges if d.year > 1]
            return [*(d.isoformat() for d in edges), "2024-02-29", "2023-02-29", "2024-1-2", "0000-01-01",
                    "2024-02-29 23:59:59", "infinity", *_BAD]
        case ColumnType.INTEGER:
            low, high = int(column.lower), int(column.upper)
            return [str(x) for x in (low, high, low - 1, high + 1, (low + high) // 2, 0, 2**63 - 1, -(2**63))
                    ] + list(_BAD)
        case ColumnType.FLOAT:
            half = column.lower + column.resolution * Fraction(3, 2)
            inner = [column.lower, column.upper, (column.lower + column.upper) / 2, half,
                     column.lower - column.resolution, column.upper + column.resolution]
            return [repr(nearest(x)) for x in inner] + list(_BAD)


def questions(table: Table) -> Iterator[Query]:
    """Counts, sums and means of every column; plainly, by each category, and under a condition."""
    wanted = [Statistic("n", StatisticKind.COUNT_ROWS)]
    for i, column in enumerate(table.columns):
        wanted.append(Statistic(f"c{i}", StatisticKind.COUNT, column.name))
        if column.is_number:
            wanted.append(Statistic(f"s{i}", StatisticKind.SUM, column.name))
            wanted.append(Statistic(f"m{i}", StatisticKind.MEAN, column.name))
    keys = [(c.name,) for c in table.columns if c.type is ColumnType.CATEGORY]
    for by in [(), *keys]:
        for statistic in wanted:
            yield _query(table, by, statistic, None)
    for condition in _conditions(table):
        yield _query(table, (), wanted[0], condition)


def _conditions(table: Table) -> Iterator[Predicate]:
    for column in table.columns:
        if column.is_number:
            yield Comparison(column.name, Operator.GT, (column.lower + column.upper) / 2)
        elif column.type is ColumnType.DATE:
            yield Comparison(column.name, Operator.LE, column.last)
        elif column.codes:
            yield Comparison(column.name, Operator.GE, column.codes[0])


def _query(table: Table, by: tuple[str, ...], statistic: Statistic, where: Predicate | None) -> Query:
    privacy = Privacy(Target.RHO, Fraction(1), Fraction(19, 20), Mechanism.GAUSSIAN)
    return Query(table.name, by, (statistic,), where, privacy)


def _spelt(query: Query) -> str:
    asked = query.statistics[0]
    by = f" by {', '.join(query.keys)}" if query.keys else ""
    return f"{asked.kind.value}({asked.column or '*'}){by}{' where ...' if query.where else ''}"
