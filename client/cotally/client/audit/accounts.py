"""Every privacy filter as the log alone tells it."""

from collections.abc import Iterable, Mapping

from ..budget import Filter
from .filters import ALL, Filters
from .ledgers import Ledger


def accounts(ledgers: Mapping[str, Ledger], filters: Filters, delta: str) -> tuple[Filter, ...]:
    """Return every filter: departments by name, then populations, analysts and purposes."""
    return (*_departments(ledgers.values(), delta), *_overall(filters, delta))


def _departments(ledgers: Iterable[Ledger], delta: str) -> Iterable[Filter]:
    for ledger in sorted(ledgers, key=lambda each: each.node):
        for population in ledger.populations():
            yield Filter("department", ledger.node, population, ledger.budgets.get(population, 0),
                         ledger.spent.get(population, 0), delta, ledger.reserved.get(population, 0))


def _overall(filters: Filters, delta: str) -> Iterable[Filter]:
    """Those over all departments, of one population after the other."""
    under_way = filters.under_way()
    found = []
    for key in filters.known():
        population, analyst, purpose = key
        kind = "purpose" if purpose != ALL else "population" if analyst == ALL else "analyst"
        name = population if kind == "population" else analyst
        reserved = under_way.get(key, 0)
        found.append(Filter(kind, name, population, filters.budget(key),
                            filters.admitted.get(key, 0) - reserved, delta, reserved, purpose))
    kinds = ("population", "analyst", "purpose")
    return sorted(found, key=lambda each: (kinds.index(each.kind), each.population, each.name, each.purpose))
