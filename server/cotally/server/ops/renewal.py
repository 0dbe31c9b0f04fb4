"""What a budget policy changes, for who approves it: every limit before and after, and those that end."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from cotally.server.dp.accounting import epsilon_from_rho
from cotally.server.dp.rounding import decimal_text
from cotally.server.model.account import Account
from cotally.server.wire.federation import Federation
from cotally.v1 import roster_pb2


@dataclass(frozen=True, slots=True)
class Change:
    """One limit: whose, and its amount before and after, in the population's account.

    None is no limit; of a department, what is not known here.
    """

    population: str
    analyst: str = ""
    purpose: str = ""
    department: str = ""
    before: int | None = None
    after: int | None = None

    @property
    def whose(self) -> str:
        """Whom it limits, in words."""
        of = [self.department and f"department {self.department}", self.analyst and f"analyst {self.analyst}",
              self.purpose and f"purpose {self.purpose!r}"]
        return f"{' for '.join(filter(None, of)) or 'everybody'} in population {self.population}"

    @property
    def removes(self) -> bool:
        """Whether the limit ends."""
        return not self.department and self.after is None


def changes(policy: roster_pb2.BudgetPolicy, before: Iterable[roster_pb2.FilterBudget],
            ledger: Callable[[str, str], int | None]) -> list[Change]:
    """Every filter with a limit in *before* or in *policy*, and the ledgers that *policy* names.

    *before* is in force now, and ledger(department, population) what that may spend, where it is known.
    """
    now = {(b.population, b.analyst, b.purpose): b.pico_loss for b in before}
    then = {(b.population, b.analyst, b.purpose): b.pico_loss for b in policy.budgets}
    return [*(Change(*key, before=now.get(key), after=then.get(key)) for key in sorted({*now, *then})),
            *(Change(b.population, department=b.department, before=ledger(b.department, b.population),
                     after=b.pico_loss) for b in policy.departments)]


def told(found: Iterable[Change], federation: Federation) -> Iterator[str]:
    """One line for each change, and one for each limit that ends."""
    removed = []
    for each in found:
        none = "what it has now" if each.department else "no limit"
        before, after = (none if amount is None else _text(amount, each.population, federation)
                         for amount in (each.before, each.after))
        yield f"  {each.whose}: {before}" + (", as before" if before == after else f" -> {after}")
        if each.removes:
            removed.append(f"It removes the limit of {each.whose}, which is {before}.")
    yield from removed


def to_json(found: Iterable[Change], federation: Federation) -> dict[str, Any]:
    """The same for scripts: `budgets`, `departments`, and `removed`, the budgets that end; null: no limit."""
    plain: dict[str, Any] = {"budgets": [], "departments": [], "removed": []}
    for each in found:
        amounts = {"before": _plain(each.before, each.population, federation),
                   "after": _plain(each.after, each.population, federation)}
        if each.department:
            plain["departments"].append(
                {"department": each.department, "population": each.population} | amounts)
            continue
        whose = {"population": each.population, "analyst": each.analyst, "purpose": each.purpose}
        plain["budgets"].append(whose | amounts)
        if each.removes:
            plain["removed"].append(whose | {"before": amounts["before"]})
    return plain


def _text(pico_loss: int, population: str, federation: Federation) -> str:
    """In the population's account and, where that is rho, as the epsilon at the federation's delta."""
    rho, epsilon = _amounts(pico_loss, population, federation)
    if rho is None:
        return f"{epsilon} epsilon"
    return f"{rho} rho (epsilon {epsilon} at delta {decimal_text(federation.delta)})"


def _plain(pico_loss: int | None, population: str,
           federation: Federation) -> dict[str, str | float | None] | None:
    """As `cotally budget -o json` shows amounts: rho as exact text, or null, and epsilon as a number."""
    if pico_loss is None:
        return None
    rho, epsilon = _amounts(pico_loss, population, federation)
    return {"rho": rho, "epsilon": float(epsilon)}


def _amounts(pico_loss: int, population: str, federation: Federation) -> tuple[str | None, str]:
    """(rho, epsilon) as decimal text: rho exact, and None where the population is pure, whose epsilon is."""
    account = Account.of(population, federation.catalog.pure)
    number = account.number(pico_loss)
    if account is Account.EPSILON:
        return None, number
    return number, decimal_text(epsilon_from_rho(pico_loss, federation.delta))
