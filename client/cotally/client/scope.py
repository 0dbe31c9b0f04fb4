"""The table that a question sees: joined, bounded as it says, with its computed keys as categories.

Bounds, joins and computed keys need no code of their own elsewhere: everything after this reads one
table with columns. `docs/statistics.md`, first section.
"""

from collections.abc import Iterable
from datetime import date
from fractions import Fraction
from typing import Final

from cotally.v1 import catalog_pb2, query_pb2
from cotally.v1.refusals import Refusal, Refused

from .published import NUMBERS, Units, column_of, decimal_text, rational

MOST_CELLS: Final = 1_000_000
_PARTS: Final = {
    query_pb2.DERIVATION_YEAR: "YEAR", query_pb2.DERIVATION_QUARTER: "QUARTER",
    query_pb2.DERIVATION_MONTH: "MONTH",
}


def effective(query: query_pb2.Query, catalog: catalog_pb2.Catalog) -> catalog_pb2.Table:
    """Return the table of *query* under *catalog*; refuse a join, bounds or a key that cannot be."""
    table = table_of(catalog, query.table)
    if len(query.joins) > 1:
        raise Refused(Refusal.UNSUPPORTED, "a question joins at most two tables")
    for join in query.joins:
        table = joined(table, table_of(catalog, join.table), join.using)
    if len({bounds.column for bounds in query.bounds}) != len(query.bounds):
        raise Refused(Refusal.MALFORMED, "the question bounds one column twice")
    columns = {bounds.column: narrowed(column_of(table, bounds.column), bounds) for bounds in query.bounds}
    keys = [computed(columns.get(key.column) or column_of(table, key.column), key) for key in query.derived]
    names = {column.name for column in table.columns}
    for key in keys:
        if key.name in names or key.name not in query.keys:
            raise Refused(Refusal.MALFORMED,
                          f"the computed key {key.name!r} is not in GROUP BY, or has the name of a column")
        names.add(key.name)
    return _with_columns(table, [*(columns.get(c.name, c) for c in table.columns), *keys])


def table_of(catalog: catalog_pb2.Catalog, name: str) -> catalog_pb2.Table:
    """Return the table called *name*; refuse an unknown one."""
    for table in catalog.tables:
        if table.name == name:
            return table
    raise Refused(Refusal.UNKNOWN_NAME, f"the catalog knows no table {name!r}")


def joined(first: catalog_pb2.Table, second: catalog_pb2.Table, using: str) -> catalog_pb2.Table:
    """Return *first* JOIN *second* USING (*using*), whose columns are called "table.column"."""
    if first.name == second.name:
        raise Refused(Refusal.UNSUPPORTED, f"table {first.name!r} cannot be joined to itself")
    for table in (first, second):
        if not table.unit_column or table.unit_column != using:
            unit = f"that of {table.name!r} is {table.unit_column!r}" if table.unit_column else (
                f"one row is the unit of {table.name!r}, so there is nobody to join on")
            raise Refused(Refusal.UNSUPPORTED, f"tables are joined on the column of their unit: {unit}")
    if first.population != second.population:
        raise Refused(Refusal.UNSUPPORTED, f"{first.name!r} is about the population {first.population!r} and "
                                           f"{second.name!r} about {second.population!r}: no join")
    holders = sorted({*first.holders} & {*second.holders})
    minimum = max(first.min_departments, second.min_departments)
    if len(holders) < minimum:
        raise Refused(Refusal.UNSUPPORTED, f"{len(holders)} departments hold both {first.name!r} and "
                                           f"{second.name!r}, and a release needs {minimum}")
    columns = []
    for table in (first, second):
        for column in table.columns:
            named = catalog_pb2.Column()
            named.CopyFrom(column)
            named.name = f"{table.name}.{column.name}"
            columns.append(named)
    result = _with_columns(first, columns)
    result.overlap = min(first.overlap, second.overlap)
    result.expected_people = min(first.expected_people, second.expected_people)
    result.max_people = min(first.max_people, second.max_people)
    result.min_departments = minimum
    result.vintage = f"{first.vintage}+{second.vintage}"
    del result.holders[:]
    result.holders.extend(holders)
    return result


def narrowed(column: catalog_pb2.Column, bounds: query_pb2.Bounds) -> catalog_pb2.Column:
    """Return *column* within *bounds*, which have to lie inside its own."""
    if column.type not in NUMBERS:
        raise Refused(Refusal.UNSUPPORTED, f"BOUNDS take a number, and {column.name!r} is none")
    own = Units.of(column)
    lower = rational(bounds.lower, f"lower bound of {column.name!r}")
    upper = rational(bounds.upper, f"upper bound of {column.name!r}")
    if not own.lower <= lower < upper <= own.upper:
        raise Refused(Refusal.UNSUPPORTED, f"the bounds of {column.name!r} ascend and lie within "
                                           f"{column.lower} and {column.upper}")
    if column.type == catalog_pb2.COLUMN_TYPE_INTEGER and lower.denominator * upper.denominator != 1:
        raise Refused(Refusal.UNSUPPORTED, f"{column.name!r} is an integer: its bounds are whole numbers")
    if upper - lower < own.resolution:
        raise Refused(Refusal.UNSUPPORTED, f"the bounds of {column.name!r} are closer than its resolution")
    result = catalog_pb2.Column()
    result.CopyFrom(column)
    result.lower, result.upper = bounds.lower, bounds.upper
    return result


def computed(column: catalog_pb2.Column, key: query_pb2.DerivedKey) -> catalog_pb2.Column:
    """Return the category that *key* makes of *column*."""
    if key.derivation == query_pb2.DERIVATION_BIN:
        cells = _bins(column, key.width)
    elif key.derivation in _PARTS:
        cells = _dates(column, key)
    else:
        raise Refused(Refusal.MALFORMED, f"the key {key.name!r} has no known derivation")
    return catalog_pb2.Column(
        name=key.name, type=catalog_pb2.COLUMN_TYPE_CATEGORY, codes=cells, other=key.other)


def bin_edges(column: catalog_pb2.Column, width: str) -> list[Fraction]:
    """Return where the bins of BIN(*column*, *width*) begin, and where the last one ends."""
    if column.type not in NUMBERS:
        raise Refused(Refusal.UNSUPPORTED, f"BIN takes a number, and {column.name!r} is none")
    units = Units.of(column)
    step = rational(width, f"width of BIN({column.name})") / units.resolution
    if step <= 0 or step.denominator != 1:
        raise Refused(Refusal.UNSUPPORTED, f"the width of BIN({column.name}) is a whole multiple of its "
                                           f"resolution, {decimal_text(units.resolution)}")
    whole = column.type == catalog_pb2.COLUMN_TYPE_INTEGER
    count = units.most // int(step) + 1 if whole else max(-(-units.most // int(step)), 1)
    if count > MOST_CELLS:
        raise Refused(
            Refusal.UNSUPPORTED, f"BIN({column.name}) has {count:,} cells: more than {MOST_CELLS:,}"
        )
    return [*(units.value(int(step) * i) for i in range(count)), units.upper]


def _bins(column: catalog_pb2.Column, width: str) -> list[str]:
    return [decimal_text(edge) for edge in bin_edges(column, width)[:-1]]


def _dates(column: catalog_pb2.Column, key: query_pb2.DerivedKey) -> list[str]:
    if column.type != catalog_pb2.COLUMN_TYPE_DATE:
        raise Refused(
            Refusal.UNSUPPORTED, f"{_PARTS[key.derivation]} takes a date, and {column.name!r} is none"
        )
    if key.width:
        raise Refused(Refusal.MALFORMED, f"{_PARTS[key.derivation]}({column.name}) takes no width")
    first, last = _day(column.lower, column), _day(column.upper, column)
    if key.derivation == query_pb2.DERIVATION_YEAR:
        return _texts(range(first.year, last.year + 1))
    span = 12 * (last.year - first.year) + last.month - first.month
    months = sorted({(first.month - 1 + i) % 12 + 1 for i in range(min(span, 11) + 1)})
    if key.derivation == query_pb2.DERIVATION_MONTH:
        return _texts(months)
    return _texts(sorted({(month + 2) // 3 for month in months}))


def _texts(numbers: Iterable[int]) -> list[str]:
    return [str(number) for number in numbers]


def _day(text: str, column: catalog_pb2.Column) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise Refused(Refusal.MALFORMED, f"the bounds of {column.name!r} are no dates") from None


def _with_columns(table: catalog_pb2.Table, columns: list[catalog_pb2.Column]) -> catalog_pb2.Table:
    result = catalog_pb2.Table()
    result.CopyFrom(table)
    del result.columns[:]
    result.columns.extend(columns)
    return result


