"""Checkpoints: one line each for log, size and root, signed by the coordinator, cosigned by witnesses.

The text follows C2SP tlog-checkpoint; the signatures are detached. Witnesses are the nodes and key
holders of the roster. A checkpoint counts with a quorum of cosignatures: of w witnesses, f >= c + t - 1
may be hostile, and two quorums must share an honest one, who never cosigns two roots of one size.
"""

import base64
import binascii
from typing import Final

from cotally.server.crypto import signing
from cotally.v1 import log_pb2, roster_pb2
from cotally.v1.refusals import Refusal, Refused

from .merkle import HASH_BYTES

WITNESSES: Final = (roster_pb2.ROLE_NODE, roster_pb2.ROLE_KEY_HOLDER)
_ORIGIN: Final = "cotally/"
_COSIGNATURE: Final = b"cotally cosignature v1\n"


def text(federation: str, size: int, root: bytes) -> str:
    r"""Return the checkpoint's text, which the coordinator signs as UTF-8.

    >>> text("pums", 3, bytes(32))
    'cotally/pums\n3\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n'
    """
    if not federation or not federation.isprintable():
        raise Refused(Refusal.MALFORMED, "a federation's name in a checkpoint is one printable line")
    if size < 0 or len(root) != HASH_BYTES:
        raise Refused(Refusal.MALFORMED, "a checkpoint has a size of 0 or more and a root of 32 bytes")
    return f"{_ORIGIN}{federation}\n{size}\n{base64.b64encode(root).decode()}\n"


def parse(checkpoint: str) -> tuple[str, int, bytes]:
    """Return (federation, size, root) of a checkpoint's text; refuse any other spelling of them."""
    lines = checkpoint.split("\n")
    try:
        origin, size, root, end = lines
        parsed = origin.removeprefix(_ORIGIN), int(size), base64.b64decode(root, validate=True)
    except (ValueError, binascii.Error):
        raise Refused(Refusal.MALFORMED, "a checkpoint has three lines: log, size, root") from None
    if end or text(*parsed) != checkpoint:
        raise Refused(Refusal.MALFORMED, "a checkpoint is not spelled canonically")
    return parsed


def cosign_bytes(checkpoint: str) -> bytes:
    """Return what a witness signs to say that it folded the log up to this checkpoint."""
    return _COSIGNATURE + checkpoint.encode()


def quorum(witnesses: int, hostile: int) -> int:
    """Return the smallest number of cosignatures greater than (witnesses + hostile) / 2.

    >>> quorum(5, 1), quorum(6, 2), quorum(8, 2)
    (4, 5, 6)
    """
    return (witnesses + hostile) // 2 + 1


def check_signed(charter: roster_pb2.Charter, checkpoint: log_pb2.Checkpoint) -> tuple[int, bytes]:
    """Return (size, root) of a checkpoint of this federation that its coordinator signed.

    Raises Refused: MALFORMED, CREDENTIALS (signature), EQUIVOCATION (another federation's log).
    """
    federation, size, root = parse(checkpoint.text)
    coordinators = [m for m in charter.roster.members if m.role == roster_pb2.ROLE_COORDINATOR]
    if len(coordinators) != 1:
        raise Refused(Refusal.CREDENTIALS, "the roster does not name exactly one coordinator")
    if not signing.verify(coordinators[0].signing_key, checkpoint.text.encode(), checkpoint.signature):
        raise Refused(Refusal.CREDENTIALS, "the checkpoint is not signed by the roster's coordinator")
    if federation != charter.roster.federation:
        raise Refused(
            Refusal.EQUIVOCATION,
            f"the checkpoint belongs to federation {federation}, not {charter.roster.federation}",
        )
    return size, root


def check_witnessed(
    charter: roster_pb2.Charter, witnessed: log_pb2.WitnessedCheckpoint
) -> tuple[int, bytes]:
    """Return (size, root) of a checkpoint that the coordinator and a quorum of witnesses signed.

    Strangers and cosignatures that do not verify count for nothing; a witness counts once. Raises
    Refused NOT_WITNESSED below the quorum, and whatever `check_signed` raises.
    """
    size, root = check_signed(charter, witnessed.checkpoint)
    keys = {m.name: m.signing_key for m in charter.roster.members if m.role in WITNESSES}
    data = cosign_bytes(witnessed.checkpoint.text)
    valid = {
        c.witness for c in witnessed.cosignatures
        if c.witness in keys and signing.verify(keys[c.witness], data, c.signature)
    }
    policy = charter.roster.policy
    needed = quorum(len(keys), policy.colluding + policy.threshold - 1)
    if len(valid) < needed:
        raise Refused(
            Refusal.NOT_WITNESSED,
            f"the checkpoint at size {size} has {len(valid)} valid cosignatures of {needed} needed",
        )
    return size, root
