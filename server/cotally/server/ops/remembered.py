"""What the audit log remembers of a department's record of what it sent: one hash for each commitment."""

import struct
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from google.protobuf.message import DecodeError

from cotally.server.audit import lineage
from cotally.server.node.sent import Entry
from cotally.v1 import log_pb2, roster_pb2
from cotally.v1.canonical import NotCanonical, digest
from cotally.v1.refusals import Misconfigured, Refusal, Refused

_BEGINNING: Final = b"cotally audit log, version 1\n"
_HEAD: Final = struct.Struct(">cQI")  # tag, number, length of the payload; a check follows it
_CHECK_BYTES: Final = 32


def remembered_of(path: Path, name: str, founding: bytes) -> dict[bytes, bytes]:
    """The last entry of what *name* had sent when it committed, by released round, as an audit file says.

    Rounds without a release are left out: key holders vouch for a roster when they decrypt. Raises
    Misconfigured for what is no audit file, Refused CREDENTIALS for one of a federation that did not begin
    with the roster *founding*; its hashes and signatures are `cotally audit`'s to check.
    """
    committed: dict[bytes, bytes] = {}
    released: set[bytes] = set()
    try:
        data = path.read_bytes()
    except OSError as error:
        raise Misconfigured(f"{path}: {(error.strerror or 'it cannot be read').lower()}") from None
    try:
        if _founding(data) != founding:
            raise Refused(Refusal.CREDENTIALS, f"{path} is of another federation")
        for entry in _entries(data):
            for ledger in entry.roster.ledgers:
                if ledger.node == name and ledger.sent:
                    committed.setdefault(entry.roster.round, ledger.sent)
            released.add(entry.release.round)
    except (ValueError, struct.error, DecodeError, NotCanonical):
        raise Misconfigured(
            f"{path}: this is no whole audit file; save one with `cotally audit save`") from None
    return {round_: hash_ for round_, hash_ in committed.items() if round_ in released}


def _founding(data: bytes) -> bytes:
    """The digest of the first roster of the federation whose audit file this is."""
    if not data.startswith(_BEGINNING):
        raise ValueError
    tag, _, length = _HEAD.unpack_from(data, len(_BEGINNING))
    start = len(_BEGINNING) + _HEAD.size
    if tag != b"C":
        raise ValueError
    return digest("roster", lineage.first(roster_pb2.Charter.FromString(data[start:start + length])))


def _entries(data: bytes) -> Iterator[log_pb2.LogEntry]:
    """The log entries in an audit file, whose form docs/audit.md tells."""
    at, tag = len(_BEGINNING), b""
    while tag != b"Z":
        tag, _, length = _HEAD.unpack_from(data, at)
        if tag == b"E":
            yield log_pb2.LogEntry.FromString(data[at + _HEAD.size:at + _HEAD.size + length])
        at += _HEAD.size + length + _CHECK_BYTES
    if at != len(data):
        raise ValueError


def check_remembered(chain: Sequence[Entry], remembered: Mapping[bytes, bytes]) -> None:
    """Refuse EQUIVOCATION a chain that lacks an entry which the log remembers."""
    known = {entry.hash for entry in chain}
    lost = [round_ for round_, hash_ in remembered.items() if hash_ not in known]
    if lost:
        raise Refused(Refusal.EQUIVOCATION,
                      f"what was sent before round {lost[0].hex()[:16]} is not all here: the record was cut "
                      f"short or written anew (so the log says of {len(lost)} of {len(remembered)} rounds)")
