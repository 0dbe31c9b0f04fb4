"""D depends on public sizes and the federation's policy alone, in whole ticks."""

from dataclasses import replace
from fractions import Fraction

import pytest

from cotally.server.model.encryption import Encryption
from cotally.server.model.pace import Pace
from cotally.server.model.plan import Rules
from cotally.server.model.query import (
    All,
    Any,
    Comparison,
    Membership,
    Not,
    NullTest,
    Operator,
    Statistic,
    StatisticKind,
)
from cotally.server.planner.answering_time import answering_time
from cotally.server.planner.plan import make_plan
from cotally.v1.refusals import Refusal, Refused
from tests.unit.server.planner.examples import PEOPLE, N, ask

RULES = Rules(colluding=1, delta=Fraction(1, 10**6), tick_ms=50, round_ms=20_000, modulus_bits=3072)


@pytest.mark.parametrize(
    "max_people, coordinates, ciphertexts, tick_ms, round_ms, expected",
    [
        (1, 1, 1, 50, 20_000, 450),
        (1, 1, 1, 1, 20_000, 406),
        (100_000, 300, 5, 50, 20_000, 900),
        (10**9, 100_000, 500, 50, 20_000, 10_000),
        (10**9, 1, 1, 300, 20_000, 9900),
        (1, 1, 1, 5000, 2000, 5000),
    ],
)
def test_time_is_rounded_up_to_ticks_and_capped(
    max_people: int, coordinates: int, ciphertexts: int, tick_ms: int, round_ms: int, expected: int
) -> None:
    rules = replace(RULES, tick_ms=tick_ms, round_ms=round_ms)
    assert answering_time(max_people, coordinates, ciphertexts, rules) == expected


def test_more_work_never_takes_less_time() -> None:
    times = [answering_time(people, 300, 5, RULES) for people in range(0, 10_000_000, 10_000)]
    assert times == sorted(times)


def test_slower_modes_of_encryption_get_more_time() -> None:
    short, djn, textbook = (answering_time(1, 1, 100, replace(RULES, encryption=mode))
                            for mode in (Encryption.SHORT, Encryption.DJN, Encryption.TEXTBOOK))
    assert short < djn < textbook


def test_listed_values_get_time_in_every_pass() -> None:
    """5,000 values took nodes that share two cores a second; they had half of one, and paid for nothing."""
    listed = Membership("age", tuple(range(5000)))
    nested = Any((NullTest("income"), Not(All((Comparison("age", Operator.GE, 3), listed)))))
    plain, once, within = (
        make_plan(ask(where=each), PEOPLE, RULES).answer_ms for each in (None, listed, nested))
    assert once - plain == 750 and within - once in (0, RULES.tick_ms)
    leaved = (N, Statistic("m", StatisticKind.QUANTILE, "age", quantile=Fraction(1, 2)))
    plain, twice = (make_plan(ask(*leaved, where=each), PEOPLE, RULES).answer_ms for each in (None, listed))
    assert twice - plain == 1500


@pytest.mark.parametrize("base_ms, expected", [(390, 450), (100, 150), (1, 50), (60_000, 10_000)])
def test_the_policy_states_what_every_question_takes(base_ms: int, expected: int) -> None:
    assert answering_time(1, 1, 1, replace(RULES, answer_base_ms=base_ms)) == expected


@pytest.mark.parametrize("mode", Encryption)
def test_a_faster_pace_takes_less_time_in_every_mode(mode: Encryption) -> None:
    rules = replace(RULES, encryption=mode)
    portable, kernel = (answering_time(1, 1000, 100, replace(rules, answer_pace=pace)) for pace in Pace)
    assert kernel < portable


@pytest.mark.parametrize("pace, coordinates, ciphertexts", [
    (Pace.PORTABLE, 400_000, 800), (Pace.PORTABLE, 1, 1333), (Pace.KERNEL, 1_000_000, 2000)])
def test_what_would_take_a_whole_round_is_refused_before_anybody_pays(
    pace: Pace, coordinates: int, ciphertexts: int
) -> None:
    rules = replace(RULES, answer_pace=pace)
    assert answering_time(1, coordinates, ciphertexts, rules) == 10_000
    with pytest.raises(Refused, match="rounds have 20 s") as refused:
        answering_time(1, coordinates, ciphertexts + 1, rules)
    assert refused.value.refusal is Refusal.UNSUPPORTED
    assert answering_time(1, coordinates, ciphertexts + 1, replace(rules, round_ms=60_000)) <= 30_000


def test_how_many_people_there_may_be_refuses_nothing() -> None:
    assert answering_time(10**10, 1, 1, RULES) == 10_000
