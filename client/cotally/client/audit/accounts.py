"""Every privacy filter as the log alone tells it."""

from collections.abc import Iterable, Mapping

from ..budget import Filter
from .filters import POPULATION, Filters
from .ledgers import Ledger


def accounts(ledgers: Mapping[str, Ledger], filters: Filters, delta: str) -> tuple[Filter, ...]:
    """Return every filter: departments by name, then populations, analysts and their purposes."""
    return (*_departments(ledgers.values(), delta), *_overall(filters, delta))


def _departments(ledgers: Iterable[Ledger], delta: str) -> Iterable[Filter]:
    for ledger in sorted(ledgers, key=lambda each: each.node):
        for population in ledger.populations():
            yield Filter("department", ledger.node, population, ledger.budgets.get(population, 0),
                         ledger.spent.get(population, 0), delta, ledger.reserved.get(population, 0))


def _overall(filters: Filters, delta: str) -> Iterable[Filter]:
    """Those over all departments; a key is (population, analyst), or (population, analyst, purpose)."""
    found = []
    for key in {*filters.admitted, *filters.budgets}:
        population, name = key[:2]
        purpose = key[2] if len(key) > 2 else ""
        kind = "purpose" if len(key) > 2 else "population" if name == POPULATION else "analyst"
        budget = None if kind == "purpose" else filters.budgets.get((population, name))
        reserved = filters.waiting.get(key, 0)
        found.append(Filter(kind, name or population, population, budget,
                            filters.admitted.get(key, 0) - reserved, delta, reserved, purpose))
    kinds = ("population", "analyst", "purpose")
    return sorted(found, key=lambda each: (kinds.index(each.kind), each.population, each.name, each.purpose))
