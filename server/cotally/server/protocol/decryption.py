"""Steps 9 and 10: signed partial decryptions, their proofs, and what t of them open."""

import hashlib
from collections.abc import Sequence

from cotally.server.crypto import ciphertexts, equality_proof, packing, threshold
from cotally.server.crypto.keys import KeyShare
from cotally.server.crypto.signing import SigningKey
from cotally.server.model.plan import Plan
from cotally.server.wire import proofs
from cotally.server.wire.federation import Federation
from cotally.server.wire.signed import check as check_signature
from cotally.server.wire.signed import sign
from cotally.v1 import roster_pb2, round_pb2
from cotally.v1.canonical import digest
from cotally.v1.refusals import Refusal, Refused


def decrypt_part(
    federation: Federation, made: round_pb2.Transcript, products: bytes, count: int,
    name: str, share: KeyShare, key: SigningKey,
) -> round_pb2.Partial:
    """The signed partial decryption of *products* by key holder *name*, with its proof."""
    ciphertexts.check(products, count, federation.key)
    prover = equality_proof.Prover(federation.key, share, products)
    body = round_pb2.PartialBody(
        round=made.round, key_holder=name, share=share.index, transcript=digest("transcript", made),
        product=made.product, partials=prover.partials)
    body.proof.CopyFrom(proofs.equality_message(prover.prove(digest("partial", body))))
    return round_pb2.Partial(body=body, signature=sign(key, "partial", body))


def check_partial(
    federation: Federation, made: round_pb2.Transcript, products: bytes, count: int,
    partial: round_pb2.Partial,
) -> None:
    """Refuse a partial decryption that is not signed, not of this product, or not proved."""
    body = partial.body
    member = federation.member(body.key_holder, roster_pb2.ROLE_KEY_HOLDER)
    check_signature(member, "partial", body, partial.signature)
    if body.share != member.share:
        raise Refused(Refusal.BAD_PROOF, f"{body.key_holder} used a share that is not its own")
    ours = (made.round, digest("transcript", made), hashlib.sha256(products).digest())
    if (body.round, body.transcript, body.product) != ours:
        raise Refused(Refusal.EQUIVOCATION, f"{body.key_holder} decrypted another transcript")
    bare = round_pb2.PartialBody()
    bare.CopyFrom(body)
    bare.ClearField("proof")
    try:
        ciphertexts.check(body.partials, count, federation.key)
        equality_proof.verify(federation.key, body.share, digest("partial", bare), products, body.partials,
                              proofs.equality_proof(body.proof))
    except Refused as refused:
        raise Refused(refused.refusal, f"{body.key_holder}: {refused.message}") from None


def open_totals(federation: Federation, plan: Plan, departments: int,
                partials: Sequence[round_pb2.Partial]) -> list[int]:
    """The noised totals, one per coordinate, that any t checked partials open."""
    plaintexts = threshold.combine(federation.key, {p.body.share: p.body.partials for p in partials})
    totals: list[int] = packing.unpack(plaintexts, plan.packing, departments).tolist()
    return totals
