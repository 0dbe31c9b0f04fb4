"""Half-widths and the noise that a stated one affords are each other's inverse."""

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cotally.server.model.catalog import Column, ColumnType
from cotally.server.model.query import StatisticKind
from cotally.server.statistics import mean
from cotally.server.statistics.registry import METHODS

positive = st.fractions(Fraction(1, 100), 1000, max_denominator=100)
AGE = Column("age", ColumnType.INTEGER, lower=Fraction(-3), upper=Fraction(98))


@given(st.sampled_from(list(METHODS)), st.lists(positive, min_size=2, max_size=2), positive, positive)
@settings(max_examples=300, deadline=None)
def test_what_is_affordable_just_meets_the_error(
    kind: StatisticKind, shape: list[Fraction], people: Fraction, error: Fraction
) -> None:
    method = METHODS[kind]
    shape = shape[: len(method.encodings(AGE))]
    factor = method.affordable(shape, AGE, people, error)
    meets = method.half_width_squared([factor * part for part in shape], AGE, people)
    factor *= 1 + Fraction(1, 10**6)
    misses = method.half_width_squared([factor * part for part in shape], AGE, people)
    assert meets is not None and meets <= error**2
    assert misses is None or misses > error**2


def test_a_mean_is_fiellers_interval_at_the_farther_bound() -> None:
    people, of_count, of_sum = 400.0, 900.0, 640_000.0
    centred = float(people * 51)  # the upper bound lies 51 above the centre of 47
    lead = people**2 - of_count
    expected = (of_count * centred**2 + of_sum * lead) ** 0.5 / lead
    square = mean.half_width_squared([Fraction(900), Fraction(640_000)], AGE, Fraction(400))
    assert square is not None and float(square) ** 0.5 == pytest.approx(expected)
    assert mean.half_width_squared([Fraction(160_000), Fraction(1)], AGE, Fraction(400)) is None
