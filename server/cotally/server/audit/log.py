"""The coordinator's audit log on disk: entries, their leaf hashes, and checkpoints.

Appending is one durable transaction. Leaf hashes also live in memory as a Merkle tree, read at the
start, so that roots and proofs cost O(log n) hashes. Design section 6.
"""

import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from google.protobuf.message import DecodeError
from sqlalchemy import (
    Column,
    Connection,
    Engine,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    insert,
    select,
    update,
)
from sqlalchemy.exc import DatabaseError

from cotally.server.store.database import Schema, file_of, reading
from cotally.v1 import log_pb2
from cotally.v1.refusals import Misconfigured, Refusal, Refused

from .checkpoint import parse
from .follower import entry_hash
from .merkle import HASH_BYTES, Tree

_metadata: Final = MetaData()
_entries: Final = Table(
    "audit_entry", _metadata,
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("hash", LargeBinary, nullable=False),
    Column("entry", LargeBinary, nullable=False),
)
_checkpoints: Final = Table(
    "audit_checkpoint", _metadata,
    Column("size", Integer, primary_key=True, autoincrement=False),
    Column("text", String, nullable=False),
    Column("witnessed", LargeBinary, nullable=False),
)

SCHEMA: Final = Schema("audit log", 1, _metadata)


class AuditLog:
    """The log in the database behind *engine* (opened with SCHEMA).

    Raises Misconfigured, naming the file, where what is stored contradicts itself.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._tree = Tree()
        with self._lock, reading(engine) as connection:
            self._catch_up(connection)
            texts = connection.execute(select(_checkpoints.c.text)).scalars().all()
        for text in texts:
            _, size, root = parse(text)
            if size > self.size or self._tree.root(size) != root:
                raise Misconfigured(self._damaged(f"it does not match its checkpoint at size {size}"))

    @property
    def size(self) -> int:
        """Number of entries."""
        with self._lock:
            return self._tree.size

    def append(self, entry: log_pb2.LogEntry) -> int:
        """Add one entry and return its index, once it is durable."""
        return self.append_all([entry])

    def append_all(self, entries: Sequence[log_pb2.LogEntry]) -> int:
        """Add entries, all or none, and return the index of the first, once they are durable."""
        hashes = [entry_hash(entry) for entry in entries]
        with self._lock:
            try:
                with self._engine.begin() as connection:
                    self._catch_up(connection)
                    first = self._tree.size
                    if entries:
                        connection.execute(insert(_entries), [
                            {"position": first + i, "hash": hash_, "entry": entry.SerializeToString()}
                            for i, (entry, hash_) in enumerate(zip(entries, hashes, strict=True))
                        ])
            except DatabaseError:  # of a commit that failed, only the disk knows whether it is there
                with suppress(DatabaseError), reading(self._engine) as connection:
                    self._catch_up(connection)
                raise
            for hash_ in hashes:  # not before the commit: the tree holds what is on disk
                self._tree.append(hash_)
        return first

    def entries(self, first: int, size: int) -> list[log_pb2.LogEntry]:
        """Return the entries from index *first* up to, not including, *size*."""
        if not 0 <= first <= size <= self.size:
            raise Refused(Refusal.OUT_OF_ORDER, f"the log has {self.size} entries, not {first} to {size}")
        query = select(_entries.c.hash, _entries.c.entry).where(
            _entries.c.position >= first, _entries.c.position < size
        ).order_by(_entries.c.position)
        found: list[log_pb2.LogEntry] = []
        with reading(self._engine) as connection:
            for hash_, data in connection.execute(query):
                try:
                    entry = log_pb2.LogEntry.FromString(data)
                    if entry_hash(entry) != hash_:
                        raise Refused(Refusal.MALFORMED, "its hash differs")
                except (DecodeError, Refused) as error:
                    raise Misconfigured(self._damaged(f"entry {first + len(found)}: {error}")) from error
                found.append(entry)
        return found

    def root(self, size: int | None = None) -> bytes:
        """Return the root over the first *size* entries, or over all."""
        with self._lock:
            return self._tree.root(size)

    def inclusion(self, index: int, size: int) -> log_pb2.InclusionProof:
        """Return the proof that entry *index* is in the log of *size* entries."""
        with self._lock:
            return log_pb2.InclusionProof(index=index, size=size, path=self._tree.inclusion(index, size))

    def consistency(self, first: int, second: int) -> list[bytes]:
        """Return the path that leads from the log of *first* entries to that of *second*."""
        with self._lock:
            return self._tree.consistency(first, second)

    def save_checkpoint(self, witnessed: log_pb2.WitnessedCheckpoint) -> None:
        """Store a checkpoint, or replace it by one with the same text and other cosignatures.

        Raises Refused EQUIVOCATION for a text that is not of this log: the coordinator has one root
        for each size.
        """
        text = witnessed.checkpoint.text
        _, size, root = parse(text)
        if size > self.size or self.root(size) != root:
            raise Refused(Refusal.EQUIVOCATION, f"the checkpoint at size {size} is not of this log")
        data = witnessed.SerializeToString()
        with self._engine.begin() as connection:
            is_here = _checkpoints.c.size == size
            stored = connection.execute(select(_checkpoints.c.text).where(is_here)).scalar()
            if stored is None:
                connection.execute(insert(_checkpoints).values(size=size, text=text, witnessed=data))
            elif stored == text:
                connection.execute(update(_checkpoints).where(is_here).values(witnessed=data))
            else:
                raise Refused(Refusal.EQUIVOCATION, f"another checkpoint exists at size {size}")

    def checkpoint(self, size: int | None = None) -> log_pb2.WitnessedCheckpoint | None:
        """Return the stored checkpoint at *size*, or the latest one; None where there is none."""
        query = select(_checkpoints.c.witnessed).order_by(_checkpoints.c.size.desc()).limit(1)
        if size is not None:
            query = query.where(_checkpoints.c.size == size)
        with reading(self._engine) as connection:
            data = connection.execute(query).scalar()
        return None if data is None else log_pb2.WitnessedCheckpoint.FromString(data)

    def _catch_up(self, connection: Connection) -> None:
        """Take up the leaf hashes that are stored and not yet in memory."""
        query = select(_entries.c.position, _entries.c.hash).where(
            _entries.c.position >= self._tree.size
        ).order_by(_entries.c.position)
        for position, hash_ in connection.execute(query):
            if position != self._tree.size or len(hash_) != HASH_BYTES:
                raise Misconfigured(self._damaged(f"entry {self._tree.size} is missing"))
            self._tree.append(hash_)

    def _damaged(self, why: str) -> str:
        return f"the audit log in {file_of(self._engine)} is damaged: {why}"
