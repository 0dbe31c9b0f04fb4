"""Every privacy filter as the log alone tells it."""

from collections.abc import Iterable, Mapping

from ..budget import Filter
from ..privacy import AccountOf
from .filters import ALL, Filters
from .ledgers import Ledger
from .policies import Policies


def accounts(ledgers: Mapping[str, Ledger], policies: Policies, filters: Filters,
             account: AccountOf) -> tuple[Filter, ...]:
    """Return every filter: departments by name, then populations, analysts and purposes."""
    return (*_departments(ledgers, policies, account), *_overall(filters, account))


def _departments(ledgers: Mapping[str, Ledger], policies: Policies, account: AccountOf) -> Iterable[Filter]:
    """Each ledger at the budget that a policy gave it, logged by the ledger already or not; else its own."""
    for node in sorted({*ledgers, *policies.given}):
        ledger = ledgers.get(node) or Ledger(node, account)
        budgets = ledger.budgets | policies.given.get(node, {})
        for population in sorted({*ledger.populations(), *budgets}):
            yield Filter("department", node, population, budgets.get(population, 0),
                         ledger.spent.get(population, 0), account(population).delta,
                         ledger.reserved.get(population, 0))


def _overall(filters: Filters, account: AccountOf) -> Iterable[Filter]:
    """Those over all departments, of one population after the other."""
    under_way = filters.under_way()
    found = []
    for key in filters.known():
        population, analyst, purpose = key
        kind = "purpose" if purpose != ALL else "population" if analyst == ALL else "analyst"
        name = population if kind == "population" else analyst
        reserved = under_way.get(key, 0)
        found.append(Filter(
            kind, name, population, filters.budget(key), filters.admitted.get(key, 0) - reserved,
            account(population).delta, reserved, purpose))
    kinds = ("population", "analyst", "purpose")
    return sorted(found, key=lambda each: (kinds.index(each.kind), each.population, each.name, each.purpose))
