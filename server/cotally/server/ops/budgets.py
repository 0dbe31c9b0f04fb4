"""Budgets as people state them, and what they are worth to each population."""

from collections.abc import Container
from dataclasses import dataclass
from fractions import Fraction

from cotally.server.dp.accounting import loss_within
from cotally.server.model.account import PICO, Account
from cotally.v1.refusals import Misconfigured

from .reader import Section

MAX_BUDGET = 10_000  # epsilon or rho; more is no budget


@dataclass(frozen=True, slots=True)
class Budget:
    """What may be spent: {epsilon = x}, or {rho = x} where a population counts in rho."""

    unit: Account
    amount: Fraction
    place: str  # where it is stated, for refusals

    def pico_loss(self, population: str, pure: Container[str], delta: Fraction) -> int:
        """In the account of *population*, rounded down; *pure* names the populations that count in epsilon.

        There epsilon is meant as it stands; elsewhere at the federation's *delta*. Misconfigured for rho
        where epsilon is counted, and for less than can be counted.
        """
        if self.amount <= 0:
            raise Misconfigured(f"{self.place} must be above 0")
        account = Account.of(population, pure)
        if self.unit is Account.EPSILON:
            found = loss_within(self.amount, account, delta)
        elif account is Account.RHO:
            found = int(self.amount * PICO)
        else:
            raise Misconfigured(
                f"{self.place} is in rho, but population {population!r} is pure: state epsilon")
        if found < 1:
            raise Misconfigured(f"{self.place} is too small to buy anything of population {population!r}")
        return found


def read_budget(s: Section, key: str) -> Budget:
    """The budget under *key*."""
    inner = s.section(key)
    units = [u for u in (Account.EPSILON, Account.RHO) if inner.has(u)]
    inner.done()
    if len(units) != 1:
        s.refuse(key, "must hold one of epsilon and rho, as in { epsilon = 10.0 }")
    amount = inner.number(units[0])
    if not 0 < amount <= MAX_BUDGET:
        inner.refuse(units[0], f"must be above 0 and at most {MAX_BUDGET}")
    return Budget(units[0], amount, f"{s.file}: {s.place(key)}")
