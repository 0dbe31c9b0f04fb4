"""What a node refuses, whoever asks."""

import math
from dataclasses import replace
from datetime import date, datetime
from fractions import Fraction
from typing import cast

import pytest

from cotally.server.model.query import (
    All,
    Any,
    Comparison,
    Membership,
    Not,
    NullTest,
    Operator,
    Predicate,
    Query,
    Statistic,
    StatisticKind,
    Target,
)
from cotally.server.planner import limits
from cotally.server.planner.check import check
from cotally.v1.refusals import Refusal, Refused
from tests.unit.server.planner.examples import MEAN, PEOPLE, TOTAL, N, ask

ADULT = Comparison("age", Operator.GE, 18)
CLAUSE = ask().privacy


def nested(depth: int) -> Predicate:
    """A condition *depth* deep."""
    predicate: Predicate = ADULT
    for _ in range(depth - 1):
        predicate = Not(predicate)
    return predicate


GOOD: list[Query] = [
    ask(N, TOTAL, MEAN, keys=("sex", "region")),
    ask(Statistic("seen", StatisticKind.COUNT, "visited")),
    ask(where=ADULT),
    ask(where=Comparison("income", Operator.LT, Fraction(1, 8))),
    ask(where=Comparison("age", Operator.NE, Fraction(1, 2))),
    ask(where=Membership("sex", ("0", "1"))),
    ask(where=Comparison("visited", Operator.GT, date(2024, 2, 29))),
    ask(where=All((ADULT, Any((NullTest("income"), Not(NullTest("sex"))))))),
    ask(where=nested(limits.MAX_DEPTH)),
    ask(where=All((ADULT,) * (limits.MAX_CONDITIONS - 1))),
    ask(confidence="0.5"),
    ask(confidence="0.9999"),
]

BAD: list[tuple[Query, Refusal, str]] = [
    (replace(ask(), table="horses"), Refusal.UNKNOWN_NAME, "horses"),
    (replace(ask(), statistics=()), Refusal.MALFORMED, "no statistic"),
    (ask(keys=("planet",)), Refusal.UNKNOWN_NAME, "planet"),
    (ask(keys=("age",)), Refusal.UNSUPPORTED, "age"),
    (ask(keys=("sex", "region", "sex")), Refusal.MALFORMED, "sex"),
    (ask(keys=("sex",) * 17), Refusal.UNSUPPORTED, "16"),
    (ask(N, N), Refusal.MALFORMED, "'n'"),
    (ask(replace(N, alias="")), Refusal.MALFORMED, "no name"),
    (ask(replace(N, alias="n_se")), Refusal.MALFORMED, "n_se"),
    (ask(replace(N, alias="n_flag")), Refusal.MALFORMED, "n_flag"),
    (ask(replace(N, alias="sex"), keys=("sex",)), Refusal.MALFORMED, "sex"),
    (ask(replace(N, alias="count"), keys=("count_low",)), Refusal.MALFORMED, "count_low"),
    (ask(replace(N, column="age")), Refusal.MALFORMED, "takes no column"),
    (ask(*(replace(N, alias=f"n{i}") for i in range(65))), Refusal.UNSUPPORTED, "64"),
    (ask(replace(TOTAL, column="sex")), Refusal.UNSUPPORTED, "sex"),
    (ask(replace(MEAN, column="visited")), Refusal.UNSUPPORTED, "visited"),
    (ask(replace(TOTAL, column="pid")), Refusal.UNKNOWN_NAME, "pid"),
    (ask(replace(TOTAL, column="")), Refusal.UNKNOWN_NAME, "''"),
    (ask(Statistic("m", cast(StatisticKind, "median"), "age")), Refusal.MALFORMED, "'m'"),
    (ask(where=Comparison("pid", Operator.EQ, 1)), Refusal.UNKNOWN_NAME, "pid"),
    (ask(where=Comparison("age", Operator.EQ, "18")), Refusal.MALFORMED, "age"),
    (ask(where=Comparison("age", Operator.EQ, True)), Refusal.MALFORMED, "age"),
    (ask(where=Comparison("age", Operator.EQ, cast(int, 1.5))), Refusal.MALFORMED, "age"),
    (ask(where=Comparison("age", Operator.EQ, 2**63)), Refusal.UNSUPPORTED, "age"),
    (ask(where=Comparison("income", Operator.EQ, Fraction(1, 3))), Refusal.UNSUPPORTED, "income"),
    (ask(where=Comparison("age", cast(Operator, "LIKE"), 1)), Refusal.MALFORMED, "age"),
    (ask(where=Comparison("sex", Operator.EQ, "2")), Refusal.UNKNOWN_NAME, "'2'"),
    (ask(where=Comparison("sex", Operator.EQ, "other")), Refusal.UNKNOWN_NAME, "other"),
    (ask(where=Comparison("sex", Operator.LT, "1")), Refusal.UNSUPPORTED, "sex"),
    (ask(where=Comparison("sex", Operator.EQ, 1)), Refusal.MALFORMED, "sex"),
    (ask(where=Membership("sex", ("0", "2"))), Refusal.UNKNOWN_NAME, "'2'"),
    (ask(where=Membership("sex", ())), Refusal.MALFORMED, "sex"),
    (ask(where=Membership("age", (1,) * 10_001)), Refusal.UNSUPPORTED, "10000"),
    (ask(where=Comparison("visited", Operator.EQ, "2024-01-01")), Refusal.MALFORMED, "visited"),
    (ask(where=Comparison("visited", Operator.EQ, datetime(2024, 1, 1))), Refusal.MALFORMED, "visited"),  # noqa: DTZ001
    (ask(where=NullTest("pid")), Refusal.UNKNOWN_NAME, "pid"),
    (ask(where=All((ADULT,))), Refusal.MALFORMED, "two"),
    (ask(where=Not(cast(Predicate, None))), Refusal.MALFORMED, "no condition"),
    (ask(where=nested(limits.MAX_DEPTH + 1)), Refusal.UNSUPPORTED, "32"),
    (ask(where=nested(100_000)), Refusal.UNSUPPORTED, "32"),
    (ask(where=All((ADULT,) * limits.MAX_CONDITIONS)), Refusal.UNSUPPORTED, "256"),
    (ask(confidence="1"), Refusal.BAD_PRIVACY, "0.9999"),
    (ask(confidence="0.49"), Refusal.BAD_PRIVACY, "0.5"),
    (replace(ask(), privacy=replace(CLAUSE, amount=cast(Fraction, math.nan))), Refusal.MALFORMED, "exact"),
    (replace(ask(), privacy=replace(CLAUSE, target=cast(Target, None))), Refusal.MALFORMED, "target"),
]


@pytest.mark.parametrize("query", GOOD, ids=range(len(GOOD)))
def test_a_question_within_the_limits_passes(query: Query) -> None:
    check(query, PEOPLE)


@pytest.mark.parametrize("query, refusal, culprit", BAD, ids=range(len(BAD)))
def test_anything_else_is_refused_by_name(query: Query, refusal: Refusal, culprit: str) -> None:
    with pytest.raises(Refused) as refused:
        check(query, PEOPLE)
    assert refused.value.refusal is refusal
    assert culprit in refused.value.message
