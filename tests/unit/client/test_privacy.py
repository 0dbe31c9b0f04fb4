"""Prices in decimals, and the (epsilon, delta) that they imply, against an independent search."""

import math
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from cotally.client.privacy import decimal_text, epsilon_of


@pytest.mark.parametrize("pico_loss, text", [
    (0, "0"), (1, "0.000000000001"), (10**12, "1"), (125 * 10**9, "0.125"),
    (12 * 10**12 + 1, "12.000000000001"),
])
def test_rho_is_exact_decimal_text(pico_loss: int, text: str) -> None:
    assert decimal_text(pico_loss) == text


def by_search(rho: float, delta: float) -> float:
    def at(log_above: float) -> float:
        above = math.exp(log_above)
        return (1 + above) * rho - math.log1p(1 / above) - (math.log(delta) + math.log1p(above)) / above
    result = minimize_scalar(at, bounds=(-20, 40), method="bounded", options={"xatol": 1e-10})
    return float(result.fun)


@settings(max_examples=60, deadline=None)
@given(st.integers(10**4, 5 * 10**15), st.sampled_from(["0.000001", "0.0000001", "0.0001", "0.000000000001"]))
def test_epsilon_is_the_least_and_rounded_up(pico_loss: int, delta: str) -> None:
    epsilon, searched = epsilon_of(pico_loss, delta), by_search(pico_loss / 1e12, float(delta))
    assert len(epsilon.as_tuple().digits) <= 6
    assert float(epsilon) >= max(searched, 0) * (1 - 1e-9)
    assert float(epsilon) <= max(searched, 0) * (1 + 1.1e-5) + 1e-19


def test_epsilon_grows_with_rho_and_shrinks_with_delta() -> None:
    assert epsilon_of(10**10, "0.000001") < epsilon_of(2 * 10**10, "0.000001")
    assert epsilon_of(10**10, "0.000001") < epsilon_of(10**10, "0.0000001")
    assert epsilon_of(0, "0.000001") == Decimal(0)


def test_client_and_server_state_the_same_epsilon() -> None:
    accounting = pytest.importorskip("cotally.server.dp.accounting")
    for pico_loss in (10**6, 20884379606, 4 * 10**10, 3 * 10**12):
        theirs = accounting.epsilon_from_rho(pico_loss, Fraction(1, 10**6))
        assert Fraction(epsilon_of(pico_loss, "0.000001")) == theirs
