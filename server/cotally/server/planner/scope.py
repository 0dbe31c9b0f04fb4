"""The effective table of a query: joined, bounded as the query says, with its computed keys as columns.

Planner and engines see this table only, so a narrower bound or a computed key is nothing new to them.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from fractions import Fraction

from cotally.v1.refusals import Refusal, Refused

from ..model.catalog import OTHER, Column, ColumnType, Derived, Table
from ..model.query import ColumnBounds, Derivation, DerivedKey, Query
from . import limits


def effective(query: Query, table: Table, others: Sequence[Table]) -> Table:
    """The table that *query* is about: *table*, joined with *others* in the order of the query's joins.

    Raises Refused: UNSUPPORTED or MALFORMED for a join, bounds or a computed key that cannot be, by name.
    """
    if others:
        table = _joined(query, table, others)
    for bounds in query.bounds:
        table = _replaced(table, _narrowed(_declared(table, bounds.column), bounds))
    if len({bounds.column for bounds in query.bounds}) != len(query.bounds):
        raise Refused(Refusal.MALFORMED, "the query bounds one column twice")
    for key in query.derived:
        if table.column(key.name) is not None:
            raise Refused(Refusal.MALFORMED, f"the computed key {key.name!r} has the name of a column")
        if key.name not in query.keys:
            raise Refused(Refusal.MALFORMED, f"the computed key {key.name!r} is not in GROUP BY")
        table = replace(table, columns=(*table.columns, _derived(_declared(table, key.column), key)))
    return table


def _joined(query: Query, table: Table, others: Sequence[Table]) -> Table:
    if len(others) > 1:
        raise Refused(Refusal.UNSUPPORTED, "a query joins at most two tables")
    other, using = others[0], query.joins[0].using
    if other.name == table.name:
        raise Refused(Refusal.UNSUPPORTED, f"table {table.name!r} cannot be joined to itself")
    if None in (table.unit, other.unit):
        raise Refused(Refusal.UNSUPPORTED, "a table whose unit is the row has nobody to be joined on")
    for each in (table, other):
        if each.unit != using:
            raise Refused(
                Refusal.UNSUPPORTED,
                f"tables are joined on their unit column only; that of {each.name!r} is not {using!r}",
            )
    if table.population != other.population:
        raise Refused(
            Refusal.UNSUPPORTED,
            f"{table.name!r} is of population {table.population!r}, {other.name!r} of {other.population!r}",
        )
    holders = tuple(sorted({*table.holders} & {*other.holders}))
    minimum = max(table.min_departments, other.min_departments)
    if len(holders) < minimum:
        raise Refused(
            Refusal.UNSUPPORTED,
            f"{len(holders)} departments hold both {table.name!r} and {other.name!r}; "
            f"a release needs {minimum}",
        )
    return replace(
        table,
        overlap=min(table.overlap, other.overlap),
        expected_people=min(table.expected_people, other.expected_people),
        max_people=min(table.max_people, other.max_people),
        min_departments=minimum,
        vintage=f"{table.vintage}+{other.vintage}",
        columns=tuple(replace(c, name=f"{t.name}.{c.name}") for t in (table, other) for c in t.columns),
        holders=holders,
        parts=(table, other),
    )


def _narrowed(column: Column, bounds: ColumnBounds) -> Column:
    if not column.is_number:
        raise Refused(Refusal.UNSUPPORTED, f"BOUNDS take a number; {column.name!r} is a {column.type.value}")
    if not column.lower <= bounds.lower < bounds.upper <= column.upper:
        raise Refused(
            Refusal.UNSUPPORTED,
            f"the bounds of {column.name!r} must ascend and lie within {column.lower} and {column.upper}",
        )
    whole = bounds.lower.denominator == bounds.upper.denominator == 1
    if column.type is ColumnType.INTEGER and not whole:
        raise Refused(Refusal.UNSUPPORTED, f"{column.name!r} is an integer: its bounds are whole numbers")
    if bounds.upper - bounds.lower < column.resolution:
        raise Refused(
            Refusal.UNSUPPORTED, f"the bounds of {column.name!r} are closer than its resolution"
        )
    return replace(column, lower=bounds.lower, upper=bounds.upper)


def _derived(column: Column, key: DerivedKey) -> Column:
    if column.derived is not None:
        raise Refused(Refusal.UNSUPPORTED, f"the computed key {key.name!r} is of another computed key")
    if key.derivation is Derivation.BIN:
        cells, width = _bins(column, key)
    else:
        cells, width = _periods(column, key), 0
    if key.other and OTHER in cells:
        raise Refused(Refusal.UNSUPPORTED, f"the computed key {key.name!r} has a cell called {OTHER!r}")
    return Column(
        key.name, ColumnType.CATEGORY, codes=cells, other=key.other,
        derived=Derived(key.derivation, column.name, width),
    )


def _bins(column: Column, key: DerivedKey) -> tuple[tuple[str, ...], int]:
    """Labels of the bins, their lower edges, and their width in units."""
    if not column.is_number:
        raise Refused(Refusal.UNSUPPORTED, f"BIN takes a number; {column.name!r} is a {column.type.value}")
    width = Fraction(0) if key.width is None else key.width / column.resolution
    if width <= 0 or width.denominator != 1:
        raise Refused(
            Refusal.UNSUPPORTED,
            f"the width of {key.name!r} must be a whole multiple of {column.resolution}, "
            f"the resolution of {column.name!r}",
        )
    units = int(width)
    if column.type is ColumnType.INTEGER:
        count = column.units // units + 1
    else:
        count = max(-(-column.units // units), 1)
    if count > limits.MAX_COORDINATES:
        raise Refused(Refusal.UNSUPPORTED, f"the key {key.name!r} has {count} cells")
    edges = (column.lower + column.resolution * units * i for i in range(count))
    return tuple(map(_label, edges)), units


def _periods(column: Column, key: DerivedKey) -> tuple[str, ...]:
    if column.type is not ColumnType.DATE:
        kind = key.derivation.value.upper()
        raise Refused(Refusal.UNSUPPORTED, f"{kind} takes a date; {column.name!r} is a {column.type.value}")
    if key.width is not None:
        raise Refused(Refusal.MALFORMED, f"the key {key.name!r} is no BIN and takes no width")
    if key.derivation is Derivation.YEAR:
        return tuple(str(year) for year in range(column.first.year, column.last.year + 1))
    months = _months(column.first, column.last)
    if key.derivation is Derivation.MONTH:
        return tuple(map(str, months))
    return tuple(map(str, sorted({(month + 2) // 3 for month in months})))


def _months(first: date, last: date) -> list[int]:
    """The months of the year that occur from *first* to *last*."""
    span = 12 * (last.year - first.year) + last.month - first.month
    return sorted({(first.month - 1 + i) % 12 + 1 for i in range(min(span, 11) + 1)})


def _label(value: Fraction) -> str:
    """The shortest exact decimal, or the fraction where there is none."""
    for digits in range(20):
        scaled = value * 10**digits
        if scaled.denominator == 1:
            sign, text = "-" if scaled < 0 else "", f"{abs(int(scaled)):0{digits + 1}d}"
            return sign + (f"{text[:-digits]}.{text[-digits:]}" if digits else text)
    return str(value)


def _declared(table: Table, name: str) -> Column:
    column = table.column(name)
    if column is None:
        raise Refused(Refusal.UNKNOWN_NAME, f"table {table.name!r} has no column {name!r}")
    return column


def _replaced(table: Table, column: Column) -> Table:
    columns = tuple(column if c.name == column.name else c for c in table.columns)
    return replace(table, columns=columns)
