"""The coordinator's side of one round: collect, freeze once, combine, collect again, release.

Rules, each refused by name:

- Commitments are taken until the freeze, one per participant; a repeat must be the same.
- The roster freezes once: when every participant has committed, or at the deadline with the minimum.
- Reveals are taken only for that roster, and only if they open their commitment with a valid proof.
- The product is made from exactly the roster's parts; one missing part means no release, ever.
- Partial decryptions are taken only for that transcript, with a valid proof; any t release.

No socket, no clock: times are arguments. The coordinator is trusted for none of this; key holders
and analysts check it again.
"""

from collections.abc import Mapping

from cotally.server.crypto.signing import SigningKey
from cotally.server.protocol import decryption
from cotally.server.protocol.announcement import check_announcement, round_id
from cotally.server.protocol.commitment import check_commitment
from cotally.server.protocol.frozen import freeze
from cotally.server.protocol.reveal import check_reveal, combine, transcript, transcript_leaf
from cotally.server.wire.federation import Federation
from cotally.server.wire.signed import sign
from cotally.v1 import log_pb2, round_pb2
from cotally.v1.canonical import digest
from cotally.v1.refusals import Refusal, Refused


class Round:
    """One round and everything that was collected for it so far."""

    def __init__(self, federation: Federation, announcement: round_pb2.SignedAnnouncement) -> None:
        self.federation = federation
        self.announcement = announcement
        self.priced = check_announcement(federation, announcement)
        self.id = round_id(announcement)
        self.commitments: dict[str, round_pb2.Commitment] = {}
        self.declined: dict[str, Refused] = {}
        self.frozen: round_pb2.SignedFrozenRoster | None = None
        self.reveals: dict[str, round_pb2.Reveal] = {}
        self.transcript: round_pb2.Transcript | None = None
        self.products = b""
        self.partials: dict[str, round_pb2.Partial] = {}

    @property
    def participants(self) -> list[str]:
        """Departments that were asked."""
        return list(self.announcement.body.participants)

    @property
    def members(self) -> list[str]:
        """Departments in the frozen roster."""
        return [c.body.node for c in self.frozen.body.commitments] if self.frozen else []

    # Step 6

    def commit(self, commitment: round_pb2.Commitment) -> None:
        """Take one department's commitment; the same one again changes nothing."""
        node = commitment.body.node
        known = self.commitments.get(node)
        if known is not None:
            if known != commitment:
                raise Refused(Refusal.EQUIVOCATION, f"{node} committed twice and differently")
            return
        if self.frozen is not None:
            raise Refused(Refusal.OUT_OF_ORDER, "the roster is frozen; the commitment came too late")
        check_commitment(self.federation, self.announcement, self.priced, commitment)
        self.commitments[node] = commitment
        self.declined.pop(node, None)  # or who declines first would be counted twice

    def decline(self, node: str, refused: Refused) -> None:
        """Note that *node* will not commit."""
        if node in self.announcement.body.participants and node not in self.commitments:
            self.declined[node] = refused

    @property
    def everybody_answered(self) -> bool:
        """True when no commitment is awaited any more."""
        return len(self.commitments) + len(self.declined) == len(self.participants)

    # Step 7

    def freeze(self, now_ms: int, key: SigningKey) -> round_pb2.SignedFrozenRoster:
        """Freeze the roster; refuse while commitments are awaited, or with too few."""
        if self.frozen is not None:
            return self.frozen
        if not self.everybody_answered and now_ms < self.announcement.body.deadline_ms:
            raise Refused(Refusal.OUT_OF_ORDER, "commitments are still awaited")
        if len(self.commitments) < self.priced.plan.minimum:
            raise self._too_few()
        self.frozen = freeze(self.id, self.commitments.values(), key)
        return self.frozen

    def _too_few(self) -> Refused:
        silent = sorted(set(self.participants) - set(self.commitments) - set(self.declined))
        codes = {why.refusal for why in self.declined.values()}
        one = len(codes) == 1 and not silent and Refusal.OUT_OF_ORDER not in codes  # which is: not ready by D
        refusal = codes.pop() if one else Refusal.TOO_FEW_DEPARTMENTS
        reasons = _alike(self.declined)
        if silent:
            reasons.append(f"no answer in time from {', '.join(silent)}")
        return Refused(refusal, f"departments that committed: {len(self.commitments)}; needed: "
                                f"{self.priced.plan.minimum}: {'; '.join(reasons)}")

    def reveal(self, opened: round_pb2.Reveal) -> None:
        """Take one department's reveal; the same one again changes nothing."""
        if self.frozen is None:
            raise Refused(Refusal.OUT_OF_ORDER, "nothing is frozen yet")
        node = opened.body.node
        if node in self.reveals:
            if self.reveals[node] != opened:
                raise Refused(Refusal.EQUIVOCATION, f"{node} revealed twice and differently")
            return
        check_reveal(self.federation, self.frozen, opened)
        self.reveals[node] = opened

    @property
    def withheld(self) -> list[str]:
        """Departments that committed and have not revealed."""
        return [node for node in self.members if node not in self.reveals]

    # Step 8

    def combine(self) -> log_pb2.TranscriptLeaf:
        """Multiply the roster's parts and return the leaf to log."""
        if self.frozen is None or self.withheld:
            raise Refused(Refusal.OUT_OF_ORDER, "not every department of the roster has revealed")
        if self.transcript is None:
            self.products = combine(self.federation, self.reveals.values(),
                                    self.priced.plan.packing.ciphertexts)
            self.transcript = transcript(self.frozen, list(self.reveals.values()), self.products)
        return transcript_leaf(self.announcement.body, self.frozen, self.transcript)

    # Steps 9 and 10

    def partial(self, partial: round_pb2.Partial) -> None:
        """Take one key holder's partial decryption, once its proof verifies."""
        if self.transcript is None:
            raise Refused(Refusal.OUT_OF_ORDER, "nothing was combined yet")
        if partial.body.key_holder not in self.partials:
            decryption.check_partial(self.federation, self.transcript, self.products,
                                     self.priced.plan.packing.ciphertexts, partial)
            self.partials[partial.body.key_holder] = partial

    @property
    def decrypted(self) -> bool:
        """True when t partial decryptions are there."""
        return len(self.partials) >= self.federation.policy.threshold

    def release(self, now_ms: int, key: SigningKey) -> round_pb2.Release:
        """Open the noised totals and sign them."""
        if self.transcript is None or not self.decrypted:
            raise Refused(Refusal.OUT_OF_ORDER, "too few partial decryptions")
        chosen = list(self.partials.values())[: self.federation.policy.threshold]
        totals = decryption.open_totals(self.federation, self.priced.plan, len(self.members), chosen)
        body = round_pb2.ReleaseBody(
            round=self.id, transcript=digest("transcript", self.transcript), totals=totals,
            departments=self.members, released_ms=now_ms,
            missing=sorted(set(self.priced.table.holders) - set(self.members)))
        return round_pb2.Release(body=body, signature=sign(key, "release", body))

    def forget(self) -> None:
        """Drop the departments' ciphertexts: they are not needed after the release."""
        self.reveals.clear()


def _alike(declined: Mapping[str, Refused]) -> list[str]:
    """One sentence for each kind of refusal: its first, and who else refused so."""
    found = []
    for code in sorted({why.refusal for why in declined.values()}):
        first, *others = sorted(name for name, why in declined.items() if why.refusal is code)
        also = f" (and likewise {', '.join(others)})" if others else ""
        found.append(declined[first].message + also)
    return found
