"""What the entries of a log mean together: rounds, rosters, ledgers and filters, in log order.

Rules. A log that breaks one of the first two is refused; breaches of the others are findings, each with
the index of its entry, and the fold goes on:

- Entry 0 is the genesis of the federation's first roster, with its budgets; no other entry is.
- A succession follows the roster in force, changes its key alone, and every department approved it.
- A round is announced, frozen, combined, and released or dead, each at most once and in this order. (An
  announcement may be missing: a coordinator that stopped at that moment went on without it.)
- The departments of a frozen roster are the roster's; each ledger goes on from where it was logged
  (`ledgers`), and ends by reserving this round. One that does not is forked, and not believed again.
- A transcript has an analyst of the roster, and the population and price that every ledger reserved.
- Only an admitted round (`filters`) is released.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from cotally.v1 import log_pb2, roster_pb2
from cotally.v1.canonical import canonical, digest
from cotally.v1.refusals import Refusal, Refused

from ..budget import Filter
from ..verify import lineage
from . import facts
from .accounts import accounts
from .filters import Filters
from .ledgers import Ledger

FINDINGS: Final = 1_000  # kept; the rest is only counted


# What the log has said of a round: one bit each, in their order.
_ANNOUNCED: Final = 1
_FROZEN: Final = 2
_COMBINED: Final = 4
_ADMITTED: Final = 8
_RELEASED: Final = 16
_DEAD: Final = 32
_ENDED: Final = _RELEASED | _DEAD
_WORDS: Final = {_ANNOUNCED: "announces", _FROZEN: "freezes", _COMBINED: "combines",
                 _RELEASED: "releases", _DEAD: "declares dead"}


@dataclass(frozen=True, slots=True)
class Finding:
    """Something in the log that an honest federation does not do, and where it stands."""

    index: int
    refusal: Refusal
    sentence: str


class Fold:
    """Takes what entries say one after the other."""

    def __init__(self, charter: roster_pb2.Charter) -> None:
        """*charter* is only believed once the pin reaches it, which is checked elsewhere."""
        self._charter = charter
        self._chain = [link.roster for link in (*charter.lineage, lineage.own_link(charter))]
        self._roster = self._chain[0]
        members = charter.roster.members
        self._departments = {m.name for m in members if m.role == roster_pb2.ROLE_NODE}
        self._analysts = {m.name for m in members if m.role == roster_pb2.ROLE_ANALYST}
        self._filters = Filters(charter.roster.policy.budgets)
        self._ledgers: dict[str, Ledger] = {}
        self._forked: set[str] = set()
        self._rounds: dict[bytes, int] = {}
        self._reserved: dict[bytes, set[tuple[str, int]]] = {}  # frozen, not combined: what ledgers reserved
        self._take: Mapping[type, Callable[[Any], None]] = {
            facts.Began: self._began, facts.Succeeded: self._succeeded, facts.Announced: self._announced,
            facts.Froze: self._froze, facts.Transcribed: self._transcribed, facts.Released: self._released,
            facts.Died: self._died}
        self.size = 0
        self.counts = {"announced": 0, "released": 0, "dead": 0, "refused": 0}
        self.found = 0
        self.findings: list[Finding] = []
        self.successors: list[roster_pb2.Succession] = []

    def add(self, fact: facts.Fact) -> None:
        """Fold the next entry; Refused, naming its index, if the log cannot go on like this."""
        if (self.size == 0) != isinstance(fact, facts.Began):
            raise Refused(Refusal.EQUIVOCATION, "entry 0: the log does not begin with a genesis entry"
                          if self.size == 0 else f"entry {self.size} begins the log a second time")
        self._take[type(fact)](fact)
        self.size += 1

    def accounts(self) -> tuple[Filter, ...]:
        """Return every filter as the entries so far add up."""
        return accounts(self._ledgers, self._filters, self._charter.roster.policy.delta)

    def _found(self, refusal: Refusal, sentence: str) -> None:
        self.found += 1
        if len(self.findings) < FINDINGS:
            self.findings.append(Finding(self.size, refusal, f"entry {self.size}: {sentence}"))

    # Rosters

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

    # Rounds

    def _step(self, round_: bytes, step: int) -> int | None:
        """What was seen of *round_* before this *step*; None, and a finding, if it was seen already."""
        seen = self._rounds.get(round_, 0)
        self._rounds[round_] = seen | step
        if seen & step:
            self._found(Refusal.REPLAYED, f"it {_WORDS[step]} round {_short(round_)} a second time")
            return None
        if seen & (_ENDED | ~(2 * step - 1)):
            self._found(Refusal.OUT_OF_ORDER,
                        f"it {_WORDS[step]} round {_short(round_)}, which was past that")
        return seen

    def _announced(self, fact: facts.Announced) -> None:
        self._step(fact.round, _ANNOUNCED)
        self.counts["announced"] += 1

    def _froze(self, fact: facts.Froze) -> None:
        seen = self._step(fact.round, _FROZEN)
        for links in fact.ledgers:
            self._follow(links)
        if seen is not None and not seen & _COMBINED:
            self._reserved[fact.round] = {(links.steps[-1][1], links.steps[-1][3])
                                          for links in fact.ledgers if links.steps}

    def _follow(self, links: facts.Links) -> None:
        node = links.node
        if node not in self._departments:
            self._found(Refusal.CREDENTIALS, f"the roster names no department {node!r}")
            return
        if node in self._forked:
            return
        try:
            self._ledgers.setdefault(node, Ledger(node)).follow(links)
        except Refused as refused:
            self._forked.add(node)
            self._found(refused.refusal, refused.message)

    def _transcribed(self, fact: facts.Transcribed) -> None:
        seen = self._step(fact.round, _COMBINED)
        if seen is None:
            return
        reserved = self._reserved.pop(fact.round, None)
        if reserved is None:
            self._found(Refusal.OUT_OF_ORDER,
                        f"it combines round {_short(fact.round)}, whose roster is not logged")
        elif reserved != {(fact.population, fact.pico_rho)}:
            self._found(Refusal.PLAN_MISMATCH,
                        f"the price of round {_short(fact.round)} is not what its departments reserved")
        if fact.analyst not in self._analysts:
            self._found(Refusal.CREDENTIALS, f"the roster names no analyst {fact.analyst!r}")
        if self._filters.admit(fact):
            self._rounds[fact.round] |= _ADMITTED
        else:
            self.counts["refused"] += 1

    def _released(self, fact: facts.Released) -> None:
        seen = self._step(fact.round, _RELEASED)
        if seen is None:
            return
        self.counts["released"] += 1
        self._filters.end(fact.round)
        if not seen & _COMBINED:
            self._found(Refusal.OUT_OF_ORDER,
                        f"it releases round {_short(fact.round)}, which was not combined")
        elif not seen & _ADMITTED:
            self._found(Refusal.BUDGET_SPENT,
                        f"it releases round {_short(fact.round)}, whose price no budget had left")

    def _died(self, fact: facts.Died) -> None:
        if self._step(fact.round, _DEAD) is None:
            return
        self.counts["dead"] += 1
        self._filters.end(fact.round)
        self._reserved.pop(fact.round, None)


def _short(round_: bytes) -> str:
    return round_.hex()[:16]
