"""Roots, scales and decimals are rounded to the promised side, and no further than promised."""

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cotally.server.dp.rounding import (
    SCALE_BITS,
    ceil_sqrt,
    decimal_text,
    next_scale,
    root_up,
    scale_of_square,
    short_decimal_down,
    short_decimal_up,
)

positive = st.fractions(min_value=0, max_denominator=10**9).filter(bool)


@given(positive)
@settings(max_examples=200, deadline=None)
def test_a_root_is_the_smallest_integer_that_suffices(square: Fraction) -> None:
    root = ceil_sqrt(square)
    assert root**2 >= square > (root - 1) ** 2


@given(positive, st.integers(-150, 150))
@settings(max_examples=300, deadline=None)
def test_a_scale_is_rounded_up_by_at_most_two_to_the_minus_38(square: Fraction, exponent: int) -> None:
    square *= Fraction(2) ** exponent
    scale = scale_of_square(square)
    assert scale.mantissa % 2 == 1
    assert scale.mantissa.bit_length() <= SCALE_BITS
    assert square <= scale.fraction() ** 2 <= square * (1 + Fraction(1, 2**38)) ** 2
    assert scale.fraction() < next_scale(scale).fraction() < scale.fraction() * (1 + Fraction(1, 2**38))


@given(st.fractions(min_value=0), st.integers(-150, 150))
@settings(max_examples=200, deadline=None)
def test_a_rational_root_is_rounded_up(square: Fraction, exponent: int) -> None:
    square *= Fraction(2) ** exponent
    assert square <= root_up(square) ** 2 <= square * (1 + Fraction(1, 2**59))


def test_no_noise_has_no_scale() -> None:
    with pytest.raises(ValueError):
        scale_of_square(Fraction(0))


@given(positive, st.integers(1, 9))
@settings(max_examples=200, deadline=None)
def test_short_decimals_bracket_the_value(value: Fraction, digits: int) -> None:
    up, down = short_decimal_up(value, digits), short_decimal_down(value, digits)
    assert down <= value <= up <= value * (1 + Fraction(10, 10**digits))
    assert down >= value * (1 - Fraction(10, 10**digits))
    assert short_decimal_up(up, digits) == up


@pytest.mark.parametrize(
    "value, text",
    [(Fraction(0), "0"), (Fraction(100), "100"), (Fraction(10**30), "1e+30"), (Fraction(5, 4), "1.25")],
)
def test_numbers_are_written_short(value: Fraction, text: str) -> None:
    assert decimal_text(value) == text
