"""Step 7, freeze: the signed commitments themselves are the roster that everybody reveals to."""

from collections.abc import Iterable

from cotally.server.crypto.signing import SigningKey
from cotally.server.wire.federation import Federation, Priced
from cotally.server.wire.signed import check as check_signature
from cotally.server.wire.signed import sign
from cotally.v1 import round_pb2
from cotally.v1.canonical import digest
from cotally.v1.refusals import Refusal, Refused

from .announcement import round_id
from .commitment import check_commitment


def freeze(round_: bytes, commitments: Iterable[round_pb2.Commitment],
           key: SigningKey) -> round_pb2.SignedFrozenRoster:
    """The signed roster of everybody who committed, in order of names."""
    body = round_pb2.FrozenRoster(
        round=round_, commitments=sorted(commitments, key=lambda c: c.body.node))
    return round_pb2.SignedFrozenRoster(body=body, signature=sign(key, "frozen", body))


def frozen_digest(frozen: round_pb2.SignedFrozenRoster) -> bytes:
    """The name of the roster, 32 bytes: what every reveal and the transcript refer to."""
    return digest("frozen", frozen.body)


def check_frozen(
    federation: Federation, announcement: round_pb2.SignedAnnouncement, priced: Priced,
    frozen: round_pb2.SignedFrozenRoster,
) -> None:
    """Refuse a roster that is not of this round, is too small, or holds a commitment that we would refuse."""
    check_signature(federation.coordinator(), "frozen", frozen.body, frozen.signature)
    if frozen.body.round != round_id(announcement):
        raise Refused(Refusal.OUT_OF_ORDER, "the frozen roster is of another round")
    nodes = [c.body.node for c in frozen.body.commitments]
    if nodes != sorted(set(nodes)):
        raise Refused(Refusal.MALFORMED, "the frozen roster repeats a department or is not in order")
    if len(nodes) < priced.plan.minimum:
        raise Refused(Refusal.TOO_FEW_DEPARTMENTS,
                      f"departments in the roster: {len(nodes)}; {priced.table.name} needs "
                      f"{priced.plan.minimum}")
    for commitment in frozen.body.commitments:
        check_commitment(federation, announcement, priced, commitment)
    _check_no_copies(frozen.body)


def _check_no_copies(frozen: round_pb2.FrozenRoster) -> None:
    """A copied seal cannot be opened by its thief (it covers the node's name); refuse it by name at once."""
    seen: dict[bytes, str] = {}
    for commitment in frozen.commitments:
        body = commitment.body
        if body.sealed in seen:
            raise Refused(Refusal.EQUIVOCATION, f"{body.node} copied the commitment of {seen[body.sealed]}")
        seen[body.sealed] = body.node
