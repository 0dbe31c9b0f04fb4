"""Turns a typed predicate into a condition over raw snapshot values, in three-valued logic.

Integer columns are compared with integers: a bound between two integers moves to its neighbour, so
no rounding decides. Float columns are compared with the double nearest to the literal.
"""

import math
import unicodedata
from datetime import date
from fractions import Fraction

from sqlglot import exp

from cotally.server.engines.terms import RECORDS, Bindings, Bound, binary, column, junction
from cotally.server.model.catalog import Column, ColumnType, Table
from cotally.server.model.query import (
    All,
    Any,
    Comparison,
    Literal,
    Membership,
    Not,
    NullTest,
    Operator,
    Predicate,
)

_TREE: dict[Operator, type[exp.Binary]] = {
    Operator.EQ: exp.EQ,
    Operator.NE: exp.NEQ,
    Operator.LT: exp.LT,
    Operator.LE: exp.LTE,
    Operator.GT: exp.GT,
    Operator.GE: exp.GTE,
}
_BEYOND = 2**64  # farther than any stored integer; also bindable as a 128-bit integer


def condition(predicate: Predicate, table: Table, bindings: Bindings) -> exp.Expression:
    """The condition that is TRUE for exactly the rows that *predicate* keeps.

    Raises ValueError for a column or literal that the planner's check would have refused.
    """
    match predicate:
        case All(operands):
            return junction(exp.And, [condition(p, table, bindings) for p in operands])
        case Any(operands):
            return junction(exp.Or, [condition(p, table, bindings) for p in operands])
        case Not(operand):
            return exp.Not(this=exp.paren(condition(operand, table, bindings), copy=False))
        case NullTest(name):
            return exp.Is(this=_raw(_declared(table, name)), expression=exp.null())
        case Comparison(name, operator, literal):
            return _comparison(_declared(table, name), operator, literal, bindings)
        case Membership(name, literals):
            return _membership(_declared(table, name), literals, bindings)


def _comparison(declared: Column, operator: Operator, literal: Literal, bindings: Bindings) -> exp.Expression:
    if declared.type is ColumnType.INTEGER:
        exact = _exact(declared, literal)
        if exact.denominator != 1:
            if operator is Operator.EQ:
                return _never(declared)
            if operator is Operator.NE:
                return binary(exp.EQ, _raw(declared), _raw(declared))
            up = operator in (Operator.LT, Operator.GE)
            exact = Fraction(math.ceil(exact) if up else math.floor(exact))
        literal = exact
    return binary(_TREE[operator], _raw(declared), bindings.bind(_value(declared, literal)))


def _membership(declared: Column, literals: tuple[Literal, ...], bindings: Bindings) -> exp.Expression:
    if declared.type is ColumnType.INTEGER:
        literals = tuple(x for x in literals if _exact(declared, x).denominator == 1)
    if not literals:
        return _never(declared)
    members = [bindings.bind(_value(declared, literal)) for literal in literals]
    return exp.paren(exp.In(this=_raw(declared), expressions=members), copy=False)


def _never(declared: Column) -> exp.Expression:
    """FALSE, and NULL where the column is NULL."""
    return binary(exp.NEQ, _raw(declared), _raw(declared))


def _value(declared: Column, literal: Literal) -> Bound:
    match declared.type:
        case ColumnType.INTEGER:
            return max(-_BEYOND, min(_BEYOND, int(_exact(declared, literal))))
        case ColumnType.FLOAT:
            return nearest(_exact(declared, literal))
        case ColumnType.CATEGORY if isinstance(literal, str):
            return unicodedata.normalize("NFC", literal)
        case ColumnType.DATE if isinstance(literal, date):
            return literal
    raise ValueError(f"a literal does not fit the type of column {declared.name}")


def nearest(value: Fraction) -> float:
    """The double nearest to *value*; beyond the largest double, infinity. Zero has no sign."""
    try:
        return float(value) + 0.0
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _exact(declared: Column, literal: Literal) -> Fraction:
    if isinstance(literal, int | Fraction) and not isinstance(literal, bool):
        return Fraction(literal)
    raise ValueError(f"a literal does not fit the type of column {declared.name}")


def _declared(table: Table, name: str) -> Column:
    found = table.column(name)
    if found is None:
        raise ValueError(f"table {table.name} has no column {name}")
    return found


def _raw(declared: Column) -> exp.Expression:
    return column(declared.name, RECORDS)
