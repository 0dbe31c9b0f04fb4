"""The pinned federation: charter, catalog, key and rules, looked up once and read everywhere."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from cotally.server.audit import lineage
from cotally.server.crypto.keys import PublicKey
from cotally.server.model.catalog import Catalog, Table
from cotally.server.model.pace import Pace
from cotally.server.model.plan import ANSWER_BASE_MS, Plan, Rules
from cotally.server.model.query import Query
from cotally.server.planner.check import check as check_query
from cotally.server.planner.plan import make_plan
from cotally.server.planner.scope import effective
from cotally.v1 import query_pb2, roster_pb2, round_pb2
from cotally.v1.canonical import digest
from cotally.v1.refusals import Refusal, Refused

from . import catalog as wire_catalog
from . import keys as wire_keys
from . import plan as wire_plan
from . import query as wire_query
from .numbers import decimal
from .prices import Prices

VERSION: Final = 1  # of the protocol; a change that an older peer would misread raises it


@dataclass(frozen=True)
class Priced:
    """A query with everything that follows from it, from the catalog and from the roster."""

    query: Query
    table: Table
    plan: Plan
    message: round_pb2.Plan

    @property
    def labels(self) -> int:
        """How many cells its computed keys have: their labels are most of what it takes up."""
        return sum(len(column.codes) for column in self.table.columns if column.derived is not None)


class Federation:
    """Read-only view of one verified charter. Build it only from a charter whose digests were checked."""

    def __init__(self, charter: roster_pb2.Charter) -> None:
        self.charter = charter
        self.name = charter.roster.federation
        self.roster = digest("roster", charter.roster)
        self.first = lineage.first(charter)  # the roster with which the federation began
        self.founding = digest("roster", self.first)
        self.lineage = frozenset(lineage.digests(charter))  # its own roster and those that it succeeds
        self.catalog_digest = digest("catalog", charter.catalog)
        self.key_digest = digest("public_key", charter.public_key)
        self.policy = charter.roster.policy
        self.catalog: Catalog = wire_catalog.from_message(charter.catalog)
        self.key: PublicKey = wire_keys.of_charter(charter)
        self.share_binding = wire_keys.share_binding(self.key)
        self.rules = Rules(
            colluding=self.policy.colluding, delta=decimal(self.policy.delta, "delta"),
            tick_ms=self.policy.tick_ms, round_ms=self.policy.round_ms, modulus_bits=self.key.bits,
            encryption=self.key.encryption, answer_base_ms=self.policy.answer_base_ms or ANSWER_BASE_MS,
            answer_pace=_pace(self.policy.answer_pace))
        self._members = {m.name: m for m in charter.roster.members}
        self._prices = Prices(self._compute_price, lambda priced: priced.labels)

    @property
    def delta(self) -> Fraction:
        """The federation's delta."""
        return self.rules.delta

    def member(self, name: str, role: "roster_pb2.Role.ValueType") -> roster_pb2.Member:
        """The member called *name* in *role*; refuses anybody else."""
        member = self._members.get(name)
        if member is None or member.role != role:
            raise Refused(Refusal.CREDENTIALS,
                          f"{name!r} is no {roster_pb2.Role.Name(role)[5:].lower()} of the roster")
        return member

    def members(self, *roles: "roster_pb2.Role.ValueType") -> list[roster_pb2.Member]:
        """Members in *roles*, in roster order."""
        return [m for m in self.charter.roster.members if m.role in roles]

    def coordinator(self) -> roster_pb2.Member:
        """The one coordinator."""
        return self.members(roster_pb2.ROLE_COORDINATOR)[0]

    def table(self, name: str) -> Table:
        """The table called *name*."""
        table = self.catalog.table(name)
        if table is None:
            known = ", ".join(t.name for t in self.catalog.tables)
            raise Refused(Refusal.UNKNOWN_NAME, f"there is no table {name!r}; the catalog has {known}")
        return table

    def price(self, message: query_pb2.Query) -> Priced:
        """Check *message* and compute its plan: what steps 2, 4 and 9 have in common.

        A party prices the same question at several steps; it computes the plan once.
        """
        return self._prices.of(message.SerializeToString(deterministic=True))

    def _compute_price(self, message: bytes) -> Priced:
        query = wire_query.from_message(query_pb2.Query.FromString(message))
        joined = [self.table(join.table) for join in query.joins]
        table = effective(query, self.table(query.table), joined)
        check_query(query, table)
        plan = make_plan(query, table, self.rules)
        return Priced(query, table, plan, wire_plan.to_message(plan))


def _pace(value: int) -> Pace:
    try:
        return Pace(value or Pace.PORTABLE)
    except ValueError:
        raise Refused(Refusal.MALFORMED, f"the policy has an answering pace {value} that is not known here"
                      ) from None
