"""Filters as people read them: budget, spent and left, in rho and in epsilon at the federation's delta."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cotally.v1 import analyst_pb2

from .privacy import as_number, epsilon_of, rho_text

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
    """One privacy filter. `budget` and `left` are None without a limit; amounts are pico-rho."""

    kind: str
    name: str
    population: str
    budget: int | None
    spent: int
    delta: str
    reserved: int = 0  # part of `spent`: held by rounds without an outcome

    @classmethod
    def of(cls, status: analyst_pb2.FilterStatus, delta: str) -> "Filter":
        """The filter in a message."""
        return cls(_KINDS.get(status.kind, "unknown"), status.name, status.population,
                   None if status.unlimited else status.budget_pico_rho, status.spent_pico_rho, delta,
                   status.reserved_pico_rho)

    @property
    def left(self) -> int | None:
        """What may still be spent."""
        return None if self.budget is None else max(0, self.budget - self.spent)

    def to_dict(self) -> dict[str, object]:
        """Plain values: rho as exact decimal text, epsilon as a number; null without a limit."""
        return {
            "filter": self.kind, "name": self.name, "population": self.population,
            **_amounts("budget", self.budget, self.delta), **_amounts("spent", self.spent, self.delta),
            **_amounts("reserved", self.reserved, self.delta),
            **_amounts("left", self.left, self.delta), "delta": float(self.delta),
        }


def _amounts(what: str, pico_rho: int | None, delta: str) -> dict[str, object]:
    if pico_rho is None:
        return {f"{what}_rho": None, f"{what}_epsilon": None}
    return {f"{what}_rho": rho_text(pico_rho), f"{what}_epsilon": as_number(epsilon_of(pico_rho, delta))}


def frame(filters: Sequence[Filter]) -> "pd.DataFrame":
    """One row per filter."""
    import pandas as pd
    return pd.DataFrame([f.to_dict() for f in filters])
