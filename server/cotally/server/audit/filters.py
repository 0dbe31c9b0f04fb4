"""The privacy filters over the whole log: a population's, and each analyst's in it.

Admission is a fold that depends on leaf fields and the roster's budgets alone (design section 4):

- The first transcript leaf of a round decides for ever; later leaves of that round change nothing.
- It is admitted iff, in the population's filter and in the analyst's, what was admitted before it
  plus its price fits the budget: in both or in neither.
- A filter without a budget in the roster is unlimited; it still adds up.
- Death of a round, or contents that nobody can find, give nothing back.
"""

from collections.abc import Iterable
from typing import Final

from cotally.server.store.book import rho
from cotally.v1.refusals import Refusal, Refused
from cotally.v1.roster_pb2 import FilterBudget

POPULATION: Final = ""  # the analyst's name in the key of the population's own filter


class Filters:
    """Budgets, and what was admitted against them, in pico-rho by (population, analyst)."""

    def __init__(self, budgets: Iterable[FilterBudget]) -> None:
        self._budgets: dict[tuple[str, str], int] = {}
        self._admitted: dict[tuple[str, str], int] = {}
        for budget in budgets:
            key = budget.population, budget.analyst
            # Should a roster ever state one twice, the smaller holds.
            self._budgets[key] = min(budget.pico_rho, self._budgets.get(key, budget.pico_rho))

    def spent(self, population: str, analyst: str = POPULATION) -> int:
        """Return what was admitted so far, for the population or for one analyst in it."""
        return self._admitted.get((population, analyst), 0)

    def left(self, population: str, analyst: str = POPULATION) -> int | None:
        """Return what may still be admitted; None without limit."""
        budget = self._budgets.get((population, analyst))
        return None if budget is None else max(0, budget - self.spent(population, analyst))

    def check(self, population: str, analyst: str, price: int) -> None:
        """Refuse (BUDGET_SPENT), naming the filter, a price that would not be admitted now."""
        for name in {POPULATION: None, analyst: None}:
            left = self.left(population, name)
            if left is not None and price > left:
                whose = f"analyst {name} in population {population}" if name else f"population {population}"
                raise Refused(
                    Refusal.BUDGET_SPENT,
                    f"the federation's budget of {rho(self._budgets[population, name])} rho for {whose} has "
                    f"{rho(left)} rho left; the price is {rho(price)} rho",
                )

    def admit(self, population: str, analyst: str, price: int) -> bool:
        """Charge every filter and return True, or none and return False."""
        try:
            self.check(population, analyst, price)
        except Refused:
            return False
        for name in {POPULATION: None, analyst: None}:
            self._admitted[population, name] = self.spent(population, name) + price
        return True

    def dump(self) -> list[tuple[str, str, int]]:
        """Return what was admitted, for `restore`."""
        return [(*key, amount) for key, amount in sorted(self._admitted.items())]

    def restore(self, admitted: Iterable[tuple[str, str, int]]) -> None:
        """Take over what `dump` returned."""
        self._admitted = {(population, analyst): amount for population, analyst, amount in admitted}
