"""Conditions on a table of people: words to make them, any of them, and what SQL says that they mean."""

import math
import operator
from collections.abc import Mapping
from datetime import date, timedelta
from fractions import Fraction

from hypothesis import strategies as st

from cotally.client.equal import equal_form as client_form
from cotally.server.wire.equal import equal_form
from cotally.v1 import catalog_pb2, query_pb2
from cotally.v1.query_pb2 import Comparison, Junction, Literal, Membership, NullTest, Predicate, Query

EQ, NE, LT = query_pb2.OPERATOR_EQ, query_pb2.OPERATOR_NE, query_pb2.OPERATOR_LT
LE, GT, GE = query_pb2.OPERATOR_LE, query_pb2.OPERATOR_GT, query_pb2.OPERATOR_GE
CATALOG = catalog_pb2.Catalog(tables=[catalog_pb2.Table(name="people", columns=[
    catalog_pb2.Column(name="sex", type=catalog_pb2.COLUMN_TYPE_CATEGORY, codes=["0", "1"]),
    catalog_pb2.Column(name="age", type=catalog_pb2.COLUMN_TYPE_INTEGER, lower="0", upper="100"),
    catalog_pb2.Column(name="income", type=catalog_pb2.COLUMN_TYPE_FLOAT, lower="0", upper="1000",
                       resolution="0.5"),
    catalog_pb2.Column(name="born", type=catalog_pb2.COLUMN_TYPE_DATE, lower="2000-01-01",
                       upper="2020-12-31")])])


def at(column: str, operator: query_pb2.Operator.ValueType, integer: int) -> Predicate:
    return said(column, operator, Literal(integer=integer))


def said(column: str, operator: query_pb2.Operator.ValueType, literal: Literal) -> Predicate:
    return Predicate(comparison=Comparison(column=column, operator=operator, literal=literal))


def both(*operands: Predicate) -> Predicate:
    return Predicate(all=Junction(operands=operands))


def no(operand: Predicate) -> Predicate:
    return Predicate(negation=operand)


def either(*operands: Predicate) -> Predicate:
    return Predicate(any=Junction(operands=operands))


def among(column: str, *literals: Literal) -> Predicate:
    return Predicate(membership=Membership(column=column, literals=literals))


def exactly(text: str) -> Literal:
    return Literal(decimal=text)


def on(day: str) -> Literal:
    return Literal(date=day)


def form(where: Predicate) -> Predicate:
    """The form of a condition, of which client and server have to say the same."""
    asked = Query(table="people", where=where)
    found = equal_form(asked, CATALOG).where
    assert client_form(asked, CATALOG).where == found
    return found


_numbers = st.one_of(st.integers(-1, 3).map(lambda n: Literal(integer=n)),
                     st.sampled_from(["-0.5", "0.5", "1.0", "1.5", "1.50000000000000000001"]).map(exactly))
_days = st.sampled_from(["0001-01-01", "2004-02-28", "2004-02-29", "2004-03-01", "9999-12-31"]).map(on)
_literals = {"age": _numbers, "income": _numbers, "born": _days}
_columns = st.sampled_from(["age", "income", "born"])
_leaves = st.one_of(
    _columns.flatmap(lambda c: st.builds(said, st.just(c), st.integers(1, 6), _literals[c])),
    _columns.flatmap(lambda c: st.lists(_literals[c], min_size=1, max_size=3).map(lambda x: among(c, *x))),
    _columns.map(lambda c: Predicate(is_null=NullTest(column=c))),
    st.sampled_from([EQ, NE]).map(lambda each: said("sex", each, Literal(text="1"))))
predicates = st.recursive(_leaves, lambda inner: st.one_of(
    inner.map(no),
    st.lists(inner, min_size=2, max_size=3).map(lambda p: Predicate(all=Junction(operands=p))),
    st.lists(inner, min_size=2, max_size=3).map(lambda p: Predicate(any=Junction(operands=p)))), max_leaves=7)


_COMPARE = {query_pb2.OPERATOR_EQ: operator.eq, query_pb2.OPERATOR_NE: operator.ne,
            query_pb2.OPERATOR_LT: operator.lt, query_pb2.OPERATOR_LE: operator.le,
            query_pb2.OPERATOR_GT: operator.gt, query_pb2.OPERATOR_GE: operator.ge}


Cell = int | float | str | date | None


def meant(column: str, literal: Literal) -> Fraction | float | str | date:
    """What engines compare with: exactly of whole numbers, the nearest double of doubles."""
    kind = literal.WhichOneof("value")
    if kind in ("text", "date"):
        return literal.text if kind == "text" else date.fromisoformat(literal.date)
    value = Fraction(literal.decimal) if kind == "decimal" else Fraction(literal.integer)
    return float(value) if column == "income" else value


def holds(node: Predicate, row: Mapping[str, Cell]) -> bool | None:
    """What *node* says of *row* in SQL's logic; None: unknown."""
    kind = node.WhichOneof("node")
    if kind == "is_null":
        return row[node.is_null.column] is None
    if kind == "negation":
        inner = holds(node.negation, row)
        return None if inner is None else not inner
    if kind in ("comparison", "membership"):
        column = node.comparison.column or node.membership.column
        value = row[column]
        if value is None:
            return None
        if kind == "membership":
            return value in [meant(column, literal) for literal in node.membership.literals]
        return bool(_COMPARE[node.comparison.operator](value, meant(column, node.comparison.literal)))
    found = [holds(each, row) for each in (node.all if kind == "all" else node.any).operands]
    decisive = kind == "any"
    return decisive if decisive in found else None if None in found else not decisive


ROWS: list[dict[str, Cell]] = [
    {"age": age, "income": income, "born": born, "sex": sex}
    for age in (None, -(2**63), *range(-2, 5), 101, 2**63 - 1)
    for income in (None, -math.inf, -0.5, 0.0, 0.25, 0.5, 1.0, 1.25, 1.5, math.nextafter(1.5, 2), 2.5, 3.0)
    for born in (None, date.min, *(date(2004, 2, 27) + timedelta(n) for n in range(4)), date.max)
    for sex in (None, "0", "1", "unlisted")]
