"""Step 6, commit: what a node says in clear, and the hash that binds what it will reveal."""

from collections.abc import Sequence

from cotally.server.crypto.signing import SigningKey
from cotally.server.policy.grants import check_grant
from cotally.server.wire.federation import VERSION, Federation, Priced
from cotally.server.wire.signed import check as check_signature
from cotally.server.wire.signed import sign
from cotally.v1 import query_pb2, roster_pb2, round_pb2
from cotally.v1.canonical import digest
from cotally.v1.refusals import Refusal, Refused

from .announcement import round_id

SALT_BYTES = 32


def clear_fields(
    federation: Federation, announcement: round_pb2.SignedAnnouncement, node: str,
    links: Sequence[round_pb2.LedgerEntry], grant: query_pb2.SignedGrant, sent: bytes = b"",
) -> round_pb2.CommitmentBody:
    """The commitment of *node* before anything is sealed into it.

    *sent* is the hash of the last entry of its record of what it sent.
    """
    plan = announcement.body.plan
    return round_pb2.CommitmentBody(
        version=VERSION, federation=federation.name, roster=federation.roster,
        catalog=federation.catalog_digest, public_key=federation.key_digest,
        round=round_id(announcement), node=node, plan=digest("plan", plan),
        ciphertexts=plan.packing.ciphertexts, links=links, grant=grant, sent=sent)


def proof_context(clear: round_pb2.CommitmentBody) -> bytes:
    """What the proof of plaintext knowledge is bound to: the clear fields, 32 bytes."""
    return digest("clear", _unsealed(clear))


def seal(clear: round_pb2.CommitmentBody, salt: bytes, ciphertexts: bytes,
         proof: round_pb2.PlaintextProof) -> bytes:
    """The hash that a commitment carries over its clear fields and its secret part."""
    return digest("sealed", round_pb2.Sealed(
        clear=_unsealed(clear), salt=salt, ciphertexts=ciphertexts, proof=proof))


def commit(clear: round_pb2.CommitmentBody, sealed: bytes, key: SigningKey) -> round_pb2.Commitment:
    """The signed commitment."""
    body = _unsealed(clear)
    body.sealed = sealed
    return round_pb2.Commitment(body=body, signature=sign(key, "commitment", body))


def check_commitment(
    federation: Federation, announcement: round_pb2.SignedAnnouncement, priced: Priced,
    commitment: round_pb2.Commitment,
) -> None:
    """Refuse a commitment that its node did not sign, or whose clear fields are not this round's.

    - A participant of the round signed it, under its roster key.
    - Version, federation, roster, catalog, key, round, plan and number of ciphertexts are ours.
    - The last ledger link reserves exactly this round at exactly this price.
    - It carries the department's grant, valid for this analyst, purpose and query.
    """
    body = commitment.body
    if body.node not in announcement.body.participants:
        raise Refused(Refusal.NOT_ALLOWED, f"{body.node!r} does not take part in this round")
    member = federation.member(body.node, roster_pb2.ROLE_NODE)
    check_signature(member, "commitment", body, commitment.signature)
    expected = clear_fields(federation, announcement, body.node, body.links, body.grant, body.sent)
    if digest("clear", expected) != proof_context(body):
        raise Refused(Refusal.PLAN_MISMATCH, f"the commitment of {body.node} is not for this round and plan")
    if len(body.sealed) != len(body.round):
        raise Refused(Refusal.MALFORMED, f"the commitment of {body.node} seals nothing")
    if len(body.sent) not in (0, len(body.round)):
        raise Refused(Refusal.MALFORMED, f"the commitment of {body.node} names no entry of what it sent")
    _check_reservation(body, priced)
    envelope = announcement.body.envelope.body
    check_grant(body.grant, member, federation.name, federation.founding, envelope,
                announcement.body.announced_ms)


def _check_reservation(body: round_pb2.CommitmentBody, priced: Priced) -> None:
    last = body.links[-1] if body.links else round_pb2.LedgerEntry()
    reserved = (last.node, last.kind, last.population, last.round, last.pico_loss)
    if reserved != (body.node, round_pb2.LEDGER_KIND_RESERVE, priced.plan.population, body.round,
                    priced.plan.pico_loss):
        raise Refused(Refusal.PLAN_MISMATCH, f"the ledger of {body.node} does not reserve this round")


def _unsealed(body: round_pb2.CommitmentBody) -> round_pb2.CommitmentBody:
    clear = round_pb2.CommitmentBody()
    clear.CopyFrom(body)
    clear.sealed = b""
    return clear
