"""What privacy loss is counted in."""

from collections.abc import Container
from enum import StrEnum

PICO = 10**12  # of what is counted in one rho, or one epsilon


class Account(StrEnum):
    """What all prices, budgets, ledgers and filters of one population count in, at 1e-12 of it.

    Losses of one account add up: RHO is that of zCDP, EPSILON that of pure differential privacy, whose
    delta is 0. No sum is over both.
    """

    RHO = "rho"
    EPSILON = "epsilon"

    @classmethod
    def of(cls, population: str, pure: Container[str]) -> "Account":
        """The account of *population*, where *pure* names those that count in epsilon."""
        return cls.EPSILON if population in pure else cls.RHO

    def text(self, pico_loss: int) -> str:
        """The exact amount, with its unit.

        >>> Account.RHO.text(1_500_000_000_000), Account.EPSILON.text(7)
        ('1.5 rho', '0.000000000007 epsilon')
        """
        return f"{self.number(pico_loss)} {self.value}"

    @staticmethod
    def number(pico_loss: int) -> str:
        """The exact amount as a decimal number.

        >>> Account.number(3 * PICO)
        '3'
        """
        whole, rest = divmod(pico_loss, PICO)
        return f"{whole}.{rest:012d}".rstrip("0").rstrip(".")
