"""How a release was opened: transcript, partial decryptions, totals, and its place in the audit log."""

import hashlib
from collections.abc import Iterable

from gmpy2 import mpz

from cotally.v1 import log_pb2, roster_pb2, round_pb2
from cotally.v1.canonical import digest
from cotally.v1.refusals import Refusal, Refused

from .announced import Federation
from .checkpoint import Head, check_witnessed
from .log import entry_hash
from .merkle import verify_inclusion
from .opening import check_equality, combine, side_by_side
from .slots import unpack


def check_transcript(
    transcript: round_pb2.Transcript, frozen: round_pb2.FrozenRoster, products: bytes,
) -> None:
    """Refuse a transcript of another round, roster or product, or that lacks a department's reveal."""
    if transcript.round != frozen.round or transcript.frozen != digest("frozen", frozen):
        raise Refused(Refusal.EQUIVOCATION, "the transcript is of another frozen roster")
    committed = [commitment.body.node for commitment in frozen.commitments]
    if [reveal.node for reveal in transcript.reveals] != committed:
        raise Refused(Refusal.EQUIVOCATION, "the transcript's reveals are not those of the frozen roster")
    if any(len(reveal.reveal) != 32 for reveal in transcript.reveals):
        raise Refused(Refusal.MALFORMED, "the transcript holds a reveal's hash of a wrong length")
    if hashlib.sha256(products).digest() != transcript.product:
        raise Refused(Refusal.EQUIVOCATION, "the products in the bundle are not the transcript's")


def open_totals(
    federation: Federation, plan: round_pb2.Plan, departments: int, transcript: round_pb2.Transcript,
    products: bytes, partials: Iterable[round_pb2.Partial],
) -> tuple[list[int], tuple[str, ...]]:
    """Return totals, one per coordinate, and the key holders whose partial decryptions opened them.

    Every partial in the bundle has to be its key holder's own, for this transcript and product, with a
    proof that verifies, and t distinct key holders are needed.
    """
    named = digest("transcript", transcript)
    claims: dict[int, round_pb2.PartialBody] = {}
    for partial in partials:
        body = partial.body
        federation.members.check(
            body.key_holder, roster_pb2.ROLE_KEY_HOLDER, "partial", body, partial.signature)
        if (body.round, body.transcript, body.product) != (transcript.round, named, transcript.product):
            raise Refused(Refusal.EQUIVOCATION, f"{body.key_holder!r} decrypted another transcript")
        share = federation.members.member(body.key_holder, roster_pb2.ROLE_KEY_HOLDER).share
        if body.share != share or not 1 <= share <= federation.key.key_holders:
            raise Refused(Refusal.BAD_PROOF, f"{body.key_holder!r} used a share that is not its own")
        if share in claims:
            raise Refused(Refusal.MALFORMED, f"{body.key_holder!r} is counted twice")
        claims[share] = body

    def check(share: int) -> tuple[mpz, ...]:
        body = claims[share]
        return check_equality(federation.key, share, _bound_to(body), products, body.partials,
                              plan.packing.ciphertexts, body.proof, body.key_holder)

    opened = dict(zip(claims, side_by_side(check, claims), strict=True))
    needed = federation.key.threshold
    if len(opened) < needed:
        raise Refused(
            Refusal.TOO_FEW_KEY_HOLDERS,
            f"{len(opened)} key holders opened the release and {needed} are needed")
    chosen = {share: opened[share] for share in sorted(opened)[:needed]}
    plaintexts = combine(federation.key, chosen)
    holders = tuple(sorted(body.key_holder for body in claims.values()))
    return unpack(plaintexts, plan.packing, departments), holders


def _bound_to(body: round_pb2.PartialBody) -> bytes:
    """Return what a partial decryption's proof is bound to: everything in it but the proof itself."""
    bare = round_pb2.PartialBody()
    bare.CopyFrom(body)
    bare.ClearField("proof")
    return digest("partial", bare)


def check_release(
    federation: Federation, release: round_pb2.Release, transcript: round_pb2.Transcript,
    departments: tuple[str, ...], missing: tuple[str, ...], totals: list[int],
) -> None:
    """Refuse a release that the coordinator did not sign, or that states anything but what was opened."""
    body = release.body
    federation.members.check(
        federation.members.coordinator, roster_pb2.ROLE_COORDINATOR, "release", body, release.signature)
    if (body.round, body.transcript) != (transcript.round, digest("transcript", transcript)):
        raise Refused(Refusal.EQUIVOCATION, "the release is of another round or transcript")
    if (tuple(body.departments), tuple(body.missing)) != (departments, missing):
        raise Refused(Refusal.EQUIVOCATION, "the release names other departments than the frozen roster")
    if list(body.totals) != totals:
        raise Refused(Refusal.BAD_PROOF, "the released totals are not what the key holders opened")


def _granted(frozen: round_pb2.FrozenRoster, population: str, purpose: str) -> int:
    """Return the least that a member's grant allows for the purpose; 0 where none sets a limit."""
    grants = (commitment.body.grant.body for commitment in frozen.commitments)
    return min((budget.pico_loss for grant in grants for budget in grant.budgets
                if (budget.population, budget.purpose) == (population, purpose)), default=0)


def check_logged(
    federation: Federation, announcement: round_pb2.Announcement, bundle: log_pb2.Bundle,
) -> tuple[Head, tuple[str, ...]]:
    """Return the log's witnessed head and its witnesses; refuse a round that the log does not hold."""
    envelope, plan, transcript = announcement.envelope.body, announcement.plan, bundle.transcript
    due = log_pb2.TranscriptLeaf(
        round=transcript.round, population=plan.population, pico_loss=plan.pico_loss,
        analyst=envelope.analyst, purpose=envelope.purpose, transcript=digest("transcript", transcript),
        granted_pico_loss=_granted(bundle.frozen.body, plan.population, envelope.purpose),
        announced_ms=bundle.announcement.body.announced_ms)
    if digest("leaf", bundle.leaf) != digest("leaf", due):
        raise Refused(Refusal.EQUIVOCATION, "the log's leaf states another round, price, analyst or purpose")
    head, witnesses = check_witnessed(bundle.checkpoint, federation.roster, federation.members)
    inclusion = bundle.inclusion
    leaf = entry_hash(log_pb2.LogEntry(transcript=bundle.leaf))
    if inclusion.size != head.size or not verify_inclusion(
            leaf, inclusion.index, inclusion.size, inclusion.path, head.root):
        raise Refused(Refusal.BAD_PROOF, "the round's leaf is not in the witnessed log")
    return head, witnesses
