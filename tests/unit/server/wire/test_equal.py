"""Equal questions meet, unequal ones never do, and client and server, with code of their own, agree."""

import copy
import operator
import random
from collections.abc import Callable, Mapping

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cotally.client.equal import equal_form as client_form
from cotally.server.wire.equal import equal_form, fingerprint
from cotally.v1 import catalog_pb2, query_pb2
from cotally.v1.query_pb2 import Comparison, Junction, Literal, Membership, NullTest, Predicate, Query

CATALOG = catalog_pb2.Catalog(tables=[catalog_pb2.Table(name="people", columns=[
    catalog_pb2.Column(name="sex", type=catalog_pb2.COLUMN_TYPE_CATEGORY, codes=["0", "1"]),
    catalog_pb2.Column(name="age", type=catalog_pb2.COLUMN_TYPE_INTEGER, lower="0", upper="100"),
    catalog_pb2.Column(name="income", type=catalog_pb2.COLUMN_TYPE_FLOAT, lower="0", upper="1000",
                       resolution="0.5")])])


def at(column: str, operator: query_pb2.Operator.ValueType, integer: int) -> Predicate:
    literal = Literal(integer=integer)
    return Predicate(comparison=Comparison(column=column, operator=operator, literal=literal))


def both(*operands: Predicate) -> Predicate:
    return Predicate(all=Junction(operands=operands))


def no(operand: Predicate) -> Predicate:
    return Predicate(negation=operand)


ADULT, OLD = at("age", query_pb2.OPERATOR_GE, 18), at("age", query_pb2.OPERATOR_GT, 60)
IS_5 = at("age", query_pb2.OPERATOR_EQ, 5)


def question() -> Query:
    return Query(
        table="people", keys=["sex", "decade"],
        derived=[query_pb2.DerivedKey(name="decade", derivation=query_pb2.DERIVATION_BIN, column="age",
                                      width="10")],
        statistics=[
            query_pb2.Statistic(alias="n", kind=query_pb2.STATISTIC_KIND_COUNT_ROWS),
            query_pb2.Statistic(alias="m", kind=query_pb2.STATISTIC_KIND_MEAN, column="income", loss="2")],
        bounds=[query_pb2.Bounds(column="income", lower="0", upper="500")], where=both(ADULT, OLD),
        privacy=query_pb2.PrivacyClause(epsilon="0.5", confidence="0.95",
                                        mechanism=query_pb2.MECHANISM_GAUSSIAN))


def rename(query: Query, name: str) -> None:
    query.keys[1] = query.derived[0].name = name


def swap_losses(query: Query) -> None:
    query.statistics[0].loss, query.statistics[1].loss = query.statistics[1].loss, ""


Change = Callable[[Query], object]
EQUAL: dict[str, Change] = {
    "order of predicates": lambda q: q.where.CopyFrom(both(OLD, ADULT)),
    "order of keys": lambda q: q.keys.reverse(),
    "order of statistics": lambda q: q.statistics.reverse(),
    "aliases": lambda q: setattr(q.statistics[0], "alias", "count"),
    "the name of a computed key": lambda q: rename(q, "tens"),
    "double negation": lambda q: q.where.CopyFrom(no(no(both(OLD, ADULT)))),
    "a repeated condition": lambda q: q.where.CopyFrom(both(OLD, both(ADULT, OLD))),
    "decimals": lambda q: setattr(q.privacy, "epsilon", "0.50"),
    "bounds as declared": lambda q: q.bounds.add(column="age", lower="0.0", upper="100"),
    "an unstated loss": lambda q: setattr(q.statistics[0], "loss", "1.0"),
}
OTHER: dict[str, Change] = {
    "another condition": lambda q: q.where.CopyFrom(both(OLD, at("age", query_pb2.OPERATOR_GE, 19))),
    "no condition": lambda q: q.ClearField("where"),
    "OR": lambda q: q.where.CopyFrom(Predicate(any=Junction(operands=[ADULT, OLD]))),
    "negated": lambda q: q.where.CopyFrom(no(both(OLD, ADULT))),
    "another key": lambda q: q.keys.pop(0),
    "wider bins": lambda q: setattr(q.derived[0], "width", "20"),
    "another statistic": lambda q: setattr(q.statistics[1], "kind", query_pb2.STATISTIC_KIND_SUM),
    "one more statistic": lambda q: q.statistics.add(alias="x", kind=query_pb2.STATISTIC_KIND_COUNT_ROWS),
    "another loss": lambda q: setattr(q.statistics[1], "loss", "3"),
    "the loss of the other": lambda q: swap_losses(q),
    "another epsilon": lambda q: setattr(q.privacy, "epsilon", "0.51"),
    "rho, not epsilon": lambda q: setattr(q.privacy, "rho", "0.5"),
    "another confidence": lambda q: setattr(q.privacy, "confidence", "0.9"),
    "another mechanism": lambda q: setattr(q.privacy, "mechanism", query_pb2.MECHANISM_LAPLACE),
    "other bounds": lambda q: setattr(q.bounds[0], "upper", "499"),
    "consistent": lambda q: setattr(q, "consistent", True),
}


@pytest.mark.parametrize("change", EQUAL.values(), ids=EQUAL)
def test_equal_questions_share_their_fingerprint(change: Change) -> None:
    other = question()
    change(other)
    assert other != question()
    assert fingerprint(other, CATALOG) == fingerprint(question(), CATALOG)
    assert client_form(other, CATALOG) == equal_form(question(), CATALOG)


@pytest.mark.parametrize("change", OTHER.values(), ids=OTHER)
def test_others_do_not(change: Change) -> None:
    other = question()
    change(other)
    assert fingerprint(other, CATALOG) != fingerprint(question(), CATALOG)
    assert client_form(other, CATALOG) == equal_form(other, CATALOG) != client_form(question(), CATALOG)


@pytest.mark.parametrize(("one", "other"), [
    (Predicate(membership=Membership(column="age", literals=[Literal(integer=5)])), IS_5),
    (both(at("age", query_pb2.OPERATOR_GE, 5), at("age", query_pb2.OPERATOR_LE, 5)), IS_5),
    (no(at("age", query_pb2.OPERATOR_NE, 5)), IS_5),
    (no(both(at("age", query_pb2.OPERATOR_GE, 5), at("age", query_pb2.OPERATOR_LE, 5))),
     at("age", query_pb2.OPERATOR_NE, 5)),
])
def test_conditions_that_mean_the_same(one: Predicate, other: Predicate) -> None:
    forms = [equal_form(Query(table="people", where=each), CATALOG).where for each in (one, other)]
    assert forms[0] == forms[1] == other


def test_a_stated_error_is_that_of_the_first_statistic() -> None:
    one = question()
    one.privacy.error = "5"
    other = copy.deepcopy(one)
    other.statistics.reverse()
    assert fingerprint(one, CATALOG) != fingerprint(other, CATALOG)
    assert client_form(one, CATALOG) != client_form(other, CATALOG)


_leaves = st.one_of(
    st.builds(at, st.sampled_from(["age", "income"]), st.integers(1, 6), st.integers(0, 2)),
    st.lists(st.integers(0, 2).map(lambda n: Literal(integer=n)), min_size=1, max_size=3).map(
        lambda found: Predicate(membership=Membership(column="age", literals=found))),
    st.just(Predicate(is_null=NullTest(column="age"))))
_predicates = st.recursive(_leaves, lambda inner: st.one_of(
    inner.map(no),
    st.lists(inner, min_size=2, max_size=3).map(lambda p: Predicate(all=Junction(operands=p))),
    st.lists(inner, min_size=2, max_size=3).map(lambda p: Predicate(any=Junction(operands=p)))), max_leaves=7)


_COMPARE = {query_pb2.OPERATOR_EQ: operator.eq, query_pb2.OPERATOR_NE: operator.ne,
            query_pb2.OPERATOR_LT: operator.lt, query_pb2.OPERATOR_LE: operator.le,
            query_pb2.OPERATOR_GT: operator.gt, query_pb2.OPERATOR_GE: operator.ge}


def holds(node: Predicate, row: Mapping[str, int | None]) -> bool | None:
    """What *node* says of *row* in SQL's logic; None: unknown."""
    kind = node.WhichOneof("node")
    if kind == "is_null":
        return row[node.is_null.column] is None
    if kind == "negation":
        inner = holds(node.negation, row)
        return None if inner is None else not inner
    if kind in ("comparison", "membership"):
        value = row[node.comparison.column or node.membership.column]
        if value is None:
            return None
        if kind == "membership":
            return value in [literal.integer for literal in node.membership.literals]
        return bool(_COMPARE[node.comparison.operator](value, node.comparison.literal.integer))
    found = [holds(each, row) for each in (node.all if kind == "all" else node.any).operands]
    decisive = kind == "any"
    return decisive if decisive in found else None if None in found else not decisive


ROWS = [{"age": age, "income": income} for age in (None, *range(-1, 4)) for income in (None, *range(-1, 4))]


@settings(max_examples=150, deadline=None)
@given(_predicates)
@example(Predicate(any=Junction(operands=[at("age", query_pb2.OPERATOR_GE, 1),
                                          at("age", query_pb2.OPERATOR_LE, 1)])))
@example(no(both(at("age", query_pb2.OPERATOR_GE, 1), at("income", query_pb2.OPERATOR_LE, 1))))
def test_a_form_says_of_every_row_what_the_question_said(where: Predicate) -> None:
    """Whatever shares a form therefore means the same: no release answers another question."""
    form = equal_form(Query(table="people", where=where), CATALOG).where
    for row in ROWS:
        assert holds(form, row) is holds(where, row), row


@settings(max_examples=60, deadline=None)
@given(_predicates, st.randoms(use_true_random=False))
def test_client_and_server_agree_on_a_fixed_point(where: Predicate, chance: random.Random) -> None:
    query = question()
    query.where.CopyFrom(where)
    keys, statistics = list(query.keys), list(query.statistics)
    chance.shuffle(keys)
    chance.shuffle(statistics)
    del query.keys[:], query.statistics[:]
    query.keys.extend(keys)
    query.statistics.extend(statistics)
    form = equal_form(query, CATALOG)
    assert form == client_form(query, CATALOG)
    assert form == equal_form(form, CATALOG)
