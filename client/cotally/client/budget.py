"""Filters as people read them: budget, spent, reserved, left, in what their population counts in."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cotally.v1 import analyst_pb2

from .privacy import Account, as_number

if TYPE_CHECKING:
    import pandas as pd

_KINDS = {
    analyst_pb2.FILTER_KIND_DEPARTMENT: "department",
    analyst_pb2.FILTER_KIND_POPULATION: "population",
    analyst_pb2.FILTER_KIND_ANALYST: "analyst",
    analyst_pb2.FILTER_KIND_PURPOSE: "purpose",
}


@dataclass(frozen=True, slots=True)
class Filter:
    """One privacy filter; amounts are in its account. `kind` is department, population, analyst or purpose.

    `name` is the department, population or analyst; of a purpose's filter the analyst, or empty for all of
    them. `spent` is of rounds that ended, `reserved` of those under way. `budget` and `left` are None without
    a limit. `delta` is the federation's, or 0 where the population counts in pure epsilon.
    """

    kind: str
    name: str
    population: str
    budget: int | None
    spent: int
    delta: str
    reserved: int = 0
    purpose: str = ""

    @classmethod
    def of(cls, status: analyst_pb2.FilterStatus, account: Account) -> "Filter":
        """The filter in a message, of a population that counts in *account*."""
        return cls(_KINDS.get(status.kind, "unknown"), status.name, status.population,
                   None if status.unlimited else status.budget_pico_loss,
                   status.spent_pico_loss - status.reserved_pico_loss, account.delta,
                   status.reserved_pico_loss, status.purpose)

    @property
    def account(self) -> Account:
        """What its amounts are counted in."""
        return Account(self.delta)

    @property
    def title(self) -> str:
        """What people call it.

        >>> Filter("purpose", "", "residents", None, 0, "1e-6", purpose="research").title
        'purpose research of all analysts'
        """
        if self.kind != "purpose":
            return f"{self.kind} {self.name}"
        return f"purpose {self.purpose} of {self.name or 'all analysts'}"

    @property
    def cumulative(self) -> int:
        """All that was ever charged and not given back, over every budget."""
        return self.spent + self.reserved

    @property
    def left(self) -> int | None:
        """What may still be reserved."""
        return None if self.budget is None else max(0, self.budget - self.cumulative)

    def to_dict(self) -> dict[str, object]:
        """Plain values: rho as exact decimal text, epsilon as a number; null without a limit.

        Where the population is pure, delta is 0 and rho is null throughout.
        """
        told: dict[str, object] = {
            "filter": self.kind, "name": self.name, "population": self.population,
            **({"purpose": self.purpose} if self.kind == "purpose" else {})}
        amounts = {"budget": self.budget, "spent": self.spent, "reserved": self.reserved, "left": self.left,
                   "cumulative": self.cumulative}
        for what, amount in amounts.items():
            told |= self.amounts(what, amount)
        return told | {"delta": float(self.delta)}

    def amounts(self, what: str, pico_loss: int | None) -> dict[str, object]:
        """One amount as rho and as epsilon."""
        if pico_loss is None:
            return {f"{what}_rho": None, f"{what}_epsilon": None}
        return {f"{what}_rho": self.account.rho(pico_loss),
                f"{what}_epsilon": as_number(self.account.epsilon(pico_loss))}


def frame(filters: Sequence[Filter]) -> "pd.DataFrame":
    """One row per filter."""
    import pandas as pd
    return pd.DataFrame([f.to_dict() for f in filters])
