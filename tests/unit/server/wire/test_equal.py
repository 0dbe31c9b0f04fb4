"""Equal questions meet, unequal ones never do, and client and server, with code of their own, agree."""

import copy
import random
from collections.abc import Callable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cotally.client.equal import equal_form as client_form
from cotally.server.wire.equal import equal_form, fingerprint
from cotally.v1 import query_pb2
from cotally.v1.query_pb2 import Junction, Predicate, Query
from tests.unit.server.wire.conditions import (
    CATALOG,
    GE,
    GT,
    LE,
    ROWS,
    at,
    both,
    either,
    form,
    holds,
    no,
    predicates,
)

ADULT, OLD = at("age", GE, 18), at("age", GT, 60)


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
    "a looser bound as well": lambda q: q.where.CopyFrom(both(OLD, ADULT, at("age", GE, 61))),
    "NOT of the opposite": lambda q: q.where.CopyFrom(no(at("age", LE, 60))),
    "double negation": lambda q: q.where.CopyFrom(no(no(both(OLD, ADULT)))),
    "a repeated condition": lambda q: q.where.CopyFrom(both(OLD, both(ADULT, OLD))),
    "decimals": lambda q: setattr(q.privacy, "epsilon", "0.50"),
    "bounds as declared": lambda q: q.bounds.add(column="age", lower="0.0", upper="100"),
    "an unstated loss": lambda q: setattr(q.statistics[0], "loss", "1.0"),
}
OTHER: dict[str, Change] = {
    "another condition": lambda q: q.where.CopyFrom(both(OLD, at("income", GE, 61))),
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


def test_a_stated_error_is_that_of_the_first_statistic() -> None:
    one = question()
    one.privacy.error = "5"
    other = copy.deepcopy(one)
    other.statistics.reverse()
    assert fingerprint(one, CATALOG) != fingerprint(other, CATALOG)
    assert client_form(one, CATALOG) != client_form(other, CATALOG)


@settings(max_examples=150, deadline=None)
@given(predicates, st.randoms(use_true_random=False))
@example(either(at("age", GE, 1), at("age", LE, 1)), random.Random(1))
@example(no(both(at("age", GE, 1), at("income", LE, 1))), random.Random(1))
def test_a_form_says_of_every_row_what_the_question_said(where: Predicate, chance: random.Random) -> None:
    """Whatever shares a form therefore means the same: no release answers another question."""
    plain = form(where)
    for row in chance.sample(ROWS, 200):
        assert holds(plain, row) is holds(where, row), row


@settings(max_examples=60, deadline=None)
@given(predicates, st.randoms(use_true_random=False))
def test_client_and_server_agree_on_a_fixed_point(where: Predicate, chance: random.Random) -> None:
    query = question()
    query.where.CopyFrom(where)
    keys, statistics = list(query.keys), list(query.statistics)
    chance.shuffle(keys)
    chance.shuffle(statistics)
    del query.keys[:], query.statistics[:]
    query.keys.extend(keys)
    query.statistics.extend(statistics)
    found = equal_form(query, CATALOG)
    assert found == client_form(query, CATALOG)
    assert found == equal_form(found, CATALOG)
