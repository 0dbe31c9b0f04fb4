"""Step 3, announce: one question, one plan, named participants, a nonce and two times.

Whoever receives an announcement (a node that decides, a key holder that decrypts) checks it with the
same function; only a node, which acts now, also looks at its clock.
"""

from collections.abc import Iterable, Sequence

from cotally.server.audit.filters import Charge
from cotally.server.crypto.signing import SigningKey
from cotally.server.model.plan import Plan
from cotally.server.policy.grants import least_granted
from cotally.server.wire.federation import VERSION, Federation, Priced
from cotally.server.wire.signed import check as check_signature
from cotally.server.wire.signed import sign
from cotally.v1 import query_pb2, roster_pb2, round_pb2
from cotally.v1.canonical import digest
from cotally.v1.refusals import Refusal, Refused

GRACE_MS = 3_000        # from D to the freeze: what a commitment may take on the way
MAX_SKEW_MS = 5_000     # between a node's clock and the coordinator's
EXPIRY_ROUNDS = 6       # a round lives this many times `round_ms`
NONCE_BYTES = 16
QUERY_ID_BYTES = 16


def announce(
    federation: Federation, envelope: query_pb2.SignedEnvelope, priced: Priced,
    participants: Sequence[str], nonce: bytes, now_ms: int, key: SigningKey,
) -> round_pb2.SignedAnnouncement:
    """The coordinator's signed announcement of a round that starts at *now_ms*."""
    round_ms = federation.policy.round_ms
    body = round_pb2.Announcement(
        version=VERSION, federation=federation.name, roster=federation.roster,
        catalog=federation.catalog_digest, public_key=federation.key_digest,
        key_epoch=federation.key.epoch, envelope=envelope, vintage=priced.table.vintage,
        participants=sorted(participants), plan=priced.message, nonce=nonce, announced_ms=now_ms,
        deadline_ms=now_ms + min(round_ms, priced.plan.answer_ms + GRACE_MS),
        expires_ms=now_ms + EXPIRY_ROUNDS * round_ms,
    )
    return round_pb2.SignedAnnouncement(body=body, signature=sign(key, "announcement", body))


def charge(
    envelope: query_pb2.Envelope, plan: Plan | round_pb2.Plan, grants: Iterable[query_pb2.SignedGrant]
) -> Charge:
    """What the filters are charged for a question under this plan, as far as these grants allow."""
    granted = least_granted(grants, plan.population, envelope.purpose)
    return Charge(plan.population, envelope.analyst, envelope.purpose, plan.pico_loss, granted)


def round_id(announcement: round_pb2.SignedAnnouncement) -> bytes:
    """The name of the round: 32 bytes that fix everything announced."""
    return digest("announcement", announcement.body)


def check_envelope(federation: Federation, envelope: query_pb2.SignedEnvelope) -> None:
    """Refuse a question that its analyst did not sign for this federation's roster, or one before it.

    A succession changes the key alone: a question means and costs the same before and after.
    """
    body = envelope.body
    if body.federation != federation.name or body.roster not in federation.lineage:
        raise Refused(Refusal.NOT_ALLOWED, "the question was signed for another federation or roster")
    if len(body.query_id) != QUERY_ID_BYTES:
        raise Refused(Refusal.MALFORMED, f"the query id must have {QUERY_ID_BYTES} bytes")
    analyst = federation.member(body.analyst, roster_pb2.ROLE_ANALYST)
    check_signature(analyst, "envelope", body, envelope.signature)


def check_announcement(federation: Federation, signed: round_pb2.SignedAnnouncement) -> Priced:
    """Refuse an announcement that differs from what this party computes by itself; return its price.

    - It names this federation, roster, catalog and key, and the coordinator signed it.
    - The analyst signed the question, and it had not expired when the round was announced.
    - The participants hold the table, are in order without repeats, and are enough.
    - The plan (blocks, noise, price, packing, D) equals our own, digest for digest.
    - Vintage and times are those of catalog and policy.
    """
    body = signed.body
    if body.version != VERSION:
        raise Refused(Refusal.PROTOCOL_VERSION, f"the round speaks protocol {body.version}, not {VERSION}")
    pinned = (federation.name, federation.roster, federation.catalog_digest, federation.key_digest,
              federation.key.epoch)
    if (body.federation, body.roster, body.catalog, body.public_key, body.key_epoch) != pinned:
        raise Refused(Refusal.PLAN_MISMATCH, "the round names another federation, roster, catalog or key")
    check_signature(federation.coordinator(), "announcement", body, signed.signature)
    check_envelope(federation, body.envelope)
    if body.envelope.body.expires_ms < body.announced_ms:
        raise Refused(Refusal.EXPIRED, "the question had expired when the round was announced")
    if len(body.nonce) != NONCE_BYTES:
        raise Refused(Refusal.MALFORMED, f"the nonce must have {NONCE_BYTES} bytes")
    priced = federation.price(body.envelope.body.query)
    _check_participants(body.participants, priced)
    if digest("plan", body.plan) != digest("plan", priced.message):
        raise Refused(Refusal.PLAN_MISMATCH, "the announced plan differs from our own calculation")
    if body.vintage != priced.table.vintage:
        raise Refused(Refusal.PLAN_MISMATCH, f"the vintage {body.vintage!r} is not the catalog's")
    _check_times(federation, body, priced)
    return priced


def _check_participants(participants: Sequence[str], priced: Priced) -> None:
    if list(participants) != sorted(set(participants)) or not set(participants) <= set(priced.table.holders):
        raise Refused(Refusal.MALFORMED, "the participants are not distinct, ordered holders of the table")
    if len(participants) < priced.plan.minimum:
        raise Refused(Refusal.TOO_FEW_DEPARTMENTS,
                      f"departments that take part: {len(participants)}; {priced.table.name} needs "
                      f"{priced.plan.minimum}")


def _check_times(federation: Federation, body: round_pb2.Announcement, priced: Priced) -> None:
    freeze = body.deadline_ms - body.announced_ms
    if not priced.plan.answer_ms <= freeze <= federation.policy.round_ms:
        raise Refused(Refusal.PLAN_MISMATCH, "the deadline lies outside of what the policy allows")
    if not 0 < body.expires_ms - body.announced_ms <= EXPIRY_ROUNDS * federation.policy.round_ms:
        raise Refused(Refusal.PLAN_MISMATCH, "the round's expiry lies outside of what the policy allows")


def check_clock(body: round_pb2.Announcement, now_ms: int) -> None:
    """Refuse to start a round whose coordinator's clock is not ours, or whose question has expired."""
    late = now_ms - body.announced_ms
    if late < -MAX_SKEW_MS or late > body.deadline_ms - body.announced_ms + MAX_SKEW_MS:
        raise Refused(Refusal.CLOCK_SKEW,
                      f"the coordinator's clock and ours are {abs(late) / 1000:.0f} s apart; "
                      "set both by a time service")
    if body.envelope.body.expires_ms < now_ms:
        raise Refused(Refusal.EXPIRED, "the question has expired")


def check_alive(body: round_pb2.Announcement, now_ms: int) -> None:
    """Refuse what would open a round after its end, however long the coordinator kept it open."""
    if body.expires_ms + MAX_SKEW_MS < now_ms:
        raise Refused(Refusal.EXPIRED, "the round has expired")
