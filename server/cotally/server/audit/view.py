"""What the entries of the log that were folded say: the state of a follower, and the questions to it."""

import base64
from collections.abc import Sequence
from typing import Any, Final

from cotally.v1 import log_pb2, query_pb2, roster_pb2, round_pb2
from cotally.v1.canonical import digest
from cotally.v1.refusals import Misconfigured, Refusal, Refused

from . import lineage
from .admissions import Admissions
from .chain import Allowed
from .filters import POPULATION, Charge, Key
from .ledgers import Ledgers
from .merkle import HASH_BYTES, Tree
from .revocations import Revocations
from .stages import Stages, grant_leaf

_DUMP_VERSION: Final = 5


class View:
    """The fold over checked entries, by the rules of `admissions`, `ledgers`, `stages` and so on."""

    def __init__(self, charter: roster_pb2.Charter) -> None:
        self._rosters = [lineage.first(charter)]  # the last is in force
        self._tree = Tree()
        self._pure = frozenset(t.population for t in charter.catalog.tables if t.pure)
        self._admissions = Admissions(charter.roster.policy.budgets, self._pure)
        self._policies: list[roster_pb2.BudgetPolicy] = []
        self._stages = Stages()
        self._ledgers = Ledgers(self._pure)
        self.revocations = Revocations()

    def _take(self, entry: log_pb2.LogEntry, hash_: bytes) -> None:
        """Fold the next entry, which may come next."""
        kind = entry.WhichOneof("leaf")
        assert kind is not None
        self._stages.fold(self.size, kind, entry, self._admissions.rounds)
        if kind == "roster":
            self._ledgers.fold(entry.roster, self._allowed)
        elif kind == "transcript":
            self._admissions.transcript(self.size, entry.transcript)
        elif kind == "void":
            self._admissions.voided(self.size, entry.void.round)
        elif kind == "replay":
            self._admissions.replay(entry.replay)
        elif kind == "policy":
            self._policies.append(entry.policy.policy)
            self._admissions.filters.renew(entry.policy.policy.budgets)
        elif kind == "succession":
            self._rosters.append(entry.succession.succession.roster)
        elif kind == "revocation":
            self.revocations.fold(self.size, entry.revocation.revocation)
        self._tree.append(hash_)

    # The log

    @property
    def size(self) -> int:
        """Number of entries folded."""
        return self._tree.size

    def root_at(self, size: int) -> bytes | None:
        """Return the root at any size up to the present one; None beyond."""
        return self._tree.root(size) if 0 <= size <= self.size else None

    @property
    def roster(self) -> bytes:
        """Digest of the roster in force at the end of what was folded."""
        return digest("roster", self._rosters[-1])

    def check_in_force(self, roster: bytes) -> None:
        """Refuse OUT_OF_ORDER work under a *roster* that is not the one in force."""
        if roster != self.roster:
            raise Refused(Refusal.OUT_OF_ORDER,
                          "the log has another roster in force than ours; its charter is owed to us")

    @property
    def policy(self) -> roster_pb2.BudgetPolicy | None:
        """The last budget policy that was folded, or None."""
        return self._policies[-1] if self._policies else None

    # Rounds and filters

    def admits(self, round_: bytes) -> bool:
        """True iff the round's first transcript leaf was admitted, and the round is not void."""
        known = self._admissions.rounds.get(round_)
        return known is not None and known.admitted and not self.is_void(round_)

    def transcript_index(self, round_: bytes) -> int | None:
        """Return the index of the round's first transcript leaf, or None."""
        known = self._admissions.rounds.get(round_)
        return None if known is None else known.index

    def transcript_hash(self, round_: bytes) -> bytes | None:
        """Return digest("leaf", TranscriptLeaf) of the round's first transcript leaf, or None."""
        known = self._admissions.rounds.get(round_)
        return None if known is None else known.leaf

    def roster_hash(self, round_: bytes) -> bytes | None:
        """Return digest("leaf", RosterLeaf) of the round's first roster leaf, or None."""
        return self._stages.rosters.get(round_)

    def is_dead(self, round_: bytes) -> bool:
        """True iff the log declares the round dead."""
        return round_ in self._stages.dead

    def is_announced(self, round_: bytes) -> bool:
        """True iff the log holds the round's announcement leaf."""
        return round_ in self._stages.announced

    def is_released(self, round_: bytes) -> bool:
        """True iff the log says that the round was released."""
        return round_ in self._stages.released

    def shows_grant(self, grant: query_pb2.Grant) -> bool:
        """True iff the log holds a leaf of this grant, whatever it says of it."""
        return digest("grant", grant) in self._stages.grants

    def check_grant_shown(self, grant: query_pb2.Grant, before: int) -> None:
        """Refuse NOT_WITNESSED unless the log shows this grant, truly, ahead of index *before*."""
        index, leaf = self._stages.grants.get(digest("grant", grant), (before, b""))
        if index >= before or leaf != digest("leaf", grant_leaf(grant)):
            raise Refused(Refusal.NOT_WITNESSED,
                          f"the log does not show the grant of {grant.department} for {grant.analyst}")

    def is_void(self, round_: bytes) -> bool:
        """True iff all key holders gave their word in the log that the round stays closed."""
        return round_ in self._admissions.void

    def voided_since(self, size: int) -> list[bytes]:
        """Rounds whose void leaf is at index *size* or later."""
        return [round_ for round_, index in self._admissions.void.items() if index >= size]

    def has_paid(self, round_: bytes, analyst: str, purpose: str | None = None) -> bool:
        """True iff the log says that *analyst* paid for this round, for the purpose or (None) for any."""
        return self._admissions.has_paid(round_, analyst, purpose)

    def would_admit(self, charge: Charge) -> bool:
        """True iff a transcript leaf of this charge would be admitted as the next entry."""
        try:
            self.check_filters(charge)
        except Refused:
            return False
        return True

    def check_filters(self, charge: Charge) -> None:
        """Refuse (BUDGET_SPENT), naming the filter and what is left, what `would_admit` denies."""
        self._admissions.filters.check(charge)

    def check_replay(self, charge: Charge) -> None:
        """Refuse (BUDGET_SPENT) a stored release that its new reader's own filters do not admit."""
        self._admissions.filters.check_replay(charge)

    def spent(self, population: str, analyst: str = POPULATION, purpose: str = "") -> int:
        """Return what was admitted so far under one filter."""
        return self._admissions.filters.spent(population, analyst, purpose)

    def left(self, population: str, analyst: str = POPULATION, purpose: str = "") -> int | None:
        """Return what this filter still admits; None without limit."""
        return self._admissions.filters.left(population, analyst, purpose)

    def purposes(self, population: str, analyst: str) -> list[Key]:
        """The purpose filters of a population, of all analysts and of this one: with a budget, or charged."""
        return self._admissions.filters.purposes(population, analyst)

    def granted(self, population: str, analyst: str, purpose: str) -> int:
        """What the grants allowed the analyst for the purpose when he was last charged; 0: not known."""
        return self._admissions.filters.granted(population, analyst, purpose)

    def budget_of(self, node: str, population: str) -> int | None:
        """Return what the last policy lets *node*'s ledger spend in all; None where none says."""
        said = [b.pico_loss for p in self._policies for b in p.departments
                if (b.department, b.population) == (node, population)]
        return said[-1] if said else None

    def _allowed(self, node: str) -> Allowed:
        budgets: dict[str, int] = {}
        for policy in self._policies:  # all: an entry may be logged after the next policy
            for each in policy.departments:
                if each.department == node:
                    budgets[each.population] = max(each.pico_loss, budgets.get(each.population, 0))
        return Allowed(self._admissions.void, budgets)

    # Ledgers

    @property
    def forked(self) -> frozenset[str]:
        """Nodes whose logged ledger links contradict each other."""
        return frozenset(self._ledgers.forked)

    def last_link(self, node: str) -> tuple[int, bytes] | None:
        """Return (length, hash) of the last logged entry of *node*'s ledger, or None."""
        return self._ledgers.last(node)

    def ledger_budget(self, node: str, population: str) -> int | None:
        """Return what *node*'s ledger may spend in all: as the last policy, else its logged entries say."""
        renewed = self.budget_of(node, population)
        return self._ledgers.budget(node, population) if renewed is None else renewed

    def ledger_spent(self, node: str, population: str) -> int:
        """Return what *node*'s logged ledger has spent of *population*, less what void rounds may return."""
        return self._ledgers.spent(node, population, self._admissions.void)

    def link_at(self, node: str, length: int) -> bytes | None:
        """Return the hash of entry *length* of *node*'s logged ledger, or None."""
        return self._ledgers.at(node, length)

    def check_links(
        self, node: str, links: Sequence[round_pb2.LedgerEntry], round_: bytes, population: str, price: int
    ) -> None:
        """Refuse links that do not continue *node*'s logged chain up to the reservation of this very round.

        Changes nothing. Raises Refused: EQUIVOCATION (fork, or another round), STEPPED_BACK (a chain
        shorter than the logged one, with unknown entries), PLAN_MISMATCH (another price or
        population), MALFORMED, and BUDGET_SPENT, REPLAYED, OUT_OF_ORDER for a chain that breaks its
        own rules.
        """
        self._ledgers.check(node, links, round_, self._allowed(node))
        if (links[-1].population, links[-1].pico_loss) != (population, price):
            raise Refused(Refusal.PLAN_MISMATCH, f"{node}'s ledger reserves another price than the round's")

    # Persistence

    def _dump(self) -> dict[str, object]:
        return {
            "version": _DUMP_VERSION,
            "rosters": [base64.b64encode(r.SerializeToString(deterministic=True)).decode()
                        for r in self._rosters],
            "leaves": base64.b64encode(b"".join(self._tree.leaves())).decode(),
            "admissions": self._admissions.dump(),
            "policies": [base64.b64encode(p.SerializeToString(deterministic=True)).decode()
                         for p in self._policies],
            "stages": self._stages.dump(),
            "ledgers": self._ledgers.dump(),
            "revocations": self.revocations.dump(),
        }

    def _restore(self, state: dict[str, Any]) -> None:
        if state["version"] != _DUMP_VERSION:
            raise ValueError(f"its version is {state['version']}, not {_DUMP_VERSION}")
        rosters = [roster_pb2.Roster.FromString(base64.b64decode(r, validate=True)) for r in state["rosters"]]
        if digest("roster", rosters[0]) != digest("roster", self._rosters[0]):
            raise Misconfigured("the stored view of the audit log belongs to another roster")
        self._rosters = rosters
        leaves = base64.b64decode(state["leaves"], validate=True)
        if len(leaves) % HASH_BYTES:
            raise ValueError("its leaves are cut short")
        self._tree = Tree(leaves[at:at + HASH_BYTES] for at in range(0, len(leaves), HASH_BYTES))
        self._admissions.load(state["admissions"])
        self._policies = [roster_pb2.BudgetPolicy.FromString(base64.b64decode(p, validate=True))
                          for p in state["policies"]]
        self._stages = Stages.load(state["stages"])
        self._ledgers = Ledgers.load(state["ledgers"], self._pure)
        self.revocations = Revocations.load(state["revocations"])
