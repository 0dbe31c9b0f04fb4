"""Bounds hold what they say of exponentials and sums, seen from rational intervals."""

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cotally.server.dp.bounds import exp_below, sum_weights
from cotally.server.dp.law import Law, gaussian, laplace
from cotally.server.model.plan import Dyadic
from tests.fixtures import rational

LAWS = [laplace(Dyadic(3, -1)), laplace(Dyadic(11, -2)), laplace(Dyadic(1, -3)), laplace(Dyadic(7, 0)),
        gaussian(Dyadic(3, -1)), gaussian(Dyadic(11, -2)), gaussian(Dyadic(1, -2)), gaussian(Dyadic(9, 0)),
        Law(Fraction(1, 10), Fraction(1, 50))]


@given(st.fractions(0, 60, max_denominator=10**6), st.integers(1, 250))
@settings(max_examples=80, deadline=None)
def test_exponentials_are_from_below_and_within_two_units(exponent: Fraction, precision: int) -> None:
    below = exp_below(exponent, precision)
    low, high = rational.exponential(exponent)
    assert below <= high * 2**precision
    assert low * 2**precision <= below + 2


def test_exponentials_beyond_all_bits_are_zero() -> None:
    assert exp_below(Fraction(10**30), 200) == 0
    assert exp_below(Fraction(10**400), 200) == 0


def test_roundings_below_the_units_do_not_reach_above_the_truth() -> None:
    """Exponents so near 0 and log 2 that a rounding made the other way would make 1 and 1/2 of them."""
    log_2 = sum((Fraction(1, k << k) for k in range(1, 400)), Fraction(0))  # less than 2**-400 below
    for precision in (8, 64, 127):
        assert exp_below(Fraction(1, 2**400), precision) == 2**precision - 1
        assert exp_below(log_2 + Fraction(1, 2**400), precision) == 2 ** (precision - 1) - 1


@pytest.mark.parametrize("bits", [1, 20, 64, 127])
@pytest.mark.parametrize("law", LAWS)
def test_sums_and_their_limit_lie_within_their_bounds(law: Law, bits: int) -> None:
    known = sum_weights(law, bits)
    unit = 2**known.precision
    low = high = Fraction(0)
    for y, total in enumerate(known.sums):
        least, most = rational.exponential(law.exponent(y))
        low, high = low + least, high + most
        assert total <= high * unit
        assert low * unit <= total + known.error
        assert known.ratios[y] <= rational.exponential(law.exponent(y + 1) - law.exponent(y))[1] * unit
    ends = rational.cumulative(law)
    last = len(known.sums) - 1
    limit = (low / ends[last][1] * unit, high / ends[last][0] * unit)  # S_j / F_j
    assert known.low <= limit[1]
    assert limit[0] <= known.high
    assert (known.high - known.low) << bits + 32 < known.low
    assert 1 - ends[last][0] < Fraction(1, 2**bits) * (1 + Fraction(1, 2**100))
    assert known.error << bits + 32 < unit


@pytest.mark.parametrize("law", LAWS)
def test_errors_are_those_of_the_proof(law: Law) -> None:
    """2 units of an exponential, errors added and one more by each product: tighter ones are not proved."""
    known = sum_weights(law, 64)
    ratio, weight, error = 2, 0, 0
    for _ in known.sums[1:]:
        weight += ratio + 1
        ratio += 2 + 1 if law.square else 0
        error += weight
    assert known.error >= error
    assert known.high - known.low > known.error


@pytest.mark.parametrize("law", LAWS)
def test_a_bound_that_is_too_tight_would_be_seen(law: Law) -> None:
    known = sum_weights(law, 64)
    unit = 2**known.precision
    y = len(known.sums) // 2
    truth = sum(rational.exponential(law.exponent(i))[0] for i in range(y + 1))
    assert known.sums[y] < truth * unit  # rounded down, so an error of zero would be false


def test_a_law_must_fall() -> None:
    for linear, square in ((0, 0), (-1, 1), (1, -1)):
        with pytest.raises(ValueError):
            Law(Fraction(linear), Fraction(square))
