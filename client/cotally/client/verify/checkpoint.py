"""Checkpoints of the audit log (C2SP tlog-checkpoint) and the quorum of witnesses that makes one count."""

import base64
import binascii
import re
from dataclasses import dataclass
from typing import Final

from cotally.v1 import log_pb2, roster_pb2
from cotally.v1.refusals import Refusal, Refused

from .signatures import Signatories

COSIGNATURE: Final = b"cotally cosignature v1\n"
_TEXT: Final = re.compile(r"cotally/(?P<origin>[^\n]+)\n(?P<size>0|[1-9][0-9]{0,18})\n(?P<root>[^\n]+)\n")


@dataclass(frozen=True, slots=True)
class Head:
    """A state of the log: how many entries it has, and the root over them."""

    size: int
    root: bytes


def parse(text: str, federation: str) -> Head:
    """Return what a checkpoint's *text* says; refuse another form or another federation's log."""
    match = _TEXT.fullmatch(text)
    if match is None or match["origin"] != federation:
        raise Refused(Refusal.MALFORMED, f"the checkpoint is not one of the log of {federation!r}")
    try:
        root = base64.b64decode(match["root"], validate=True)
    except binascii.Error:
        root = b""
    if len(root) != 32:
        raise Refused(Refusal.MALFORMED, "the checkpoint's root is not 32 bytes of base64")
    return Head(int(match["size"]), root)


def quorum(witnesses: int, hostile: int) -> int:
    """Return the least number of cosignatures above (witnesses + hostile) / 2.

    Two quorums then share more witnesses than can be hostile, so one honest witness saw both heads.

    >>> quorum(8, 2)
    6
    """
    return (witnesses + hostile) // 2 + 1


def check_witnessed(
    witnessed: log_pb2.WitnessedCheckpoint, roster: roster_pb2.Roster, members: Signatories,
) -> tuple[Head, tuple[str, ...]]:
    """Return the log's head and who witnessed it; refuse a wrong signature and too few witnesses."""
    text = witnessed.checkpoint.text
    head = parse(text, roster.federation)
    if not members.signed_raw(members.coordinator, text.encode(), witnessed.checkpoint.signature):
        raise Refused(
            Refusal.CREDENTIALS, f"the checkpoint is not signed by the coordinator {members.coordinator!r}")
    allowed = members.names(roster_pb2.ROLE_NODE, roster_pb2.ROLE_KEY_HOLDER)
    seen: set[str] = set()
    for cosignature in witnessed.cosignatures:
        name = cosignature.witness
        if name in seen or name not in allowed:
            raise Refused(Refusal.NOT_WITNESSED, f"{name!r} is no witness of this log, or cosigned it twice")
        if not members.signed_raw(name, COSIGNATURE + text.encode(), cosignature.signature):
            raise Refused(Refusal.NOT_WITNESSED, f"the cosignature of {name!r} does not verify")
        seen.add(name)
    needed = quorum(len(allowed), roster.policy.colluding + roster.policy.threshold - 1)
    if len(seen) < needed:
        raise Refused(
            Refusal.NOT_WITNESSED,
            f"{len(seen)} of {len(allowed)} witnesses cosigned the checkpoint and {needed} are needed")
    return head, tuple(sorted(seen))
