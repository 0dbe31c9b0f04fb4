"""What the entries about rounds mean, in log order, and who pays. Breaches are findings; the fold goes on.

- A round is announced, frozen, combined, and released or dead, each at most once and in this order. (An
  announcement may be missing: a coordinator that stopped at that moment went on without it.)
- The departments of a frozen roster are the roster's; each ledger goes on from where it was logged
  (`ledgers`), and ends by reserving this round. One that does not is forked, and not believed again.
- A transcript has an analyst of the roster, and the population and price that every ledger reserved.
- Only an admitted round (`filters`) is released, which every department let be asked: the grant that the
  roster names for it stands in the log and allows it (`grants`).
- A round becomes void once, after it died and without a release, by the word of every key holder; then its
  price comes back, and nothing else happens to it any more.
- A replay is of an admitted round that did not die, at its price, to an analyst of the roster who can pay.
  (A release may be missing before it, where a coordinator stopped at that moment.)
"""

from collections.abc import Iterable
from typing import Final

from cotally.v1 import roster_pb2
from cotally.v1.refusals import Refusal, Refused

from ..privacy import AccountOf
from . import facts
from .filters import Filters
from .findings import Findings
from .grants import UNTIMED, Grants, Resting
from .ledgers import Ledger
from .policies import Policies

# What the log has said of a round: one bit each, in their order.
_ANNOUNCED: Final = 1
_FROZEN: Final = 2
_COMBINED: Final = 4
_ADMITTED: Final = 8
_RELEASED: Final = 16
_DEAD: Final = 32
_VOID: Final = 64
_ENDED: Final = _RELEASED | _DEAD
_WORDS: Final = {_ANNOUNCED: "announces", _FROZEN: "freezes", _COMBINED: "combines",
                 _RELEASED: "releases", _DEAD: "declares dead", _VOID: "makes void"}


class Rounds:
    """Takes what entries say of rounds one after the other."""

    def __init__(self, members: Iterable[roster_pb2.Member], filters: Filters, policies: Policies,
                 grants: Grants, findings: Findings, account: AccountOf) -> None:
        named = list(members)
        self._departments = {m.name for m in named if m.role == roster_pb2.ROLE_NODE}
        self._analysts = {m.name for m in named if m.role == roster_pb2.ROLE_ANALYST}
        self._filters = filters
        self._policies = policies
        self._grants = grants
        self._findings = findings
        self._account = account
        self.ledgers: dict[str, Ledger] = {}
        self._forked: set[str] = set()
        self._rounds: dict[bytes, int] = {}
        self._void: set[bytes] = set()
        # Of rounds that are frozen and not combined: what ledgers reserved, and whose.
        self._reserved: dict[bytes, set[tuple[str, int]]] = {}
        self._answering: dict[bytes, Resting] = {}
        self._answered: dict[bytes, Resting] = {}  # of admitted rounds; there are few different ones
        self._groups: dict[Resting, Resting] = {}
        self._unasked: dict[bytes, str] = {}  # of rounds that are combined: who did not let it be asked
        self.counts = {"announced": 0, "released": 0, "dead": 0, "refused": 0, "void": 0, "replayed": 0}

    def _step(self, round_: bytes, step: int) -> int | None:
        """What was seen of *round_* before this *step*; None, and a finding, if it was seen already."""
        seen = self._rounds.get(round_, 0)
        self._rounds[round_] = seen | step
        if seen & step:
            self._note(Refusal.REPLAYED, f"it {_WORDS[step]}", round_, "a second time")
            return None
        if seen & (_ENDED | ~(2 * step - 1)) and step != _VOID:
            self._note(Refusal.OUT_OF_ORDER, f"it {_WORDS[step]}", round_, "which was past that")
        return seen

    def _note(self, refusal: Refusal, what: str, round_: bytes, why: str) -> None:
        comma = "," if why.startswith(("which", "whose")) else ""
        self._findings.note(refusal, f"{what} round {round_.hex()[:16]}{comma} {why}")

    def announced(self, fact: facts.Announced) -> None:
        """A round was announced."""
        self._step(fact.round, _ANNOUNCED)
        self.counts["announced"] += 1

    def froze(self, fact: facts.Froze) -> None:
        """Its roster was frozen, with every department's ledger up to its reservation."""
        seen = self._step(fact.round, _FROZEN)
        for links in fact.ledgers:
            self._follow(links)
        if seen is not None and not seen & _COMBINED:
            self._reserved[fact.round] = {(links.steps[-1][1], links.steps[-1][3])
                                          for links in fact.ledgers if links.steps}
            resting = tuple((links.node, links.grant) for links in fact.ledgers)
            self._answering[fact.round] = self._groups.setdefault(resting, resting)

    def _follow(self, links: facts.Links) -> None:
        node = links.node
        if node not in self._departments:
            self._findings.note(Refusal.CREDENTIALS, f"the roster names no department {node!r}")
            return
        if node in self._forked:
            return
        try:
            ledger = self.ledgers.setdefault(node, Ledger(node, self._account))
            ledger.follow(links, self._void, self._policies.most(node))
        except Refused as refused:
            self._forked.add(node)
            self._findings.note(refused.refusal, refused.message)

    def transcribed(self, fact: facts.Transcribed) -> None:
        """It was combined, at a price."""
        round_, seen = fact.round, self._step(fact.round, _COMBINED)
        if seen is None:
            return
        reserved = self._reserved.pop(round_, None)
        if reserved is None:
            self._note(Refusal.OUT_OF_ORDER, "it combines", round_, "whose roster is not logged")
        elif reserved != {(fact.population, fact.pico_loss)}:
            self._note(
                Refusal.PLAN_MISMATCH, "the price of", round_, "is not what its departments reserved")
        self._check_analyst(fact.analyst)
        resting = self._answering.pop(round_, ())
        lacking = self._grants.lacking(resting, fact.analyst, fact.purpose, fact.announced_ms)
        if lacking:
            self._unasked[round_] = lacking
        if not seen & _VOID and self._filters.admit(fact):
            self._rounds[round_] |= _ADMITTED
            self._answered[round_] = resting
        else:
            self.counts["refused"] += 1

    def released(self, fact: facts.Released) -> None:
        """It was released."""
        round_, seen = fact.round, self._step(fact.round, _RELEASED)
        if seen is None:
            return
        self.counts["released"] += 1
        self._filters.end(round_)
        if not seen & _COMBINED:
            self._note(Refusal.OUT_OF_ORDER, "it releases", round_, "which was not combined")
        elif not seen & _ADMITTED:
            self._note(Refusal.BUDGET_SPENT, "it releases", round_, "whose price no budget had left")
        elif seen & _VOID:
            self._filters.take_again(round_)
        if round_ in self._unasked:
            self._note(Refusal.NOT_ALLOWED, "it releases", round_,
                       f"which {self._unasked[round_]!r} did not let be asked")

    def died(self, fact: facts.Died) -> None:
        """It ended without a release, and stays paid for."""
        if self._step(fact.round, _DEAD) is None:
            return
        self.counts["dead"] += 1
        self._filters.end(fact.round)
        self._reserved.pop(fact.round, None)
        self._answering.pop(fact.round, None)

    def voided(self, fact: facts.Voided) -> None:
        """Every key holder gave its word that a round stays closed."""
        round_ = fact.round
        if fact.flaw:
            self._note(Refusal.CREDENTIALS, "it makes void", round_, fact.flaw)
            return
        if self._rounds.get(round_, 0) & _RELEASED:
            self._note(Refusal.EQUIVOCATION, "it makes void", round_, "which was released")
            return
        seen = self._step(round_, _VOID)
        if seen is None:
            return
        if not seen & _DEAD:
            self._note(Refusal.OUT_OF_ORDER, "it makes void", round_, "which was not declared dead")
        self.counts["void"] += 1
        self._void.add(round_)
        if seen & _ADMITTED:
            self._filters.end(round_)
            self._filters.give_back(round_)

    def replayed(self, fact: facts.Replayed) -> None:
        """A stored release was given to another reader."""
        round_, seen = fact.round, self._rounds.get(fact.round, 0)
        self.counts["replayed"] += 1
        self._check_analyst(fact.analyst)
        if seen & _DEAD or not seen & _ADMITTED:
            self._note(Refusal.OUT_OF_ORDER, "it replays", round_, "which was never released")
        if seen & _VOID or not seen & _ADMITTED:
            return
        departments = [department for department, _ in self._answered[round_]]
        resting = tuple(zip(departments, fact.grants, strict=False))
        if len(fact.grants) != len(departments) or self._grants.lacking(
                resting, fact.analyst, fact.purpose, UNTIMED):
            self._note(Refusal.NOT_ALLOWED, "it replays", round_, f"which {fact.analyst!r} may not ask for")
        if self._filters.price(round_) != (fact.population, fact.pico_loss):
            self._note(Refusal.PLAN_MISMATCH, "it replays", round_, "at another price than its own")
        elif not self._filters.replay(fact):
            self._note(Refusal.BUDGET_SPENT, "it replays", round_,
                       f"whose price {fact.analyst!r} had not left for {fact.purpose!r}")

    def _check_analyst(self, name: str) -> None:
        if name not in self._analysts:
            self._findings.note(Refusal.CREDENTIALS, f"the roster names no analyst {name!r}")
