"""Conversions between zCDP and (epsilon, delta), rounded so that no promise is overstated.

Canonne, Kamath and Steinke 2020, Corollary 13: rho-zCDP implies (epsilon, delta) for every
alpha > 1 with

    epsilon = alpha rho + ln(1 - 1/alpha) - (ln delta + ln alpha)/(alpha - 1).

Any alpha is valid, so a search that misses the best one costs accuracy, never privacy. Decimals
of fixed precision, whose ln is correctly rounded, make every party find the same integers.
"""

from collections.abc import Callable
from decimal import Context, Decimal, localcontext
from fractions import Fraction
from functools import lru_cache
from math import floor
from typing import Final

from ..model.account import PICO, Account
from .rounding import short_decimal_up

EPSILON_DIGITS: Final = 6  # significant digits of a stated epsilon

_PRECISION: Final = Context(prec=40)
_SLACK: Final = Fraction(1, 10**30)  # more than the decimals' rounding errors together
_GOLDEN: Final = Decimal("0.6180339887498948482045868343656381177")
_SEARCH: Final = Context(prec=26)  # finds an order from which the value, being flat there, comes out in full
_DOUBLINGS: Final = 12  # from the first guess, and as many halvings
_STEPS: Final = 40  # of golden section: the bracket shrinks by 4e-9, the optimum's error by its square


@lru_cache(maxsize=1024)
def rho_from_epsilon(epsilon: Fraction, delta: Fraction) -> int:
    """The most pico-rho that is within (epsilon, delta), rounded down.

    >>> rho_from_epsilon(Fraction(1), Fraction(1, 10**6))
    24355970359
    """
    _validate(epsilon, delta)
    with localcontext(_PRECISION):
        target, log_delta = _decimal(epsilon), _decimal(delta).ln()

        def negative_rho(order: Decimal) -> Decimal:
            return (_constant(order, log_delta) - target) / (1 + order)

        start = (-log_delta + (log_delta**2 - target * log_delta).sqrt()) / target
        rho = Fraction(-_least(negative_rho, start))
    return max(floor(rho * (1 - _SLACK) * PICO), 0)


def loss_within(epsilon: Fraction, account: Account, delta: Fraction) -> int:
    """The most of *account*, in its pico-units, that keeps to *epsilon*, rounded down.

    At the federation's *delta* where the account is rho. Pure epsilon is that very number, with no delta.

    >>> loss_within(Fraction(1), Account.EPSILON, Fraction(1, 10**6)) == PICO
    True
    """
    if account is Account.EPSILON:
        return floor(epsilon * PICO)
    return rho_from_epsilon(epsilon, delta)


def epsilon_from_rho(pico_rho: int, delta: Fraction) -> Fraction:
    """The least epsilon that *pico_rho* implies at *delta*, rounded up to six significant digits.

    >>> epsilon_from_rho(24355970359, Fraction(1, 10**6))
    Fraction(1, 1)
    """
    return short_decimal_up(exact_epsilon(pico_rho, delta), EPSILON_DIGITS)


@lru_cache(maxsize=1024)
def exact_epsilon(pico_rho: int, delta: Fraction) -> Fraction:
    """`epsilon_from_rho` before it is shortened: an upper bound, tight to about 1e-18."""
    if pico_rho == 0:
        return Fraction(0)
    rho = Fraction(pico_rho, PICO)
    _validate(rho, delta)
    with localcontext(_PRECISION):
        price, log_delta = _decimal(rho), _decimal(delta).ln()

        def epsilon(order: Decimal) -> Decimal:
            return (1 + order) * price + _constant(order, log_delta)

        least = Fraction(_least(epsilon, (-log_delta / price).sqrt()))
    return max(least + (abs(least) + 1) * _SLACK, Fraction(0))


def _constant(order: Decimal, log_delta: Decimal) -> Decimal:
    """ln(1 - 1/alpha) - (ln delta + ln alpha)/(alpha - 1), where order = alpha - 1."""
    log_alpha = (1 + order).ln()
    return order.ln() - log_alpha - (log_delta + log_alpha) / order


def _least(function: Callable[[Decimal], Decimal], start: Decimal) -> Decimal:
    """The least value found by golden section around *start*; only the value is computed in full."""
    with localcontext(_SEARCH):
        order = _argument_of_least(function, start)
    return function(order)


def _argument_of_least(function: Callable[[Decimal], Decimal], start: Decimal) -> Decimal:
    best = _downhill(function, _downhill(function, start, Decimal(2)), Decimal("0.5"))
    left, right = best / 2, best * 2
    low = right - _GOLDEN * (right - left)
    high = left + _GOLDEN * (right - left)
    at_low, at_high = function(low), function(high)
    for _ in range(_STEPS):
        if at_low < at_high:
            right, high, at_high = high, low, at_low
            low = right - _GOLDEN * (right - left)
            at_low = function(low)
        else:
            left, low, at_low = low, high, at_high
            high = left + _GOLDEN * (right - left)
            at_high = function(high)
    return low if at_low < at_high else high


def _downhill(function: Callable[[Decimal], Decimal], best: Decimal, factor: Decimal) -> Decimal:
    """*best* times *factor* as often as that makes the value less."""
    least = function(best)
    for _ in range(_DOUBLINGS):
        value = function(best * factor)
        if value >= least:
            break
        best, least = best * factor, value
    return best


def _decimal(value: Fraction) -> Decimal:
    return Decimal(value.numerator) / Decimal(value.denominator)


def _validate(amount: Fraction, delta: Fraction) -> None:
    if amount <= 0 or not 0 < delta < 1:
        raise ValueError("epsilon, rho and delta must be positive, and delta below 1")
