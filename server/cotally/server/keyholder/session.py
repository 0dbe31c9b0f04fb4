"""A key holder's side of a round: believe nobody, check everything again, decrypt once.

Before the key share is used, all of this holds; each point is refused by its own name:

- The log that we folded has put no other charter in force than the one that we work under.
- Announcement, analyst's signature and plan (price, noise, h, minimum) equal our own calculation.
- Every commitment is signed, of this round and plan, with its department's grant; there are enough.
- Every member signed a reveal to the same roster, and opens its commitment with a valid proof.
- The ledger links of every member continue the chain that the log remembers, and reserve this round.
- The log holds our own recomputation of the roster leaf: this very roster, those very links, so that no
  fork can hide between two rounds, and each member's grant.
- The log shows the grant of every member, and holds no list, ahead of the transcript, that takes one back.
- The product that we decrypt is the one that we multiplied from exactly that roster's parts.
- The log holds our own recomputation of the transcript leaf at the stated index, and the fold over
  the whole log admits it: it is the round's first leaf and every filter could pay.
- The log is the one that we folded, under a checkpoint with its quorum of cosignatures.
- The round was not declared dead, nor sworn void by us, and neither it nor its query id was decrypted before.
"""

from dataclasses import dataclass

from cotally.server.audit.checkpoint import check_witnessed
from cotally.server.audit.follower import Follower
from cotally.server.audit.voids import state_void
from cotally.server.crypto.keys import KeyShare
from cotally.server.crypto.signing import SigningKey
from cotally.server.protocol.announcement import check_announcement, round_id
from cotally.server.protocol.decryption import decrypt_part
from cotally.server.protocol.frozen import check_frozen
from cotally.server.protocol.reveal import check_reveal, combine, roster_leaf, transcript, transcript_leaf
from cotally.server.wire.federation import Federation, Priced
from cotally.v1 import log_pb2, roster_pb2, round_pb2, work_pb2
from cotally.v1.canonical import digest
from cotally.v1.refusals import Refusal, Refused

from .decryptions import Decryptions


@dataclass(frozen=True, slots=True)
class Examined:
    """A round that passed every check but the memory of former decryptions."""

    transcript: round_pb2.Transcript
    products: bytes
    ciphertexts: int
    query_id: bytes


class KeyHolderSession:
    """The rules above, over one share, one memory and one view of the log."""

    def __init__(self, federation: Federation, name: str, key: SigningKey, share: KeyShare,
                 decryptions: Decryptions, follower: Follower) -> None:
        member = federation.member(name, roster_pb2.ROLE_KEY_HOLDER)
        if member.share != share.index:
            raise Refused(Refusal.CREDENTIALS,
                          f"the share has index {share.index}; the roster gives {name} {member.share}")
        self.federation = federation
        self.name = name
        self.follower = follower
        self._key = key
        self._share = share
        self._decryptions = decryptions

    def under(self, federation: Federation, share: KeyShare) -> "KeyHolderSession":
        """This session under a successor and its share: what it remembers and its log go on."""
        return KeyHolderSession(federation, self.name, self._key, share, self._decryptions, self.follower)

    def sign(self, data: bytes) -> bytes:
        """Our signature under what the follower allowed us to cosign."""
        return self._key.sign(data)

    def examine(self, evidence: work_pb2.Evidence) -> Examined:
        """Check a round again from its parts; nothing is written."""
        priced = check_announcement(self.federation, evidence.announcement)
        self.follower.check_in_force(self.federation.roster)
        check_frozen(self.federation, evidence.announcement, priced, evidence.frozen)
        self._check_ledgers(evidence.frozen.body, priced)
        self._check_logged_roster(evidence.frozen)
        products = self._recompute(evidence, priced.plan.packing.ciphertexts)
        made = transcript(evidence.frozen, evidence.reveals, products)
        leaf = transcript_leaf(evidence.announcement.body, evidence.frozen, made)
        self._check_log(evidence, leaf)
        self._check_grants(evidence)
        return Examined(made, products, priced.plan.packing.ciphertexts,
                        evidence.announcement.body.envelope.body.query_id)

    def _check_ledgers(self, frozen: round_pb2.FrozenRoster, priced: Priced) -> None:
        for commitment in frozen.commitments:
            body = commitment.body
            self.follower.check_links(body.node, body.links, body.round, priced.plan.population,
                                      priced.plan.pico_loss)

    def _recompute(self, evidence: work_pb2.Evidence, count: int) -> bytes:
        members = [c.body.node for c in evidence.frozen.body.commitments]
        if [r.body.node for r in evidence.reveals] != members:
            raise Refused(Refusal.WITHHELD, "the reveals are not exactly those of the frozen roster")
        for opened in evidence.reveals:
            check_reveal(self.federation, evidence.frozen, opened)
        return combine(self.federation, evidence.reveals, count)

    def _check_logged_roster(self, frozen: round_pb2.SignedFrozenRoster) -> None:
        if self.follower.roster_hash(frozen.body.round) != digest("leaf", roster_leaf(frozen)):
            raise Refused(Refusal.NOT_WITNESSED,
                          "the log does not hold this frozen roster with its ledger links and grants")

    def _check_log(self, evidence: work_pb2.Evidence, leaf: log_pb2.TranscriptLeaf) -> None:
        round_ = round_id(evidence.announcement)
        size, root = check_witnessed(self.federation.charter, evidence.checkpoint)
        if self.follower.root_at(size) != root:
            raise Refused(Refusal.EQUIVOCATION, "the witnessed checkpoint is not of the log that we folded")
        index = self.follower.transcript_index(round_)
        if index is None or index >= size or index != evidence.index:
            raise Refused(Refusal.NOT_WITNESSED, "the witnessed log does not hold this round's transcript")
        if self.follower.transcript_hash(round_) != digest("leaf", leaf):
            raise Refused(Refusal.EQUIVOCATION, "the log's transcript differs from our own recomputation")
        if self.follower.is_dead(round_):
            raise Refused(Refusal.OUT_OF_ORDER, "the log declares this round dead")
        if not self.follower.admits(round_):
            raise Refused(Refusal.BUDGET_SPENT, "the federation's filters do not admit this round")

    def _check_grants(self, evidence: work_pb2.Evidence) -> None:
        purpose = evidence.announcement.body.envelope.body.purpose
        for commitment in evidence.frozen.body.commitments:
            grant = commitment.body.grant.body
            self.follower.check_grant_shown(grant, evidence.index)
            self.follower.revocations.check_standing(grant, purpose, evidence.index)

    def decrypt(self, examined: Examined) -> round_pb2.Partial:
        """Record the round, then use the key share; the same transcript again gets the same bytes."""
        made = examined.transcript
        before = self._decryptions.record(made.round, examined.query_id, digest("transcript", made))
        if before is not None:
            return before
        partial = decrypt_part(self.federation, made, examined.products, examined.ciphertexts,
                               self.name, self._share, self._key)
        self._decryptions.store(made.round, partial)
        return partial

    def void(self, round_: bytes) -> round_pb2.VoidStatement:
        """Swear that a round that the log declares dead stays closed: mark it, durably, then sign."""
        if not self.follower.is_dead(round_):
            raise Refused(Refusal.NOT_WITNESSED, "the log that we folded does not declare this round dead")
        self._decryptions.void(round_)
        return state_void(self.federation.name, round_, self.name, self._key)
