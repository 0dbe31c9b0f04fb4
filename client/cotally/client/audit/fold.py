"""What the entries of a log mean together: rosters, budgets, rounds, ledgers and filters, in log order.

Rules. A log that breaks one of the first two is refused; breaches of the others are findings, each with
the index of its entry, and the fold goes on:

- Entry 0 is the genesis of the federation's first roster, with its budgets; no other entry is.
- A succession follows the roster in force, changes its key alone, and every department approved it.
- A policy follows the one before, and every department approved it; else it changes no budget (`policies`).
- A grant is of a department to an analyst of the roster. A list of what was taken back is signed and later
  than its issuer's one before; else it takes nothing back (`revocations`, `grants`).
- What is said of rounds, `rounds` tells.
"""

from collections.abc import Callable, Mapping
from typing import Any

from cotally.v1 import log_pb2, roster_pb2
from cotally.v1.canonical import canonical, digest
from cotally.v1.refusals import Refusal, Refused

from ..budget import Filter
from ..privacy import Account
from ..verify import lineage
from . import facts
from .accounts import accounts
from .filters import Filters
from .findings import Findings
from .grants import Grants
from .policies import Policies
from .rounds import Rounds


class Fold:
    """Takes what entries say one after the other."""

    def __init__(self, charter: roster_pb2.Charter) -> None:
        """*charter* is only believed once the pin reaches it, which is checked elsewhere."""
        self._charter = charter
        self._chain = [link.roster for link in (*charter.lineage, lineage.own_link(charter))]
        self._roster = self._chain[0]
        self._founding = digest("roster", self._roster)
        self._filters, self._policies = Filters(charter.roster.policy.budgets), Policies(self._founding)
        self._grants, self.findings = Grants(), Findings()
        self._roles = {m.name: m.role for m in charter.roster.members}
        self.rounds = rounds = Rounds(
            charter.roster.members, self._filters, self._policies, self._grants, self.findings, self._account)
        self._take: Mapping[type, Callable[[Any], None]] = {
            facts.Began: self._began, facts.Succeeded: self._succeeded, facts.Renewed: self._renewed,
            facts.Granted: self._granted, facts.Revoked: self._revoked,
            facts.Announced: rounds.announced, facts.Froze: rounds.froze,
            facts.Transcribed: rounds.transcribed, facts.Released: rounds.released, facts.Died: rounds.died,
            facts.Voided: rounds.voided, facts.Replayed: rounds.replayed}
        self.successors: list[roster_pb2.Succession] = []

    @property
    def size(self) -> int:
        """Number of entries folded."""
        return self.findings.size

    def add(self, fact: facts.Fact) -> None:
        """Fold the next entry; Refused, naming its index, if the log cannot go on like this."""
        if (self.size == 0) != isinstance(fact, facts.Began):
            raise Refused(Refusal.EQUIVOCATION, "entry 0: the log does not begin with a genesis entry"
                          if self.size == 0 else f"entry {self.size} begins the log a second time")
        self._take[type(fact)](fact)
        self.findings.size += 1

    def accounts(self) -> tuple[Filter, ...]:
        """Return every filter as the entries so far add up."""
        return accounts(self.rounds.ledgers, self._policies, self._filters, self._account)

    def _account(self, population: str) -> Account:
        """What *population* counts in, as the catalog says."""
        return Account.of(population, self._charter.catalog, self._charter.roster.policy.delta)

    def _began(self, fact: facts.Began) -> None:
        first = self._roster
        due = log_pb2.GenesisLeaf(
            federation=first.federation, roster=digest("roster", first), catalog=first.catalog,
            public_key=first.public_key, budgets=first.policy.budgets)
        if canonical(fact.leaf) != canonical(due):
            raise Refused(Refusal.EQUIVOCATION, "entry 0 begins another federation's log")

    def _succeeded(self, fact: facts.Succeeded) -> None:
        link, epoch = fact.leaf.succession, len(self.successors) + 1
        try:
            lineage.check_approved_step(self._roster, link)
        except Refused as refused:
            raise Refused(refused.refusal, f"entry {self.size}: {refused.message}") from None
        if epoch < len(self._chain) and self._chain[epoch] != link.roster:
            raise Refused(Refusal.EQUIVOCATION,
                          f"entry {self.size}: it is not the succession that led to the charter's roster")
        self._roster = link.roster
        self.successors.append(link)

    def _renewed(self, fact: facts.Renewed) -> None:
        flaw = fact.flaw or self._policies.follow(fact.policy)
        if flaw:
            self.findings.note(Refusal.CREDENTIALS, f"it renews budgets by a policy {flaw}")
            return
        self._filters.renew(fact.policy.budgets)

    def _granted(self, fact: facts.Granted) -> None:
        leaf = fact.leaf
        roles = self._roles.get(leaf.department), self._roles.get(leaf.analyst)
        if roles != (roster_pb2.ROLE_NODE, roster_pb2.ROLE_ANALYST):
            self.findings.note(Refusal.CREDENTIALS,
                               f"it shows a grant of {leaf.department!r} to {leaf.analyst!r}, who are not a "
                               "department and an analyst of the roster")
        self._grants.grant(leaf)

    def _revoked(self, fact: facts.Revoked) -> None:
        elsewhere = "" if fact.body.founding == self._founding else "of another federation of this name"
        flaw = fact.flaw or elsewhere or self._grants.revoke(fact.body)
        if flaw:
            self.findings.note(Refusal.CREDENTIALS, f"it holds a list of revocations {flaw}")
