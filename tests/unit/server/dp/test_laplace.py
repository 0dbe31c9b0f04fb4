"""Discrete Laplace scales spend what was asked and no more."""

from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from cotally.server.dp import laplace
from cotally.server.model.account import PICO, Account


@given(st.integers(1, 10**15), st.fractions(Fraction(1, 10**6), 100, max_denominator=10**6))
@settings(max_examples=200, deadline=None)
def test_a_scale_spends_what_was_asked_and_no_more(l1: int, asked: Fraction) -> None:
    refined = laplace.refinement(l1, asked**2)
    l1 *= refined
    scale = laplace.share_scale(l1, asked**2)
    assert asked * (1 - Fraction(1, 10**11)) <= laplace.epsilon(l1, scale) <= asked
    assert scale.fraction() >= laplace.LEAST_SCALE
    assert refined == 1 or scale.fraction() < 2 * laplace.LEAST_SCALE * (1 + Fraction(1, 10**9))
    pure = laplace.price(l1, scale, Account.EPSILON)
    assert 0 <= pure - laplace.epsilon(l1, scale) * PICO < 1
    price = laplace.price(l1, scale, Account.RHO)
    assert 0 <= price - laplace.epsilon(l1, scale) ** 2 / 2 * PICO < 1
