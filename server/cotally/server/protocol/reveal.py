"""Steps 7 and 8, reveal and combine: opened commitments, proofs of knowledge, and their product."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from cotally.server.crypto import aggregation, ciphertexts, plaintext_proof
from cotally.server.crypto.signing import SigningKey
from cotally.server.policy.grants import least_granted
from cotally.server.wire import proofs
from cotally.server.wire.federation import Federation
from cotally.server.wire.signed import check as check_signature
from cotally.server.wire.signed import sign
from cotally.v1 import log_pb2, roster_pb2, round_pb2
from cotally.v1.canonical import digest
from cotally.v1.refusals import Refusal, Refused

from .commitment import SALT_BYTES, proof_context, seal
from .frozen import frozen_digest


def reveal(
    frozen: round_pb2.SignedFrozenRoster, node: str, salt: bytes, data: bytes,
    proof: round_pb2.PlaintextProof, key: SigningKey,
) -> round_pb2.Reveal:
    """The signed reveal of *node* to exactly this roster; *data* are its ciphertexts as bytes."""
    body = round_pb2.RevealBody(round=frozen.body.round, node=node, frozen=frozen_digest(frozen),
                                salt=salt, ciphertexts=data, proof=proof)
    return round_pb2.Reveal(body=body, signature=sign(key, "reveal", body))


def check_reveal(federation: Federation, frozen: round_pb2.SignedFrozenRoster,
                 opened: round_pb2.Reveal) -> None:
    """Refuse a reveal that does not open its node's commitment.

    - The node is in the roster, and signed a reveal to this very roster.
    - Salt, ciphertexts and proof hash to what it committed.
    - The ciphertexts are as many as planned and in range; the proof of plaintext knowledge verifies
      against the committed clear fields.
    """
    body = opened.body
    commitment = next((c for c in frozen.body.commitments if c.body.node == body.node), None)
    if commitment is None:
        raise Refused(Refusal.NOT_ALLOWED, f"{body.node!r} is not in the frozen roster")
    check_signature(federation.member(body.node, roster_pb2.ROLE_NODE), "reveal", body, opened.signature)
    if body.round != frozen.body.round or body.frozen != frozen_digest(frozen):
        raise Refused(Refusal.EQUIVOCATION, f"{body.node} revealed to another roster")
    clear = commitment.body
    if len(body.salt) != SALT_BYTES or seal(clear, body.salt, body.ciphertexts, body.proof) != clear.sealed:
        raise Refused(Refusal.BAD_PROOF, f"what {body.node} revealed is not what it committed")
    data = body.ciphertexts
    try:
        ciphertexts.check(data, clear.ciphertexts, federation.key)
        plaintext_proof.verify(federation.key, proof_context(clear), data, proofs.plaintext_proof(body.proof))
    except Refused as refused:
        raise Refused(refused.refusal, f"{body.node}: {refused.message}") from None


def combine(federation: Federation, reveals: Iterable[round_pb2.Reveal], count: int) -> bytes:
    """The product of the *count* ciphertexts of every reveal; plaintexts add. Reads one reveal at a time."""
    return aggregation.multiply(_Parts(reveals), count, federation.key)


@dataclass(frozen=True, slots=True)
class _Parts:
    """Names and ciphertexts of reveals, as often as asked."""

    reveals: Iterable[round_pb2.Reveal]

    def __iter__(self) -> Iterator[tuple[str, bytes]]:
        return ((r.body.node, r.body.ciphertexts) for r in self.reveals)


def transcript(frozen: round_pb2.SignedFrozenRoster, reveals: Sequence[round_pb2.Reveal],
               products: bytes) -> round_pb2.Transcript:
    """The hashes that fix what was combined: roster, reveals in order of names, product."""
    revealed = sorted(reveals, key=lambda r: r.body.node)
    return round_pb2.Transcript(
        round=frozen.body.round, frozen=frozen_digest(frozen),
        reveals=[round_pb2.NodeReveal(node=r.body.node, reveal=digest("reveal", r.body))
                 for r in revealed],
        product=hashlib.sha256(products).digest())


def transcript_leaf(announcement: round_pb2.Announcement, frozen: round_pb2.SignedFrozenRoster,
                    made: round_pb2.Transcript) -> log_pb2.TranscriptLeaf:
    """The log entry that the filters fold over: who asked, of which population, at what price.

    And the least that the members' grants, signed and in the roster, allow this analyst and purpose.
    """
    envelope, population = announcement.envelope.body, announcement.plan.population
    granted = least_granted((c.body.grant for c in frozen.body.commitments), population, envelope.purpose)
    return log_pb2.TranscriptLeaf(
        round=made.round, population=population, pico_loss=announcement.plan.pico_loss,
        analyst=envelope.analyst, purpose=envelope.purpose, transcript=digest("transcript", made),
        granted_pico_loss=granted, announced_ms=announcement.announced_ms)


def roster_leaf(frozen: round_pb2.SignedFrozenRoster) -> log_pb2.RosterLeaf:
    """The log entry of a frozen roster: everybody's ledger links, grant, and last entry of what it sent."""
    return log_pb2.RosterLeaf(
        round=frozen.body.round, frozen=frozen_digest(frozen),
        ledgers=[log_pb2.NodeLinks(
            node=c.body.node, links=c.body.links, grant=digest("grant", c.body.grant.body), sent=c.body.sent)
            for c in frozen.body.commitments])
