"""Summed shares cost what Theorem 1 of Kairouz, Liu and Steinke says; the naive price would be too low."""

import math
from fractions import Fraction

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cotally.server.dp import gaussian
from cotally.server.model.account import PICO
from cotally.server.model.plan import Dyadic

Floats = npt.NDArray[np.float64]


def summed_shares(variance: float, shares: int, reach: int = 60) -> Floats:
    """The probabilities of the sum of *shares* discrete Gaussians, by convolution."""
    points = np.arange(-reach, reach + 1)
    one = np.exp(-(points**2) / (2 * variance))
    one /= one.sum()
    total = one
    for _ in range(shares - 1):
        total = np.convolve(total, one)
    return total


def least_rho(probabilities: Floats, shift: int) -> float:
    """sup over alpha of D_alpha(Z || Z + shift) / alpha, on a grid, over the middle of the support."""
    logs = np.log(np.maximum(probabilities, 1e-300))
    middle = slice(len(logs) // 2 - 25, len(logs) // 2 + 26)
    here, there = logs[middle], np.roll(logs, shift)[middle]
    worst = 0.0
    for alpha in (1.0001, 1.1, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0):
        exponents = alpha * here + (1 - alpha) * there
        top = float(exponents.max())
        divergence = (top + math.log(float(np.exp(exponents - top).sum()))) / (alpha - 1)
        worst = max(worst, divergence / alpha)
    return worst


@pytest.mark.parametrize("shift", [1, 2])
@pytest.mark.parametrize("shares", [2, 3, 5])
@pytest.mark.parametrize("scale", [Dyadic(1, -1), Dyadic(5, -3), Dyadic(3, -2), Dyadic(1, 0)])
def test_the_price_covers_the_true_loss_of_narrow_shares(scale: Dyadic, shares: int, shift: int) -> None:
    loss = least_rho(summed_shares(float(scale.fraction() ** 2), shares), shift)
    assert loss * PICO <= gaussian.price(shift**2, scale, shares, coordinates=1)


@pytest.mark.parametrize("scale, shares", [(Dyadic(1, -1), 3), (Dyadic(5, -3), 2), (Dyadic(3, -2), 5)])
def test_without_tau_the_price_of_narrow_shares_is_too_low(scale: Dyadic, shares: int) -> None:
    variance = float(scale.fraction() ** 2)
    loss = least_rho(summed_shares(variance, shares), 1)
    assert loss > 1 / (2 * shares * variance) * (1 + 1e-4)


@given(st.fractions(Fraction(1, 4), 20, max_denominator=1000), st.integers(1, 100))
@settings(max_examples=60, deadline=None)
def test_tau_is_the_papers_sum_rounded_up(variance: Fraction, shares: int) -> None:
    terms = [math.exp(-2 * math.pi**2 * float(variance) * k / (k + 1)) for k in range(1, shares)]
    ours = float(gaussian.tau(variance, shares))
    assert 10 * sum(terms) * (1 - 1e-12) <= ours
    if shares <= 65:  # beyond, the rest is bounded by its first term
        assert ours <= 10 * sum(terms) * (1 + 1e-12)


@pytest.mark.parametrize("coordinates", [1, 100, 10_000])
def test_tau_counts_for_every_coordinate(coordinates: int) -> None:
    """The theorem's excess is tau times the root of the number of coordinates."""
    due = (math.sqrt(1 / 3) + float(gaussian.tau(Fraction(1), 3)) * math.sqrt(coordinates)) ** 2 / 2
    price = gaussian.price(1, Dyadic(1, 0), honest=3, coordinates=coordinates) / PICO
    assert due * (1 - 1e-9) <= price <= due * 1.5


def test_tau_vanishes_where_shares_are_wide() -> None:
    assert gaussian.tau(Fraction(gaussian.LEAST_VARIANCE), 2) < Fraction(1, 10**66)
    assert gaussian.tau(Fraction(10**12), 50) < Fraction(1, 10**100)
    with pytest.raises(ValueError):
        gaussian.tau(Fraction(1, 5), 2)


sensitivities = st.integers(1, 10**24)
prices = st.integers(1, 10**14)
shares_ = st.integers(1, 40)


@given(sensitivities, prices, shares_, st.integers(1, 100_000))
@settings(max_examples=200, deadline=None)
def test_a_scale_spends_what_was_asked_and_no_more(
    l2_squared: int, asked: int, honest: int, coordinates: int
) -> None:
    refined = gaussian.refinement(l2_squared, asked, honest)
    l2_squared *= refined**2
    scale = gaussian.share_scale(l2_squared, asked, honest, coordinates)
    variance = scale.fraction() ** 2
    assert honest * variance >= Fraction(l2_squared * PICO, 2 * asked)
    assert variance >= gaussian.LEAST_VARIANCE
    assert refined == 1 or variance < 4 * gaussian.LEAST_VARIANCE * (1 + Fraction(1, 10**9))
    price = gaussian.price(l2_squared, scale, honest, coordinates)
    assert asked * (1 - Fraction(1, 10**11)) <= price <= asked
