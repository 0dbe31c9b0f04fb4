"""Follows the audit log from its first entry: what a witness must know before it cosigns or decrypts.

Rules:

- Entry 0 is the genesis leaf of the federation's first roster (federation, roster, catalog, key,
  budgets); no other entry is. An entry without a leaf, or without canonical bytes, is refused.
- A succession leaf holds an approved successor of the roster in force (`lineage`), which it replaces
  from there on; any other is refused. Filters, chains and rounds go on as they were.
- The log grows only at its end, under a checkpoint of this federation that the coordinator signed,
  whose size and root are those of everything folded so far and the new entries. Otherwise nothing
  changes. One tree, therefore one root per size: two are never cosigned.
- Transcript, void, replay and policy leaves are folded by `admissions`. A void leaf without the signed
  word of every key holder (`voids`), or a policy that not every department approved (`policies`), is refused.
- A roster leaf carries each member's ledger links, which must continue that node's known chain and
  end in the entry that reserves this round (`chain`). A node whose links do not is recorded as
  forked, its chain stays as it was, and none of its links is believed again. A ledger takes a price back
  only after the round's void leaf, and raises a budget only to what a policy leaf gave it.
- The first roster leaf of a round says which frozen roster was logged, if it comes before the round's
  transcript: a checkpoint that covers the transcript covers the roster too.
- A dead leaf marks its round; it gives nothing back. A void leaf marks it too.
- Announcement and release leaves are only hashed.
"""

import base64
import json
from collections.abc import Iterable, Sequence
from typing import Any, Final

from google.protobuf.message import DecodeError

from cotally.v1 import log_pb2, roster_pb2, round_pb2
from cotally.v1.canonical import NotCanonical, canonical, digest
from cotally.v1.refusals import Misconfigured, Refusal, Refused

from . import lineage
from .admissions import Admissions
from .chain import Allowed, Chain
from .checkpoint import check_signed, cosign_bytes
from .filters import POPULATION, Charge, Key
from .merkle import HASH_BYTES, Tree, leaf_hash
from .policies import check_policy
from .voids import check_void

_DUMP_VERSION: Final = 3


def entry_hash(entry: log_pb2.LogEntry) -> bytes:
    """Return the Merkle leaf hash of a log entry; refuse (MALFORMED) one without canonical bytes."""
    try:
        return leaf_hash(canonical(entry))
    except NotCanonical as error:
        raise Refused(Refusal.MALFORMED, f"a log entry is not canonical: {error}") from error


def genesis(charter: roster_pb2.Charter) -> log_pb2.LogEntry:
    """Return the entry with which the log of this federation must begin."""
    roster = lineage.first(charter)
    return log_pb2.LogEntry(genesis=log_pb2.GenesisLeaf(
        federation=roster.federation, roster=digest("roster", roster), catalog=roster.catalog,
        public_key=roster.public_key, budgets=roster.policy.budgets,
    ))


def beginning(charter: roster_pb2.Charter) -> list[log_pb2.LogEntry]:
    """Return the entries that put *charter* in force in a new log: the genesis, and what came after it."""
    return [genesis(charter), *(
        log_pb2.LogEntry(succession=log_pb2.SuccessionLeaf(succession=link))
        for link in lineage.links(charter)[1:])]


class Follower:
    """A fold over the log by the rules above. Build it only from a charter whose digests were checked."""

    def __init__(self, charter: roster_pb2.Charter) -> None:
        self._charter = charter
        self._genesis = canonical(genesis(charter))
        self._rosters = [lineage.first(charter)]  # the last is in force
        self._tree = Tree()
        self._admissions = Admissions(charter.roster.policy.budgets)
        self._policies: list[roster_pb2.BudgetPolicy] = []
        self._frozen: dict[bytes, bytes] = {}
        self._dead: set[bytes] = set()
        self._chains: dict[str, Chain] = {}
        self._forked: set[str] = set()

    # Growth

    def extend(
        self, first: int, entries: Sequence[log_pb2.LogEntry], checkpoint: log_pb2.Checkpoint
    ) -> bytes:
        """Fold *entries*, which start at index *first*, and return the bytes that a witness signs.

        No entries, under a checkpoint of the present size, returns those bytes again. Raises Refused
        and changes nothing: OUT_OF_ORDER (does not start where this ends), MALFORMED, CREDENTIALS
        (checkpoint not signed), EQUIVOCATION (another log, genesis, size or root).
        """
        if first != self.size:
            raise Refused(Refusal.OUT_OF_ORDER, f"log entries from {first} were sent, {self.size} is next")
        size, root = check_signed(self._charter, checkpoint)
        hashes = self._check(entries)
        frontier = self._tree.frontier()
        for hash_ in hashes:
            frontier.append(hash_)
        if not frontier.size:
            raise Refused(Refusal.OUT_OF_ORDER, "an empty log is not cosigned")
        if (frontier.size, frontier.root()) != (size, root):
            raise Refused(
                Refusal.EQUIVOCATION, f"the checkpoint at size {size} is not of the log that was sent to us"
            )
        self._fold(entries, hashes)
        return cosign_bytes(checkpoint.text)

    def fold(self, entries: Sequence[log_pb2.LogEntry]) -> None:
        """Fold entries that need no checkpoint: one's own log, or what was verified before."""
        self._fold(entries, self._check(entries))

    def _check(self, entries: Iterable[log_pb2.LogEntry]) -> list[bytes]:
        """The leaf hashes of entries that may come next. After this, folding them cannot be refused."""
        hashes = []
        roster, policy = self._rosters[-1], self.policy
        for index, entry in enumerate(entries, start=self.size):
            kind = entry.WhichOneof("leaf")
            if kind is None:
                raise Refused(Refusal.MALFORMED, f"log entry {index} holds nothing that we know")
            hashes.append(entry_hash(entry))
            if index == 0 and canonical(entry) != self._genesis:
                raise Refused(Refusal.EQUIVOCATION, "the log does not begin with the pinned roster")
            if index > 0 and kind == "genesis":
                raise Refused(Refusal.EQUIVOCATION, f"log entry {index} begins the log a second time")
            if kind == "succession":
                lineage.check_step(roster, entry.succession.succession)
                roster = entry.succession.succession.roster
            elif kind == "policy":
                check_policy(roster, policy, entry.policy)
                policy = entry.policy.policy
            elif kind == "void":
                check_void(roster, entry.void)
            elif kind != "genesis" and not getattr(entry, kind).round:
                raise Refused(Refusal.MALFORMED, f"log entry {index} names no round")
        return hashes

    def _fold(self, entries: Sequence[log_pb2.LogEntry], hashes: Sequence[bytes]) -> None:
        for entry, hash_ in zip(entries, hashes, strict=True):
            kind = entry.WhichOneof("leaf")
            if kind == "roster":
                self._fold_roster(entry.roster)
            elif kind == "transcript":
                self._admissions.transcript(self.size, entry.transcript)
            elif kind == "dead":
                self._dead.add(entry.dead.round)
            elif kind == "void":
                self._dead.add(entry.void.round)
                self._admissions.voided(self.size, entry.void.round)
            elif kind == "replay":
                self._admissions.replay(entry.replay)
            elif kind == "policy":
                self._policies.append(entry.policy.policy)
                self._admissions.filters.renew(entry.policy.policy.budgets)
            elif kind == "succession":
                self._rosters.append(entry.succession.succession.roster)
            self._tree.append(hash_)

    def _fold_roster(self, leaf: log_pb2.RosterLeaf) -> None:
        if leaf.round not in self._admissions.rounds:
            self._frozen.setdefault(leaf.round, leaf.frozen)
        for ledger in leaf.ledgers:
            if ledger.node in self._forked:
                continue
            chain = self._chains.setdefault(ledger.node, Chain(ledger.node))
            try:
                chain.extend(ledger.links, leaf.round, self._allowed(ledger.node))
            except Refused:
                self._forked.add(ledger.node)

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

    def frozen(self, round_: bytes) -> bytes | None:
        """Return the digest of the frozen roster that was logged first for the round, or None."""
        return self._frozen.get(round_)

    def is_dead(self, round_: bytes) -> bool:
        """True iff the log declares the round dead."""
        return round_ in self._dead

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
        """Return the pico-rho admitted so far under one filter."""
        return self._admissions.filters.spent(population, analyst, purpose)

    def left(self, population: str, analyst: str = POPULATION, purpose: str = "") -> int | None:
        """Return the pico-rho that this filter still admits; None without limit."""
        return self._admissions.filters.left(population, analyst, purpose)

    def purposes(self, population: str, analyst: str) -> list[Key]:
        """The purpose filters of a population, of all analysts and of this one: with a budget, or charged."""
        return self._admissions.filters.purposes(population, analyst)

    def granted(self, population: str, analyst: str, purpose: str) -> int:
        """What the grants allowed the analyst for the purpose when he was last charged; 0: not known."""
        return self._admissions.filters.granted(population, analyst, purpose)

    def budget_of(self, node: str, population: str) -> int | None:
        """Return what the last policy lets *node*'s ledger spend in all; None where none says."""
        said = [b.pico_rho for p in self._policies for b in p.departments
                if (b.department, b.population) == (node, population)]
        return said[-1] if said else None

    def _allowed(self, node: str) -> Allowed:
        budgets: dict[str, int] = {}
        for policy in self._policies:  # all: an entry may be logged after the next policy
            for each in policy.departments:
                if each.department == node:
                    budgets[each.population] = max(each.pico_rho, budgets.get(each.population, 0))
        return Allowed(self._admissions.void, budgets)

    # Ledgers

    @property
    def forked(self) -> frozenset[str]:
        """Nodes whose logged ledger links contradict each other."""
        return frozenset(self._forked)

    def last_link(self, node: str) -> tuple[int, bytes] | None:
        """Return (length, hash) of the last logged entry of *node*'s ledger, or None."""
        chain = self._chains.get(node)
        return (len(chain.hashes), chain.hashes[-1]) if chain and chain.hashes else None

    def ledger_spent(self, node: str, population: str) -> int:
        """Return what *node*'s logged ledger has spent of *population*, less what void rounds may return."""
        chain = self._chains.get(node)
        return chain.spent(population, self._admissions.void) if chain else 0

    def link_at(self, node: str, length: int) -> bytes | None:
        """Return the hash of entry *length* of *node*'s logged ledger, or None.

        `check_links` also passes links that only extend the log. Before a decryption they must be in
        it, or a coordinator that logs nobody's links would hide a fork between two rounds.
        """
        chain = self._chains.get(node)
        return chain.hashes[length - 1] if chain and 1 <= length <= len(chain.hashes) else None

    def check_links(
        self, node: str, links: Sequence[round_pb2.LedgerEntry], round_: bytes, population: str, price: int
    ) -> None:
        """Refuse links that do not continue *node*'s logged chain up to the reservation of this very round.

        Changes nothing. Raises Refused: EQUIVOCATION (fork, or another round), STEPPED_BACK (a chain
        shorter than the logged one, with unknown entries), PLAN_MISMATCH (another price or
        population), MALFORMED, and BUDGET_SPENT, REPLAYED, OUT_OF_ORDER for a chain that breaks its
        own rules.
        """
        if node in self._forked:
            raise Refused(Refusal.EQUIVOCATION, f"the log holds a fork of {node}'s ledger")
        self._chains.get(node, Chain(node)).check(links, round_, self._allowed(node))
        if (links[-1].population, links[-1].pico_rho) != (population, price):
            raise Refused(Refusal.PLAN_MISMATCH, f"{node}'s ledger reserves another price than the round's")

    # Persistence

    def dump(self) -> bytes:
        """Return the whole state as JSON; `load` reads it."""
        return json.dumps({
            "version": _DUMP_VERSION,
            "rosters": [base64.b64encode(r.SerializeToString(deterministic=True)).decode()
                        for r in self._rosters],
            "leaves": base64.b64encode(b"".join(self._tree.leaves())).decode(),
            "admissions": self._admissions.dump(),
            "policies": [base64.b64encode(p.SerializeToString(deterministic=True)).decode()
                         for p in self._policies],
            "frozen": [[r.hex(), f.hex()] for r, f in self._frozen.items()],
            "dead": sorted(r.hex() for r in self._dead),
            "chains": {node: chain.dump() for node, chain in self._chains.items()},
            "forked": sorted(self._forked),
        }).encode()

    @classmethod
    def load(cls, data: bytes, charter: roster_pb2.Charter) -> "Follower":
        """Return the follower that `dump` described; Misconfigured for damage or another roster."""
        follower = cls(charter)
        try:
            follower._restore(json.loads(data))
        except (ValueError, KeyError, TypeError, AttributeError, IndexError, DecodeError) as error:
            raise Misconfigured(f"the stored view of the audit log is damaged: {error}") from error
        return follower

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
        self._frozen = {bytes.fromhex(r): bytes.fromhex(f) for r, f in state["frozen"]}
        self._dead = {bytes.fromhex(r) for r in state["dead"]}
        self._chains = {node: Chain.load(node, chain) for node, chain in state["chains"].items()}
        self._forked = set(state["forked"])
