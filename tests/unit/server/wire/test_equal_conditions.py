"""Conditions that mean the same have one form, others do not, rule by rule."""

import pytest

from cotally.v1.query_pb2 import Literal, NullTest, Predicate
from tests.unit.server.wire.conditions import (
    EQ,
    GE,
    GT,
    LE,
    LT,
    NE,
    ROWS,
    among,
    at,
    both,
    either,
    exactly,
    form,
    holds,
    no,
    on,
    said,
)

IS_5 = at("age", EQ, 5)
OPERATORS = (EQ, NE, LT, LE, GT, GE)
FROM_30, WOMEN = at("age", GE, 30), said("sex", EQ, Literal(text="1"))
AGE_MISSING = Predicate(is_null=NullTest(column="age"))


@pytest.mark.parametrize(("one", "other"), [
    (among("age", Literal(integer=5)), IS_5),
    (both(at("age", GE, 5), at("age", LE, 5)), IS_5),
    (both(IS_5, at("age", GE, 3)), IS_5),
    (no(at("age", NE, 5)), IS_5),
    (no(both(at("age", GE, 5), at("age", LE, 5))), at("age", NE, 5)),
    (either(at("age", LT, 5), at("age", GT, 5)), at("age", NE, 5)),
    (no(at("age", LT, 30)), FROM_30),
    (at("age", GT, 29), FROM_30),
    (said("age", GT, exactly("29.5")), FROM_30),
    (said("age", GE, exactly("29.000000000000000001")), FROM_30),
    (said("age", GE, exactly("30.0")), FROM_30),
    (both(FROM_30, at("age", GE, 10)), FROM_30),
    (either(FROM_30, at("age", GT, 40)), FROM_30),
    (no(either(at("age", LT, 30), no(WOMEN))), both(FROM_30, WOMEN)),
    (no(both(at("age", LT, 30), among("age", Literal(integer=1), Literal(integer=2)))),
     either(FROM_30, no(among("age", Literal(integer=2), Literal(integer=1))))),
    (no(no(AGE_MISSING)), AGE_MISSING),
    (said("age", LT, exactly("-0.5")), at("age", LE, -1)),
    (both(at("income", GE, 3), no(at("income", GT, 3))), at("income", EQ, 3)),
    (both(at("income", GE, 3), at("income", GT, 3)), at("income", GT, 3)),
    (either(at("income", GE, 3), at("income", GT, 3)), at("income", GE, 3)),
    (said("income", GE, exactly("0.1")), said("income", GE, exactly("0.10000000000000000001"))),
    (said("born", GT, on("2004-02-28")), said("born", GE, on("2004-02-29"))),
    (no(said("born", GE, on("2004-03-01"))), said("born", LE, on("2004-02-29"))),
    (no(said("born", LE, on("9999-12-31"))), said("born", GT, on("9999-12-31"))),
    (no(said("born", GE, on("0001-01-01"))), said("born", LT, on("0001-01-01"))),
])
def test_conditions_that_mean_the_same(one: Predicate, other: Predicate) -> None:
    assert form(one) == form(other)
    assert form(both(AGE_MISSING, one)) == form(both(other, AGE_MISSING))


@pytest.mark.parametrize(("one", "other"), [
    (both(FROM_30, at("age", LE, 100)), FROM_30),  # values beyond the bounds are stored as they are
    (at("income", GT, 29), at("income", GE, 30)),
    (said("income", GT, exactly("29.5")), at("income", GE, 30)),
    (at("income", GT, 3), at("income", GE, 3)),
    (no(at("age", LT, 30)), at("age", GT, 30)),
    (either(FROM_30, at("age", GE, 10)), FROM_30),
    (no(AGE_MISSING), AGE_MISSING),
    (either(FROM_30, no(FROM_30)), no(AGE_MISSING)),  # where it is not NULL, neither says TRUE
    (said("born", GT, on("2004-02-27")), said("born", GE, on("2004-02-29"))),
])
def test_conditions_that_do_not(one: Predicate, other: Predicate) -> None:
    assert form(one) != form(other)


def test_nested_negations_take_no_time() -> None:
    """Thirty-two levels, the deepest that is read: pushing NOT inward may not double at each."""
    where = FROM_30
    for level in range(15):
        where = no((both, either)[level % 2](where, at("income", GE, level), among(
            "age", Literal(integer=level), Literal(integer=level + 1))))
    assert form(where) == form(form(where))


# Every value of each column, with the others NULL or not.
FEW = [row for row in ROWS if row["sex"] == "1" and [*row.values()].count(None) > 1]


@pytest.mark.parametrize("where", [
    *(said(column, each, literal) for column, literals in {
        "age": [Literal(integer=1), exactly("0.5")], "income": [Literal(integer=1), exactly("0.5")],
        "born": [on("2004-02-28"), on("0001-01-01"), on("9999-12-31")]}.items()
      for literal in literals for each in OPERATORS),
    *(join(at("income", one, 1), at("income", other, value))
      for join in (both, either) for one in OPERATORS for other in OPERATORS for value in (1, 2)),
], ids=str)
def test_each_rule_says_of_every_row_what_the_condition_said(where: Predicate) -> None:
    for each in (where, no(where)):
        plain = form(each)
        assert all(holds(plain, row) is holds(each, row) for row in FEW)
