"""What a question would cost and how exact its answer would be, before anything is spent."""

from dataclasses import dataclass
from typing import Any

from cotally.v1 import analyst_pb2, query_pb2, roster_pb2, round_pb2
from cotally.v1.canonical import digest

from .budget import Filter
from .expect import condition, expected_errors
from .privacy import as_number, epsilon_of, rho_text
from .release import EVENT_LEVEL, MECHANISM
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
    delta: str

    @classmethod
    def of(cls, quote: analyst_pb2.QuoteResponse, query: query_pb2.Query,
           charter: roster_pb2.Charter) -> "Explanation":
        """Read a quote, having checked what can be checked of its plan without the planner."""
        policy = charter.roster.policy
        table = next(t for t in charter.catalog.tables if t.name == query.table)
        bits = int.from_bytes(charter.public_key.modulus, "big").bit_length()
        check_plan(quote.plan, query, table, policy, bits)
        here = len(quote.departments)
        adding = here if here >= quote.plan.minimum else len(table.holders)
        return cls(query, quote.plan, table, tuple(quote.departments), tuple(quote.missing),
                   expected_errors(quote.plan, query, charter.catalog, adding),
                   condition(query, charter.catalog),
                   tuple(Filter.of(f, policy.delta) for f in quote.filters), policy.delta)

    @property
    def rho(self) -> str:
        """The price in rho, exact decimal text."""
        return rho_text(self.plan.pico_rho)

    @property
    def privacy(self) -> dict[str, Any]:
        """The price as in the JSON object of a release."""
        laplace = self.plan.mechanism == query_pb2.MECHANISM_LAPLACE
        epsilon = as_number(self.plan.epsilon if laplace else epsilon_of(self.plan.pico_rho, self.delta))
        return {
            "unit": self.table.unit_column or EVENT_LEVEL, "population": self.plan.population,
            "mechanism": MECHANISM[self.plan.mechanism], "rho": self.rho, "epsilon": epsilon,
            "delta": 0.0 if laplace else float(self.delta), "assumed_honest": self.plan.honest,
        }

    @property
    def affordable(self) -> bool:
        """True when every filter could pay now, as far as the coordinator says."""
        return all(f.left is None or f.left >= self.plan.pico_rho for f in self.filters)

    def to_dict(self) -> dict[str, Any]:
        """The JSON object of `--dry-run`: a release without id and rows, with expected errors."""
        return {
            "release_id": None, "query_fingerprint": digest("query", self.query).hex(),
            "table": self.table.name, "vintage": self.table.vintage, "replayed": False,
            "departments": list(self.departments), "missing": list(self.missing),
            "confidence": float(self.query.privacy.confidence), "privacy": self.privacy,
            "expected_error": self.errors, "condition": self.condition,
        }

    def __repr__(self) -> str:
        privacy = self.privacy
        at = f" at delta {self.delta}" if privacy["delta"] else " (pure)"
        percent = 100 * float(self.query.privacy.confidence)
        lines = [f"price: rho {self.rho}, epsilon {privacy['epsilon']:g}{at}, {privacy['mechanism']} noise",
                 f"departments: {', '.join(self.departments) or 'none connected'}"
                 + (f" (missing: {', '.join(self.missing)})" if self.missing else "")]
        for alias, error in self.errors.items():
            shown = "no bound: the noise may swamp the count" if error is None else f"+- {error:,.4g}"
            lines.append(f"expected error of {alias}: {shown} with {percent:g} % confidence")
        if self.condition:
            lines.append(f"note: {self.condition}")
        for f in self.filters:
            if f.left is not None:
                after = f.left - self.plan.pico_rho
                verdict = f"{rho_text(after)} rho after it" if after >= 0 else "too little for it"
                lines.append(f"{f.kind} {f.name}: {rho_text(f.left)} rho left, {verdict}")
        return "\n".join(lines)
