"""Prices for people: pico-rho as decimal text, and the (epsilon, delta) that a price implies.

Canonne, Kamath and Steinke 2020 (Corollary 13): rho-zCDP implies (epsilon, delta)-DP for every order
alpha > 1 with epsilon = alpha rho + ln(1 - 1/alpha) - ln(delta alpha) / (alpha - 1). The best order is
searched; missing it slightly can only state too much. Decimals, so that the last digit is right.
"""

from decimal import ROUND_CEILING, Context, Decimal, localcontext
from functools import lru_cache
from typing import Final

PICO_DIGITS: Final = 12
_DIGITS: Final = Context(prec=6, rounding=ROUND_CEILING)
_SLACK: Final = Decimal("1e-20")  # above the rounding errors of 40 digits, far below the sixth


def rho_text(pico_loss: int) -> str:
    """Return *pico_loss* in rho, as plain decimal text without trailing zeros.

    >>> rho_text(20884379606), rho_text(0), rho_text(3 * 10**12)
    ('0.020884379606', '0', '3')
    """
    text = f"{Decimal(pico_loss).scaleb(-PICO_DIGITS):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


@lru_cache(maxsize=256)
def epsilon_of(pico_loss: int, delta: str) -> Decimal:
    """Return the least epsilon that *pico_loss* implies at *delta* in (0, 1), rounded up to six digits.

    >>> epsilon_of(24355970359, "0.000001")
    Decimal('1')
    """
    if pico_loss == 0:
        return Decimal(0)
    with localcontext(Context(prec=40)):
        rho, log_delta = Decimal(pico_loss).scaleb(-PICO_DIGITS), Decimal(delta).ln()
        if not (rho > 0 > log_delta):
            raise ValueError("a price is positive, and delta lies between 0 and 1")

        def at(log_order: Decimal) -> Decimal:
            above = log_order.exp()  # alpha - 1
            alpha = 1 + above
            return alpha * rho + (above / alpha).ln() - (log_delta + alpha.ln()) / above

        # In ln(alpha - 1) the function falls, then rises; the optimum lies near sqrt(-ln(delta) / rho).
        guess = (-log_delta / rho).ln() / 2
        low, high = guess - 4, guess + 4
        for _ in range(120):
            third = (high - low) / 3
            left, right = low + third, high - third
            if at(left) < at(right):
                high = right
            else:
                low = left
        least = max(at((low + high) / 2) + _SLACK, Decimal(0))
    return _DIGITS.plus(least).normalize(_DIGITS)


def as_number(text: str | Decimal) -> float:
    """Return the float nearest to a decimal, for JSON."""
    return float(Decimal(text))
