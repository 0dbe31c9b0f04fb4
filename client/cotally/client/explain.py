"""The price of a question and how exact its answer would be, before anything is spent."""

from dataclasses import dataclass
from textwrap import wrap
from typing import Any

from cotally.v1 import analyst_pb2, query_pb2, roster_pb2, round_pb2
from cotally.v1.canonical import digest

from .budget import Filter
from .expect import bases, condition, expected_errors
from .privacy import Account, as_number
from .release import EVENT_LEVEL, MECHANISM
from .scope import effective
from .verify.claims import check_plan


@dataclass(frozen=True, slots=True)
class Explanation:
    """Price, expected errors, participants and filters of one question."""

    query: query_pb2.Query
    plan: round_pb2.Plan
    table: Any
    departments: tuple[str, ...]
    missing: tuple[str, ...]
    errors: dict[str, float | None]
    condition: str | None
    filters: tuple[Filter, ...]
    account: Account
    again: str | None = None  # the id of an equal release that was paid for: asking again is free

    @classmethod
    def of(cls, quote: analyst_pb2.QuoteResponse, query: query_pb2.Query,
           charter: roster_pb2.Charter) -> "Explanation":
        """Read a quote, having checked what can be checked of its plan without the planner."""
        policy = charter.roster.policy
        table = effective(query, charter.catalog)
        bits = int.from_bytes(charter.public_key.modulus, "big").bit_length()
        check_plan(quote.plan, query, table, policy, bits)
        here = len(quote.departments)
        adding = here if here >= quote.plan.minimum else len(table.holders)
        return cls(query, quote.plan, table, tuple(quote.departments), tuple(quote.missing),
                   expected_errors(quote.plan, query, charter.catalog, adding),
                   condition(query, charter.catalog),
                   tuple(Filter.of(f, Account.of(f.population, charter.catalog, policy.delta))
                         for f in quote.filters),
                   Account.of(table.population, charter.catalog, policy.delta),
                   quote.release.hex() or None)

    @property
    def rho(self) -> str | None:
        """The price in rho, exact decimal text; None where the population counts in epsilon."""
        return self.account.rho(self.plan.pico_loss)

    @property
    def privacy(self) -> dict[str, Any]:
        """The price as in the JSON object of a release."""
        laplace = self.plan.mechanism == query_pb2.MECHANISM_LAPLACE
        epsilon = as_number(self.plan.epsilon if laplace else self.account.epsilon(self.plan.pico_loss))
        return {
            "unit": self.table.unit_column or EVENT_LEVEL, "population": self.plan.population,
            "mechanism": MECHANISM[self.plan.mechanism], "rho": self.rho, "epsilon": epsilon,
            "delta": 0.0 if laplace else float(self.account.delta), "assumed_honest": self.plan.honest,
        }

    @property
    def due(self) -> int:
        """What asking would charge: nothing where an equal release is paid for, the coordinator says."""
        return 0 if self.again else self.plan.pico_loss

    @property
    def verdict(self) -> str:
        """One line on what it costs to ask."""
        if self.again:
            return f"asking it again is free: an equal release exists ({self.again})"
        return "nothing is spent: this was only the price"

    @property
    def affordable(self) -> bool:
        """True when every filter could pay now, as far as the coordinator says."""
        return all(f.left is None or f.left >= self.due for f in self.filters)

    def effects(self) -> list[dict[str, object]]:
        """What the question would do to each filter: its amounts, `after_*` what is left, and `fits`."""
        price, found = self.due, []
        for each in self.filters:
            fits = each.left is None or each.left >= price
            after = each.left - price if each.left is not None and fits else each.left
            found.append(each.to_dict() | each.amounts("after", after) | {"fits": fits})
        return found

    def to_dict(self) -> dict[str, Any]:
        """The JSON object of `--dry-run`: a release without id and rows, with expected errors."""
        return {
            "release_id": None,
            "query_fingerprint": digest("query", self.query).hex(),
            "table": self.table.name,
            "vintage": self.table.vintage,
            "replayed": False,
            "departments": list(self.departments),
            "missing": list(self.missing),
            "confidence": float(self.query.privacy.confidence),
            "privacy": self.privacy,
            "expected_error": self.errors,
            "expected_error_basis": bases(self.query),
            "condition": self.condition,
            "equal_release": self.again,
        }

    def __repr__(self) -> str:
        return "\n".join([*self._price(), *self._errors(), *self._filters()])

    def _price(self) -> list[str]:
        privacy = self.privacy
        level = "event-level" if privacy["unit"] == EVENT_LEVEL else "person-level"
        at = f" at delta {privacy['delta']:g}" if privacy["delta"] else " (pure)"
        rho = "" if self.account.pure else f", {self.account.short(self.plan.pico_loss)}"
        lines = [f"price        {level} epsilon {privacy['epsilon']:g}{at}{rho}; "
                 f"{privacy['mechanism']} noise",
                 f"departments  {', '.join(self.departments) or 'none connected'}"]
        if self.missing:
            lines.append(f"missing      {', '.join(self.missing)}")
        if len(self.departments) < self.plan.minimum:
            lines.append(f"             too few now: at least {self.plan.minimum} must take part")
        return lines

    def _errors(self) -> list[str]:
        percent = 100 * float(self.query.privacy.confidence)
        width = max(map(len, self.errors), default=0)
        lines = ["", f"expected error, with {percent:g} % confidence"]
        for alias, error in self.errors.items():
            shown = "no bound: the noise may swamp the count" if error is None else f"± {_number(error)}"
            lines.append(f"  {alias:<{width}}  {shown}")
        if self.condition:
            lines += wrap(self.condition, 100, initial_indent="  ", subsequent_indent="  ")
        return lines

    def _filters(self) -> list[str]:
        limited = [(f.title, f.left) for f in self.filters if f.left is not None]
        width = max((len(name) for name, _ in limited), default=0)
        lines = ["", "left after it"] if limited else []
        for name, left in limited:
            after = left - self.due
            lines.append(f"  {name:<{width}}  " + (
                f"too little: {self.account.short(left)} is left" if after < 0 else self._both(after)))
        return lines

    def _both(self, amount: int) -> str:
        """*amount* as epsilon, and as rho where that is counted."""
        if self.account.pure:
            return self.account.short(amount)
        return f"epsilon {float(self.account.epsilon(amount)):.4g}, {self.account.short(amount)}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
