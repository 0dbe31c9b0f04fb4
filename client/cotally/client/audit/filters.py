"""The filters over the whole log: a population's over all releases, each analyst's, and his purposes'.

The first transcript entry of a round decides for ever: its price, which is person-level (the overlap m is in
it, squared), is admitted iff it fits the population's budget and the analyst's, both or neither. A filter
without a budget is unlimited and still adds up. A round that dies gives nothing back.
"""

from collections.abc import Iterable
from typing import Final

from cotally.v1 import roster_pb2

from .facts import Transcribed

POPULATION: Final = ""  # the analyst's name in the key of the population's own filter


class Filters:
    """Admitted pico-rho by (population, analyst) and (population, analyst, purpose); budgets of the first."""

    def __init__(self, budgets: Iterable[roster_pb2.FilterBudget]) -> None:
        self.budgets: dict[tuple[str, str], int] = {}
        self.admitted: dict[tuple[str, ...], int] = {}
        self.waiting: dict[tuple[str, ...], int] = {}  # the part whose rounds have not ended
        self._open: dict[bytes, Transcribed] = {}
        for budget in budgets:
            key = budget.population, budget.analyst
            self.budgets[key] = min(budget.pico_rho, self.budgets.get(key, budget.pico_rho))

    def admit(self, leaf: Transcribed) -> bool:
        """Charge every filter and return True, or none and return False."""
        filters, price = _filters_of(leaf), leaf.pico_rho
        for key in filters:
            if key in self.budgets and self.admitted.get(key, 0) + price > self.budgets[key]:
                return False
        for account in (*filters, (leaf.population, leaf.analyst, leaf.purpose)):
            self.admitted[account] = self.admitted.get(account, 0) + price
            self.waiting[account] = self.waiting.get(account, 0) + price
        self._open[leaf.round] = leaf
        return True

    def end(self, round_: bytes) -> None:
        """Note that *round_* ended, whichever way: what it reserved is spent."""
        leaf = self._open.pop(round_, None)
        if leaf is not None:
            for key in (*_filters_of(leaf), (leaf.population, leaf.analyst, leaf.purpose)):
                self.waiting[key] -= leaf.pico_rho


def _filters_of(leaf: Transcribed) -> list[tuple[str, str]]:
    names = [POPULATION, leaf.analyst] if leaf.analyst != POPULATION else [POPULATION]
    return [(leaf.population, name) for name in names]
