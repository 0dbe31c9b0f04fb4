"""Keeps a follower's view across restarts: a snapshot, and the entries that were folded since.

A witness that forgets what it cosigned could cosign a second root for the same size, so the new
entries are durable before the bytes to sign are handed out.
"""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import (
    Column,
    Connection,
    Engine,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    delete,
    insert,
    select,
    update,
)

from cotally.server.store.database import Schema, file_of, reading
from cotally.v1 import log_pb2, roster_pb2
from cotally.v1.refusals import Misconfigured

from .follower import Follower

SNAPSHOT_EVERY: Final = 1024  # entries: bounds what a start refolds, and how often all is written

_metadata: Final = MetaData()
_snapshots: Final = Table(
    "follower_snapshot", _metadata,
    Column("size", Integer, primary_key=True, autoincrement=False),
    Column("state", LargeBinary, nullable=False),
)
_tail: Final = Table(
    "follower_tail", _metadata,
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("entry", LargeBinary, nullable=False),
)
_head: Final = Table(
    "follower_head", _metadata,
    Column("id", Integer, primary_key=True),
    Column("size", Integer, nullable=False),
    Column("root", LargeBinary, nullable=False),
)

SCHEMA: Final = Schema("follower", 1, _metadata)


class FollowerStore:
    """Stores one follower in the database behind *engine* (opened with SCHEMA)."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def load(self, charter: roster_pb2.Charter) -> Follower:
        """Return the stored follower, or a new one; Misconfigured for damage or another roster."""
        with reading(self._engine) as connection:
            state = connection.execute(select(_snapshots.c.state)).scalar()
            entries = connection.execute(select(_tail.c.entry).order_by(_tail.c.position)).scalars().all()
            head = connection.execute(select(_head.c.size, _head.c.root)).one_or_none()
        follower = Follower(charter) if state is None else Follower.load(state, charter)
        try:
            follower.fold([log_pb2.LogEntry.FromString(entry) for entry in entries])
        except Exception as error:  # whatever damage does to parsing or folding
            raise Misconfigured(self._damaged(str(error))) from error
        if head is not None and (head.size, head.root) != (follower.size, follower.root_at(follower.size)):
            raise Misconfigured(self._damaged("it does not add up to its root"))
        return follower

    def extend(
        self, follower: Follower, first: int, entries: Sequence[log_pb2.LogEntry],
        checkpoint: log_pb2.Checkpoint,
    ) -> bytes:
        """Fold the entries (as `Follower.extend`), store them, then return the bytes that a witness signs."""
        to_sign = follower.extend(first, entries, checkpoint)
        with self._engine.begin() as connection:
            stored = connection.execute(select(_head.c.size)).scalar() or 0
            snapshot = connection.execute(select(_snapshots.c.size)).scalar() or 0
            if stored != first or follower.size - snapshot >= SNAPSHOT_EVERY:
                _write_snapshot(connection, follower)
            elif entries:
                connection.execute(insert(_tail), [
                    {"position": position, "entry": entry.SerializeToString()}
                    for position, entry in enumerate(entries, start=first)
                ])
                _write_head(connection, follower)
        return to_sign

    def save(self, follower: Follower) -> None:
        """Store the whole follower."""
        with self._engine.begin() as connection:
            _write_snapshot(connection, follower)

    def _damaged(self, why: str) -> str:
        return f"the view of the audit log in {file_of(self._engine)} is damaged: {why}"


def _write_snapshot(connection: Connection, follower: Follower) -> None:
    connection.execute(delete(_snapshots))
    connection.execute(delete(_tail))
    connection.execute(insert(_snapshots).values(size=follower.size, state=follower.dump()))
    _write_head(connection, follower)


def _write_head(connection: Connection, follower: Follower) -> None:
    values = {"size": follower.size, "root": follower.root_at(follower.size)}
    if not connection.execute(update(_head).values(values)).rowcount:
        connection.execute(insert(_head).values(id=1, **values))
