"""What has left the building: one durable, hash-chained entry for each message, written before it goes.

An entry holds what kind of message it was, its round, its size and its digest, never its content. Its
hash covers these, its time and the hash of the entry before: whoever noted one hash can tell later
whether anything up to there was changed, left out, cut off or put in. Every commitment names the last hash at
its time, and the audit log keeps it. A message that repeats the one before it,
byte for byte, is not written again: a delivery tried anew, or a dial that nobody answered.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa

from cotally.server.store.database import Schema, reading
from cotally.v1.refusals import Refusal, Refused

_PREFIX: Final = b"cotally/v1/sent\0"
_metadata = sa.MetaData()
_sent = sa.Table(
    "sent", _metadata,
    sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("at_ms", sa.Integer, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("round", sa.LargeBinary, nullable=False),
    sa.Column("size", sa.Integer, nullable=False),
    sa.Column("digest", sa.LargeBinary, nullable=False),
    sa.Column("hash", sa.LargeBinary, nullable=False),
)
SCHEMA = Schema("sent", 1, _metadata)


@dataclass(frozen=True, slots=True)
class Entry:
    """One message that left. `round` is empty where it belongs to none; sizes are in bytes."""

    position: int
    at_ms: int  # Unix milliseconds
    kind: str
    round: bytes
    size: int
    digest: bytes
    hash: bytes


class Sent:
    """The chain in the database behind *engine* (opened with SCHEMA)."""

    def __init__(self, engine: sa.Engine, now_ms: Callable[[], int]) -> None:
        self._engine = engine
        self._now_ms = now_ms

    def note(self, kind: str, round_: bytes, size: int, digest: bytes) -> None:
        """Write one entry; it is durable when this returns."""
        with self._engine.begin() as db:
            last = db.execute(sa.select(_sent).order_by(_sent.c.position.desc()).limit(1)).one_or_none()
            if last is not None and (last.kind, last.round, last.size, last.digest) == (
                    kind, round_, size, digest):
                return
            position, before = (0, b"") if last is None else (last.position + 1, last.hash)
            now = self._now_ms()
            db.execute(_sent.insert().values(
                position=position, at_ms=now, kind=kind, round=round_, size=size, digest=digest,
                hash=_hash(before, position, now, kind, round_, size, digest)))

    def head(self) -> bytes:
        """Return the hash of the last entry; empty before the first."""
        with reading(self._engine) as db:
            return db.execute(
                sa.select(_sent.c.hash).order_by(_sent.c.position.desc()).limit(1)).scalar() or b""

    def entries(self) -> Iterator[Entry]:
        """Yield every entry; Refused EQUIVOCATION, naming its index, at one that breaks the chain."""
        before = b""
        with reading(self._engine) as db:
            for at, row in enumerate(db.execute(sa.select(_sent).order_by(_sent.c.position))):
                entry = Entry(*row)
                due = _hash(before, at, entry.at_ms, entry.kind, entry.round, entry.size, entry.digest)
                if (entry.position, entry.hash) != (at, due):
                    raise Refused(Refusal.EQUIVOCATION,
                                  f"entry {at} of what was sent does not continue the chain: it, or one "
                                  "before it, was changed or is missing")
                yield entry
                before = entry.hash


def _hash(before: bytes, position: int, at_ms: int, kind: str, round_: bytes, size: int,
          digest: bytes) -> bytes:
    parts = (before, kind.encode(), round_, digest)
    numbers = b"".join(number.to_bytes(8, "big") for number in (position, at_ms, size))
    return hashlib.sha256(_PREFIX + numbers + b"".join(
        len(part).to_bytes(8, "big") + part for part in parts)).digest()
