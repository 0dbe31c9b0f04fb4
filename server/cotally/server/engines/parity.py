"""Shows that an engine gives the same integers as DuckDB, over a table of nobody's records.

The records are made for a table of the catalog, from its own bounds and codes: inside, on and beyond
them, missing, ill-formed, extreme, in several normal forms, with people who repeat. They are made by
counting, so every run at every site is the same.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from fractions import Fraction
from itertools import cycle, islice
from typing import Final

from cotally.server.engines.parity_questions import questions, spelt, twin
from cotally.server.engines.predicate import nearest
from cotally.server.model.catalog import Column, ColumnType, Table
from cotally.server.model.plan import Plan, Rules
from cotally.server.model.query import Query
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
    """Where *ours* and *theirs* disagree about *table*: over `ROWS` records and, without keys, over none."""
    made = records(table)
    return [
        found
        for query, scope in questions(table)
        for given in ([made] if query.keys else [made, []])
        for found in _compared(query, scope, rules, given, ours, theirs)
    ]


def _compared(
    query: Query, scope: Table, rules: Rules, given: Sequence[Record], ours: Measure, theirs: Measure
) -> Iterator[Difference]:
    """At most one difference per plan; what is refused is asked in halves, down to single statistics."""
    try:
        plan = make_plan(query, scope, rules)
        a, b = (measure(given, query, scope, plan, _SALT) for measure in (ours, theirs))
    except Refused:  # by name and of public bounds: every engine's node would refuse this, or ours would
        middle = len(query.statistics) // 2
        for half in (query.statistics[:middle], query.statistics[middle:]):
            if middle:
                yield from _compared(replace(query, statistics=half), scope, rules, given, ours, theirs)
        return
    wrong = [i for i, (x, y) in enumerate(zip(a, b, strict=True)) if x != y]
    if wrong:
        block = next(b for b, each in enumerate(plan.blocks) if wrong[0] < each.offset + each.cells)
        culprit = next(i for i, read in enumerate(plan.readings) if block in read)
        yield Difference(spelt(query, culprit), len(wrong), len(a))


def records(table: Table, count: int = ROWS) -> list[dict[str, str]]:
    """Records for *table* and its `twin`: for each column a cycle of cells of a length of its own."""
    columns: dict[str, list[str]] = {c.name: _cells(c) for c in (*table.columns, *twin(table).columns)}
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
