"""D depends on public sizes and the federation's policy alone, in whole ticks."""

from dataclasses import replace
from fractions import Fraction

import pytest

from cotally.server.model.encryption import Encryption
from cotally.server.model.plan import Rules
from cotally.server.planner.answering_time import answering_time

RULES = Rules(colluding=1, delta=Fraction(1, 10**6), tick_ms=50, round_ms=20_000, modulus_bits=3072)


@pytest.mark.parametrize(
    "max_people, coordinates, ciphertexts, tick_ms, round_ms, expected",
    [
        (1, 1, 1, 50, 20_000, 450),
        (1, 1, 1, 1, 20_000, 406),
        (100_000, 300, 5, 50, 20_000, 900),
        (10**9, 100_000, 5000, 50, 20_000, 10_000),
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


@pytest.mark.parametrize("base_ms, expected", [(390, 450), (100, 150), (1, 50), (60_000, 10_000)])
def test_the_policy_states_what_every_question_takes(base_ms: int, expected: int) -> None:
    assert answering_time(1, 1, 1, replace(RULES, answer_base_ms=base_ms)) == expected
