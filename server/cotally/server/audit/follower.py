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
- A round is released or void, never both: the second of the two is refused, so that nothing which was
  opened is ever refunded.
- A roster leaf carries each member's ledger links, which must continue that node's known chain and
  end in the entry that reserves this round (`ledgers`, `chain`). A ledger takes a price back only after
  the round's void leaf, and raises a budget only to what a policy leaf gave it.
- How far a round has come is folded by `stages`.
- A revocation leaf that its issuer did not sign, or whose serial does not rise, is refused (`revocations`).
  A grant leaf names a department and a digest; whether it tells the truth, who decrypts under it checks.
"""

import json
from collections.abc import Iterable, Sequence

from google.protobuf.message import DecodeError

from cotally.v1 import log_pb2, query_pb2, roster_pb2
from cotally.v1.canonical import NotCanonical, canonical, digest
from cotally.v1.refusals import Misconfigured, Refusal, Refused

from . import lineage
from .checkpoint import check_signed, cosign_bytes
from .merkle import HASH_BYTES, leaf_hash
from .policies import check_policy
from .view import View
from .voids import check_void


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


class Follower(View):
    """A fold over the log by the rules above. Build it only from a charter whose digests were checked."""

    def __init__(self, charter: roster_pb2.Charter) -> None:
        super().__init__(charter)
        self._charter = charter
        self._genesis = canonical(genesis(charter))

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
        lists: list[query_pb2.SignedRevocation] = []
        ends: dict[bytes, str] = {}  # of rounds that these entries release or make void
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
                check_policy(self._rosters[0], policy, entry.policy)
                policy = entry.policy.policy
            elif kind == "void":
                check_void(roster, entry.void)
            elif kind == "revocation":
                self.revocations.check(self._rosters[0], entry.revocation.revocation, lists)
                lists.append(entry.revocation.revocation)
            elif kind == "grant":
                if len(entry.grant.grant) != HASH_BYTES or not entry.grant.department:
                    raise Refused(Refusal.MALFORMED, f"log entry {index} names no grant")
            elif kind != "genesis" and not getattr(entry, kind).round:
                raise Refused(Refusal.MALFORMED, f"log entry {index} names no round")
            if kind in ("release", "void") and self._ended(getattr(entry, kind).round, kind, ends) != kind:
                raise Refused(Refusal.EQUIVOCATION,
                              f"log entry {index} is the {kind} of a round that ended the other way")
        return hashes

    def _ended(self, round_: bytes, kind: str, ends: dict[bytes, str]) -> str:
        """How the round ended, in the log or in what comes before; as this *kind* says if it had not."""
        if self.is_released(round_):
            return "release"
        return "void" if self.is_void(round_) else ends.setdefault(round_, kind)

    def _fold(self, entries: Sequence[log_pb2.LogEntry], hashes: Sequence[bytes]) -> None:
        for entry, hash_ in zip(entries, hashes, strict=True):
            self._take(entry, hash_)

    # Persistence

    def dump(self) -> bytes:
        """Return the whole state as JSON; `load` reads it."""
        return json.dumps(self._dump()).encode()

    @classmethod
    def load(cls, data: bytes, charter: roster_pb2.Charter) -> "Follower":
        """Return the follower that `dump` described; Misconfigured for damage or another roster."""
        follower = cls(charter)
        try:
            follower._restore(json.loads(data))
        except (ValueError, KeyError, TypeError, AttributeError, IndexError, DecodeError) as error:
            raise Misconfigured(f"the stored view of the audit log is damaged: {error}") from error
        return follower
