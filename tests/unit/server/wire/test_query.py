"""A question's message becomes a typed query, or is refused by name."""

from collections.abc import Callable
from fractions import Fraction

import pytest

from cotally.server.model.query import Any, Comparison, Mechanism, Not, NullTest, Operator, Privacy, Target
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
