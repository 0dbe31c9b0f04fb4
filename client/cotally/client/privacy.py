"""Losses for people: what a population counts in, as decimal text, and the (epsilon, delta) it implies.

Canonne, Kamath and Steinke 2020 (Corollary 13): rho-zCDP implies (epsilon, delta)-DP for every order
alpha > 1 with epsilon = alpha rho + ln(1 - 1/alpha) - ln(delta alpha) / (alpha - 1). The best order is
searched; missing it slightly can only state too much. Decimals, so that the last digit is right.
"""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import ROUND_CEILING, Context, Decimal, localcontext
from functools import lru_cache
from typing import Final

from cotally.v1 import catalog_pb2

PICO_DIGITS: Final = 12
_DIGITS: Final = Context(prec=6, rounding=ROUND_CEILING)
_SLACK: Final = Decimal("1e-20")  # above the rounding errors of 40 digits, far below the sixth


@dataclass(frozen=True, slots=True)
class Account:
    """What all losses of one population are counted in, at 1e-12 of it; within one account they add up.

    Rho, which implies epsilon at *delta*, the federation's; or, where delta is 0, pure epsilon itself.
    """

    delta: str

    @classmethod
    def of(cls, population: str, catalog: catalog_pb2.Catalog, delta: str) -> "Account":
        """Return what *population* counts in; *delta* is the federation's."""
        pure = any(table.pure for table in catalog.tables if table.population == population)
        return cls("0" if pure else delta)

    @property
    def pure(self) -> bool:
        """True where epsilon is counted."""
        return not Decimal(self.delta)

    def rho(self, pico_loss: int) -> str | None:
        """Return the loss in rho, exact; None where that is not what is counted."""
        return None if self.pure else decimal_text(pico_loss)

    def epsilon(self, pico_loss: int) -> Decimal:
        """Return epsilon at `delta`: exact where it is counted, else rounded up to six digits."""
        return Decimal(pico_loss).scaleb(-PICO_DIGITS) if self.pure else epsilon_of(pico_loss, self.delta)

    def text(self, pico_loss: int) -> str:
        """Return the exact amount, with its unit.

        >>> Account("1e-6").text(20884379606), Account("0").text(3 * 10**11)
        ('0.020884379606 rho', '0.3 epsilon')
        """
        return f"{decimal_text(pico_loss)} {self.unit}"

    def short(self, pico_loss: int) -> str:
        """Return the amount to four digits, after its unit.

        >>> Account("1e-6").short(20884379606)
        'rho 0.02088'
        """
        return f"{self.unit} {float(decimal_text(pico_loss)):.4g}"

    @property
    def unit(self) -> str:
        """What is counted: rho or epsilon."""
        return "epsilon" if self.pure else "rho"


AccountOf = Callable[[str], Account]  # of a population


def decimal_text(pico_loss: int) -> str:
    """Return *pico_loss* in whole units, as plain decimal text without trailing zeros.

    >>> decimal_text(20884379606), decimal_text(0), decimal_text(3 * 10**12)
    ('0.020884379606', '0', '3')
    """
    text = f"{Decimal(pico_loss).scaleb(-PICO_DIGITS):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


@lru_cache(maxsize=256)
def epsilon_of(pico_rho: int, delta: str) -> Decimal:
    """Return the least epsilon that *pico_rho* implies at *delta* in (0, 1), rounded up to six digits.

    >>> epsilon_of(24355970359, "0.000001")
    Decimal('1')
    """
    if pico_rho == 0:
        return Decimal(0)
    with localcontext(Context(prec=40)):
        rho, log_delta = Decimal(pico_rho).scaleb(-PICO_DIGITS), Decimal(delta).ln()
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
