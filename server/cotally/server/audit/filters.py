"""The privacy filters over the whole log: a population's, an analyst's, and those of a purpose.

A question is charged to all of these or to none (design section 4):

- its population's, over all analysts and purposes: the bound that holds for a person;
- its analyst's in that population, and its purpose's over all analysts;
- its analyst's for that purpose: of the roster's or policy's budget and of what the departments'
  grants allow (`Charge.granted`), the smaller counts.

A filter without a budget is unlimited; it still adds up. Budgets count from the beginning of the log:
a renewal replaces budgets and takes back nothing of what was spent.
"""

from collections.abc import Container, Iterable
from dataclasses import dataclass
from typing import Final

from cotally.server.model.account import Account
from cotally.v1.refusals import Refusal, Refused
from cotally.v1.roster_pb2 import FilterBudget

POPULATION: Final = ""  # the analyst's name in the key of the population's own filter
Key = tuple[str, str, str]  # population, analyst, purpose; empty: of all


@dataclass(frozen=True, slots=True)
class Charge:
    """What one question costs, and whom. `granted` is what the grants allow him; 0: they set no limit."""

    population: str
    analyst: str
    purpose: str
    pico_loss: int
    granted: int = 0

    @property
    def keys(self) -> tuple[Key, ...]:
        """Every filter that the question must pass."""
        of_all = [(self.population, POPULATION, ""), (self.population, POPULATION, self.purpose)]
        return tuple(dict.fromkeys([*of_all, *self.own_keys]))

    @property
    def own_keys(self) -> tuple[Key, ...]:
        """The filters of the analyst alone: what a stored release costs him."""
        return tuple(dict.fromkeys(
            [(self.population, self.analyst, ""), (self.population, self.analyst, self.purpose)]))


class Filters:
    """Budgets, and what was admitted against them: each population counts in its own account.

    *pure* names the populations that count in epsilon; nothing but the words of a refusal depends on it.
    """

    def __init__(self, budgets: Iterable[FilterBudget], pure: Container[str] = ()) -> None:
        self._pure = pure
        self._admitted: dict[Key, int] = {}
        self._granted: dict[Key, int] = {}  # what the grants allowed when the filter was charged last
        self.renew(budgets)

    def renew(self, budgets: Iterable[FilterBudget]) -> None:
        """Let *budgets* count in place of all former ones. What was spent stays spent."""
        self._budgets: dict[Key, int] = {}
        for budget in budgets:
            key = budget.population, budget.analyst, budget.purpose
            # Should they state one twice, the smaller holds.
            self._budgets[key] = min(budget.pico_loss, self._budgets.get(key, budget.pico_loss))

    def spent(self, population: str, analyst: str = POPULATION, purpose: str = "") -> int:
        """Return what was admitted so far under this filter."""
        return self._admitted.get((population, analyst, purpose), 0)

    def left(self, population: str, analyst: str = POPULATION, purpose: str = "") -> int | None:
        """Return what may still be admitted; None without limit."""
        return self._left((population, analyst, purpose), 0)

    def granted(self, population: str, analyst: str, purpose: str) -> int:
        """Return what the grants allowed when this filter was last charged; 0: nothing that is known."""
        return self._granted.get((population, analyst, purpose), 0)

    def purposes(self, population: str, analyst: str) -> list[Key]:
        """The filters with a purpose, of all analysts and of this one, that have a budget or were charged."""
        return sorted(key for key in {*self._budgets, *self._admitted}
                      if key[0] == population and key[1] in (POPULATION, analyst) and key[2])

    def _left(self, key: Key, granted: int) -> int | None:
        budget = self._budget(key, granted)
        return None if budget is None else max(0, budget - self._admitted.get(key, 0))

    def _budget(self, key: Key, granted: int) -> int | None:
        stated = self._budgets.get(key)
        if not granted:
            return stated
        return granted if stated is None else min(granted, stated)

    def check(self, charge: Charge) -> None:
        """Refuse (BUDGET_SPENT), naming the filter, a charge that would not be admitted now."""
        self._check(charge, charge.keys)

    def check_replay(self, charge: Charge) -> None:
        """Refuse (BUDGET_SPENT) a stored release that its new reader's own filters do not admit."""
        self._check(charge, charge.own_keys)

    def _check(self, charge: Charge, keys: Iterable[Key]) -> None:
        for key in keys:
            granted = charge.granted if key == (charge.population, charge.analyst, charge.purpose) else 0
            left = self._left(key, granted)
            if left is not None and charge.pico_loss > left:
                text = Account.of(charge.population, self._pure).text
                raise Refused(
                    Refusal.BUDGET_SPENT,
                    f"the federation's budget of {text(self._budget(key, granted) or 0)} for {_name(key)} "
                    f"has {text(left)} left; the price is {text(charge.pico_loss)}",
                )

    def admit(self, charge: Charge) -> bool:
        """Charge every filter and return True, or none and return False."""
        return self._admit(charge, charge.keys)

    def admit_replay(self, charge: Charge) -> bool:
        """Charge the analyst's own filters and return True, or none and return False."""
        return self._admit(charge, charge.own_keys)

    def _admit(self, charge: Charge, keys: tuple[Key, ...]) -> bool:
        try:
            self._check(charge, keys)
        except Refused:
            return False
        if charge.pico_loss:
            for key in keys:
                self._admitted[key] = self._admitted.get(key, 0) + charge.pico_loss
        if charge.granted:
            self._granted[charge.population, charge.analyst, charge.purpose] = charge.granted
        else:
            self._granted.pop((charge.population, charge.analyst, charge.purpose), None)
        return True

    def give_back(self, charge: Charge) -> None:
        """Undo an `admit` of exactly this charge."""
        for key in charge.keys if charge.pico_loss else ():
            self._admitted[key] -= charge.pico_loss
            if not self._admitted[key]:
                del self._admitted[key]

    def dump(self) -> list[list[object]]:
        """Return budgets and what was admitted, for `restore`."""
        return [[*key, self._budgets.get(key), self._admitted.get(key, 0), self._granted.get(key, 0)]
                for key in sorted({*self._budgets, *self._admitted, *self._granted})]

    def restore(self, state: Iterable[tuple[str, str, str, int | None, int, int]]) -> None:
        """Take over what `dump` returned."""
        self._budgets, self._admitted, self._granted = {}, {}, {}
        for population, analyst, purpose, budget, admitted, granted in state:
            key = str(population), str(analyst), str(purpose)
            if budget is not None:
                self._budgets[key] = int(budget)
            if admitted:
                self._admitted[key] = int(admitted)
            if granted:
                self._granted[key] = int(granted)


def _name(key: Key) -> str:
    population, analyst, purpose = key
    who = [f"analyst {analyst}"] if analyst else []
    what = [f"purpose {purpose!r}"] if purpose else []
    return " and ".join(who + what) + f" in population {population}" if who or what else (
        f"population {population}")
