"""Rows as lanes: non-negative integers, one per distinct thing that blocks sum, NULL where a row leaves.

A block's integer of a row is factor * lane + shift. Of a product the lane is the product less its
least value, so that engines which truncate and engines which floor divide alike.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from sqlglot import exp

from cotally.server.engines.predicate import nearest
from cotally.server.engines.terms import RECORDS, Bindings, binary, case, cast, column, junction, number
from cotally.server.engines.units import integer_type, units
from cotally.server.model.catalog import Column, ColumnType, Table
from cotally.server.model.plan import Block, BlockKind, Form

_SIMPLE: Final = (BlockKind.SUM, BlockKind.CENTRED_SUM)


@dataclass(frozen=True, slots=True)
class Lane:
    """What one block needs of each row; equal lanes are computed once.

    `columns` must not be NULL. The lane's value is a form's coarse unit (`coarse`), a product of
    `forms`, or where there are neither only its presence.
    """

    columns: frozenset[str]
    coarse: tuple[str, int] | None = None
    forms: tuple[Form, Form] | None = None

    @property
    def has_value(self) -> bool:
        """False where only presence counts."""
        return self.coarse is not None or self.forms is not None


@dataclass(frozen=True, slots=True)
class Line:
    """A row's integer: factor * lane + shift, the lane's value in 0..most."""

    lane: Lane
    factor: int
    shift: int
    most: int


def line(block: Block, table: Table) -> Line:
    """How a COUNT, SUM, CENTRED_SUM or PRODUCT is read off a lane."""
    named = {block.column} - {""} | {*block.present}
    if block.kind is BlockKind.PRODUCT:
        assert block.second is not None
        low, high = _product_range(block.form, block.second, table)
        lane = Lane(frozenset(named | {block.second.column}), forms=(block.form, block.second))
        return Line(lane, 1, low, high - low)
    if block.factor == 0:
        return Line(Lane(frozenset(named)), 0, block.shift, 0)
    if block.factor < 0:
        raise ValueError("a block counts units downwards")
    if not block.column:
        raise ValueError("a block sums units without a column")
    lane = Lane(frozenset(named), coarse=(block.column, block.coarse))
    return Line(lane, block.factor, block.shift, _coarse_units(declared(table, block.column), block.coarse))


def value(lane: Lane, table: Table, bindings: Bindings) -> exp.Expression:
    """The lane's expression over a row: an integer, or NULL where the row leaves."""
    if lane.coarse is not None:
        name, coarse = lane.coarse
        return _unless_null(_coarse(name, coarse, table, bindings), lane.columns - {name})
    if lane.forms is not None:
        first, second = lane.forms
        low, high = _product_range(first, second, table)
        kind = integer_type(4 * max(abs(low), abs(high), 1))
        factors = [_form(form, kind, table, bindings) for form in (first, second)]
        lifted = binary(exp.Sub, binary(exp.Mul, *factors), bindings.bind(low))
        return _unless_null(lifted, lane.columns - {first.column, second.column})
    if len(lane.columns) == 1:
        return column(next(iter(lane.columns)), RECORDS)
    return _unless_null(number(0), lane.columns)


def outside(block: Block, table: Table, bindings: Bindings) -> exp.Expression:
    """1 for a row whose raw value lies below, or above, the bounds, else 0; NULL is inside."""
    bounded = declared(table, block.column)
    low = block.kind is BlockKind.CLIPPED_LOW
    bound = bounded.lower if low else bounded.upper
    limit = bindings.bind(int(bound) if bounded.type is ColumnType.INTEGER else nearest(bound))
    beyond = (exp.LT if low else exp.GT)(this=column(bounded.name, RECORDS), expression=limit)
    return case((beyond, number(1)), otherwise=number(0))


def declared(table: Table, name: str) -> Column:
    """The column called *name*; ValueError where the planner would have refused."""
    found = table.column(name)
    if found is None:
        raise ValueError(f"table {table.name} has no column {name}")
    return found


def _coarse_units(bounded: Column, coarse: int) -> int:
    return (2 * bounded.units + coarse) // (2 * coarse)


def _product_range(first: Form, second: Form, table: Table) -> tuple[int, int]:
    """Integers between which every row's product lies."""
    ends = []
    for form in (first, second):
        most = _coarse_units(declared(table, form.column), form.coarse)
        ends.append((form.shift, form.factor * most + form.shift))
    corners = [a * b for a in ends[0] for b in ends[1]]
    return (0, max(corners)) if first == second else (min(corners), max(corners))


def _coarse(name: str, coarse: int, table: Table, bindings: Bindings) -> exp.Expression:
    """floor(u / coarse + 1/2)."""
    bounded = declared(table, name)
    unit = units(bounded, bindings)
    if coarse == 1:
        return unit
    unit = cast(unit, integer_type(2 * bounded.units + coarse))
    doubled = binary(exp.Add, binary(exp.Mul, unit, number(2)), bindings.bind(coarse))
    return exp.paren(exp.IntDiv(this=doubled, expression=bindings.bind(2 * coarse)), copy=False)


def _form(form: Form, kind: str, table: Table, bindings: Bindings) -> exp.Expression:
    unit = cast(_coarse(form.column, form.coarse, table, bindings), kind)
    if form.factor != 1:
        unit = binary(exp.Mul, unit, bindings.bind(form.factor))
    return binary(exp.Add, unit, bindings.bind(form.shift))


def _unless_null(tree: exp.Expression, names: Iterable[str]) -> exp.Expression:
    """*tree*, but NULL where one of the columns is."""
    missing: list[exp.Expression] = [
        exp.Is(this=column(name, RECORDS), expression=exp.null()) for name in sorted(names)
    ]
    return case((junction(exp.Or, missing), exp.null()), otherwise=tree) if missing else tree
