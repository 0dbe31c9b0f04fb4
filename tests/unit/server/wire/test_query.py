"""A question's message becomes a typed query, or is refused by name."""

from collections.abc import Callable
from fractions import Fraction

import pytest

from cotally.server.model.query import (
    Any,
    ColumnBounds,
    Comparison,
    Derivation,
    DerivedKey,
    Join,
    Mechanism,
    Not,
    NullTest,
    Operator,
    Privacy,
    Statistic,
    StatisticKind,
    Target,
)
from cotally.server.wire.query import MAX_DEPTH, from_message
from cotally.v1 import query_pb2 as q
from cotally.v1.refusals import Refusal, Refused


def question() -> q.Query:
    return q.Query(
        table="people", keys=["sex"],
        statistics=[q.Statistic(alias="n", kind=q.STATISTIC_KIND_COUNT_ROWS)],
        where=q.Predicate(any=q.Junction(operands=[
            q.Predicate(comparison=q.Comparison(column="age", operator=q.OPERATOR_GE,
                                                literal=q.Literal(integer=18))),
            q.Predicate(negation=q.Predicate(is_null=q.NullTest(column="sex")))])),
        privacy=q.PrivacyClause(epsilon="0.5", confidence="0.95", mechanism=q.MECHANISM_LAPLACE))


def test_a_question_is_read_whole() -> None:
    query = from_message(question())
    assert query.where == Any((Comparison("age", Operator.GE, 18), Not(NullTest("sex"))))
    assert query.privacy == Privacy(Target.EPSILON, Fraction(1, 2), Fraction(19, 20), Mechanism.LAPLACE)


def test_joins_bounds_computed_keys_and_parameters_are_read_whole() -> None:
    message = question()
    message.joins.add(table="visits", using="pid")
    message.bounds.add(column="age", lower="-1.5", upper="20")
    message.derived.add(name="b", derivation=q.DERIVATION_BIN, column="age", width="2.5", other=True)
    message.derived.add(name="y", derivation=q.DERIVATION_YEAR, column="day")
    message.consistent = True
    message.statistics.add(
        alias="r", kind=q.STATISTIC_KIND_REGR, column="a", others=["b", "c"], quantile="0.25", bins=7,
        weight="w", loss="2.5", error="0.125")
    query = from_message(message)
    assert query.joins == (Join("visits", "pid"),)
    assert query.bounds == (ColumnBounds("age", Fraction(-3, 2), Fraction(20)),)
    assert query.derived == (
        DerivedKey("b", Derivation.BIN, "age", Fraction(5, 2), True), DerivedKey("y", Derivation.YEAR, "day"))
    assert query.consistent and query.statistics[1] == Statistic(
        "r", StatisticKind.REGR, "a", ("b", "c"), Fraction(1, 4), 7, "w", Fraction(5, 2), Fraction(1, 8))
    assert query.statistics[0] == Statistic("n", StatisticKind.COUNT_ROWS)


def test_every_kind_of_statistic_and_of_key_has_a_number() -> None:
    message = question()
    del message.statistics[:]
    for name, kind in q.StatisticKind.items():
        if kind:
            message.statistics.add(alias=name.removeprefix("STATISTIC_KIND_").lower(), kind=kind)
    for name, derivation in q.Derivation.items():
        if derivation:
            message.derived.add(name=name.removeprefix("DERIVATION_").lower(), derivation=derivation)
    query = from_message(message)
    assert [s.kind for s in query.statistics] == list(StatisticKind)
    assert all(s.alias == s.kind.value for s in query.statistics)
    assert all(key.name == key.derivation.value for key in query.derived)


def test_no_condition_is_no_condition() -> None:
    message = question()
    message.ClearField("where")
    assert from_message(message).where is None


BROKEN: dict[str, tuple[Refusal, Callable[[q.Query], object]]] = {
    "statistic": (Refusal.MALFORMED, lambda m: m.statistics.append(q.Statistic(alias="x"))),
    "operator": (Refusal.MALFORMED, lambda m: m.where.comparison.CopyFrom(q.Comparison(column="age"))),
    "no value": (Refusal.MALFORMED, lambda m: m.where.comparison.CopyFrom(
        q.Comparison(column="age", operator=q.OPERATOR_EQ))),
    "empty part": (Refusal.MALFORMED, lambda m: m.where.CopyFrom(q.Predicate())),
    "at least two": (Refusal.MALFORMED, lambda m: m.where.all.CopyFrom(q.Junction())),
    "none of epsilon": (Refusal.BAD_PRIVACY, lambda m: m.privacy.ClearField("epsilon")),
    "mechanism": (Refusal.BAD_PRIVACY, lambda m: m.privacy.ClearField("mechanism")),
    "epsilon must be": (Refusal.MALFORMED, lambda m: setattr(m.privacy, "epsilon", "NaN")),
    "confidence": (Refusal.MALFORMED, lambda m: m.privacy.ClearField("confidence")),
    "derivation": (Refusal.MALFORMED, lambda m: m.derived.add(name="k", column="age")),
    "width of 'k'": (Refusal.MALFORMED, lambda m: m.derived.add(
        name="k", column="age", derivation=q.DERIVATION_BIN, width="1e3")),
    "lower bound of age": (Refusal.MALFORMED, lambda m: m.bounds.add(column="age", upper="3")),
    "quantile of 'n'": (Refusal.MALFORMED, lambda m: setattr(m.statistics[0], "quantile", "half")),
    "loss of 'n'": (Refusal.MALFORMED, lambda m: setattr(m.statistics[0], "loss", "inf")),
    "error of 'n'": (Refusal.MALFORMED, lambda m: setattr(m.statistics[0], "error", "1/3")),
}


@pytest.mark.parametrize("words", BROKEN)
def test_what_has_no_meaning_is_refused(words: str) -> None:
    refusal, break_it = BROKEN[words]
    message = question()
    break_it(message)
    with pytest.raises(Refused, match=words) as refused:
        from_message(message)
    assert refused.value.refusal is refusal


def test_nesting_is_bounded() -> None:
    message = question()
    for _ in range(MAX_DEPTH + 1):
        outer = q.Predicate()
        outer.negation.CopyFrom(message.where)
        message.where.CopyFrom(outer)
    with pytest.raises(Refused, match="nested"):
        from_message(message)
