"""The effective table of a query: joined, bounded as the query says, with its computed keys as columns.

Planner and engines see this table only, so a narrower bound or a computed key is nothing new to them.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from fractions import Fraction
from math import lcm
from typing import Final

from cotally.v1.refusals import Refusal, Refused

from ..model.catalog import OTHER, Column, ColumnType, Derived, Table
from ..model.query import ColumnBounds, Derivation, DerivedKey, Query
from . import limits
from .statistic_check import check_number

_DIGITS: Final = 20  # behind the point, that a label has fewer of


def effective(query: Query, table: Table, others: Sequence[Table]) -> Table:
    """The table that *query* is about: *table*, joined with *others* in the order of the query's joins.

    Raises Refused: UNSUPPORTED or MALFORMED for a join, bounds or a computed key that cannot be, by name.
    """
    if others:
        table = _joined(query, table, others)
    if len({bounds.column for bounds in query.bounds}) != len(query.bounds):
        raise Refused(Refusal.MALFORMED, "the query bounds one column twice")
    if len(query.derived) > limits.MAX_KEYS:
        raise Refused(Refusal.UNSUPPORTED, f"GROUP BY takes at most {limits.MAX_KEYS} columns")
    for bounds in query.bounds:
        table = _replaced(table, _narrowed(_declared(table, bounds.column), bounds))
    room = limits.MAX_COORDINATES  # cells that a further key may have: many keys of many would take minutes
    for key in query.derived:
        if table.column(key.name) is not None:
            raise Refused(Refusal.MALFORMED, f"the computed key {key.name!r} has the name of a column")
        if key.name not in query.keys:
            raise Refused(Refusal.MALFORMED, f"the computed key {key.name!r} is not in GROUP BY")
        if len(key.name) > limits.MAX_NAME:
            raise Refused(Refusal.UNSUPPORTED,
                          f"the name {key.name[:20]!r}... is longer than {limits.MAX_NAME} characters")
        made = _derived(_declared(table, key.column), key, room)
        room //= len(made.keys)
        table = replace(table, columns=(*table.columns, made))
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
            f"departments that hold both {table.name!r} and {other.name!r}: {len(holders)}; "
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
        raise Refused(Refusal.UNSUPPORTED, f"BOUNDS take a number; {column.name!r} is none")
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


def _derived(column: Column, key: DerivedKey, room: int) -> Column:
    """The category of *key*; refuses (UNSUPPORTED), before it lists them, more than *room* bins."""
    if column.derived is not None:
        raise Refused(Refusal.UNSUPPORTED, f"the computed key {key.name!r} is of another computed key")
    if key.derivation is Derivation.BIN:
        cells, width = _bins(column, key, room)
    else:
        cells, width = _periods(column, key), 0
    if key.other and OTHER in cells:
        raise Refused(Refusal.UNSUPPORTED, f"the computed key {key.name!r} has a cell called {OTHER!r}")
    return Column(
        key.name, ColumnType.CATEGORY, codes=cells, other=key.other,
        derived=Derived(key.derivation, column.name, width),
    )


def _bins(column: Column, key: DerivedKey, room: int) -> tuple[tuple[str, ...], int]:
    """Labels of the bins, their lower edges, and their width in units."""
    if not column.is_number:
        raise Refused(Refusal.UNSUPPORTED, f"BIN takes a number; {column.name!r} is none")
    check_number(column)
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
    if count > room:
        raise Refused(
            Refusal.UNSUPPORTED,
            f"the key {key.name!r} has {count} cells; with the computed keys before it at most {room} fit",
        )
    return _labels(column.lower, column.resolution * units, count), units


def _periods(column: Column, key: DerivedKey) -> tuple[str, ...]:
    if column.type is not ColumnType.DATE:
        kind = key.derivation.value.upper()
        raise Refused(Refusal.UNSUPPORTED, f"{kind} takes a date; {column.name!r} is none")
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


def _labels(first: Fraction, step: Fraction, count: int) -> tuple[str, ...]:
    """Of *count* values from *first* on the shortest exact decimals, or fractions where there are none."""
    common = lcm(first.denominator, step.denominator)
    digits = next((d for d in range(_DIGITS) if 10**d % common == 0), None)
    if digits is None:
        return tuple(map(_label, (first + step * i for i in range(count))))
    start, width = int(first * 10**digits), int(step * 10**digits)
    return tuple(_decimal(start + width * i, digits) for i in range(count))


def _label(value: Fraction) -> str:
    digits = next((d for d in range(_DIGITS) if 10**d % value.denominator == 0), None)
    return str(value) if digits is None else _decimal(int(value * 10**digits), digits)


def _decimal(scaled: int, digits: int) -> str:
    """The shortest text of scaled / 10^digits."""
    text = f"{abs(scaled):0{digits + 1}d}"
    whole, part = text[:len(text) - digits], text[len(text) - digits:].rstrip("0")
    return ("-" if scaled < 0 else "") + (f"{whole}.{part}" if part else whole)


def _declared(table: Table, name: str) -> Column:
    column = table.column(name)
    if column is None:
        raise Refused(Refusal.UNKNOWN_NAME, f"table {table.name!r} has no column {name!r}")
    return column


def _replaced(table: Table, column: Column) -> Table:
    columns = tuple(column if c.name == column.name else c for c in table.columns)
    return replace(table, columns=columns)
