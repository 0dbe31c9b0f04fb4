"""Conversions agree with OpenDP's, in the direction that overstates no promise."""

from fractions import Fraction
from itertools import pairwise
from typing import Any

import opendp.prelude as opendp
import pytest

from cotally.server.dp.accounting import epsilon_from_rho, exact_epsilon, loss_within, rho_from_epsilon
from cotally.server.model.account import PICO, Account

opendp.enable_features("contrib")

EPSILONS = [Fraction(n, 100) for n in (1, 5, 25, 100, 101, 500, 2000, 10_000)]
DELTAS = [Fraction(1, 10**k) for k in (4, 6, 7, 12)]


opendp_converter: Any = opendp.c.make_zCDP_to_approxDP


def opendp_epsilon(pico_rho: int, delta: Fraction) -> float:
    """What OpenDP says that a Gaussian measurement of this rho costs."""
    gaussian = opendp.m.make_gaussian(
        opendp.atom_domain(T="i64"), opendp.absolute_distance(T="f64"), scale=1.0
    )
    curve = opendp_converter(gaussian).map((2 * pico_rho / PICO) ** 0.5)
    return float(curve.epsilon(float(delta)))


@pytest.mark.parametrize("delta", DELTAS)
@pytest.mark.parametrize("epsilon", EPSILONS)
def test_the_curve_is_opendps(epsilon: Fraction, delta: Fraction) -> None:
    pico_rho = rho_from_epsilon(epsilon, delta)
    ours = exact_epsilon(pico_rho, delta)
    assert float(ours) == pytest.approx(opendp_epsilon(pico_rho, delta), rel=1e-9)
    twice = exact_epsilon(pico_rho * 2, delta)
    assert float(twice) != pytest.approx(opendp_epsilon(pico_rho, delta), rel=1e-3)


@pytest.mark.parametrize("delta", DELTAS)
@pytest.mark.parametrize("epsilon", EPSILONS)
def test_a_budget_is_the_most_rho_within_it(epsilon: Fraction, delta: Fraction) -> None:
    pico_rho = rho_from_epsilon(epsilon, delta)
    assert exact_epsilon(pico_rho, delta) <= epsilon
    assert exact_epsilon(pico_rho + 2, delta) > epsilon  # rounded down, but by no more than needed


@pytest.mark.parametrize("delta", DELTAS)
def test_more_privacy_costs_less(delta: Fraction) -> None:
    prices = [rho_from_epsilon(epsilon, delta) for epsilon in EPSILONS]
    assert all(less < more for less, more in pairwise(prices))
    losses = [exact_epsilon(price, delta) for price in prices]
    assert all(less < more for less, more in pairwise(losses))


def test_stated_epsilons_are_short_and_rounded_up() -> None:
    delta = Fraction(1, 10**6)
    for pico_rho in (1, 10**6, 10**9, 123_456_789_012, 10**13):
        stated = epsilon_from_rho(pico_rho, delta)
        assert stated >= exact_epsilon(pico_rho, delta)
        assert stated <= exact_epsilon(pico_rho, delta) * Fraction(1_000_011, 1_000_000)
    assert epsilon_from_rho(rho_from_epsilon(Fraction(2), delta), delta) == 2
    assert epsilon_from_rho(0, delta) == 0


@pytest.mark.parametrize("epsilon, delta", [(0, "1e-6"), (-1, "1e-6"), (1, "0"), (1, "1")])
def test_senseless_promises_are_errors(epsilon: int, delta: str) -> None:
    with pytest.raises(ValueError):
        rho_from_epsilon(Fraction(epsilon), Fraction(delta))


@pytest.mark.parametrize("epsilon, pico", [
    ("1", 10**12), ("0.000000000001", 1), ("0.0000000000019", 1), ("2.5", 25 * 10**11),
])
def test_pure_epsilon_is_a_budget_as_it_stands(epsilon: str, pico: int) -> None:
    """No delta makes it more, or less; what is finer than can be counted is left out."""
    for delta in (Fraction(1, 10**3), Fraction(1, 10**9)):
        assert loss_within(Fraction(epsilon), Account.EPSILON, delta) == pico


def test_elsewhere_a_budget_is_what_delta_makes_of_it() -> None:
    delta = Fraction(1, 10**6)
    assert loss_within(Fraction(1), Account.RHO, delta) == rho_from_epsilon(Fraction(1), delta)
