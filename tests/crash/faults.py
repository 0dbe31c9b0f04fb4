"""Counts every durable write of every role, and makes chosen ones the last, or fail.

A durable write is a commit that changed a SQLite file, an fsync, or a rename. What a killed process
leaves behind is a copy of its state folder at that very moment, write-ahead logs and drafts included;
its next start gets the copy, and nothing that the old one still does reaches disk or wire.
"""

import asyncio
import errno
import os
import shutil
import sqlite3
import sys
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import FrameType
from typing import Any, Protocol


class Kind(StrEnum):
    """What happens at a durable write."""

    KILL_BEFORE = "killed before"
    KILL_AFTER = "killed after"
    TORN = "killed in the middle"          # half of what a commit writes is in the write-ahead log
    IO_ERROR = "disk I/O error"            # nothing was written
    DISK_FULL = "database or disk is full"
    LATE_ERROR = "error after the write"   # it was written, and the caller is told that it was not


KILLS = frozenset({Kind.KILL_BEFORE, Kind.KILL_AFTER, Kind.TORN})


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens at the durable write of *role* that has this *index*, over all its starts."""

    role: str
    index: int
    kind: Kind


class Killed(BaseException):
    """The process is no more."""


class Victim(Protocol):
    """A process whose writes are counted."""

    name: str
    alive: bool
    tasks: "dict[asyncio.Task[Any], None]"
    connections: list[sqlite3.Connection]

    def next_fault(self, point: str) -> Kind | None:
        """Count one durable write, at a *point* of the program; return what is to happen at it."""

    def die(self, torn: Callable[[Path], None] = lambda _: None) -> None:
        """Copy the state folder, let *torn* spoil the copy, and raise Killed."""


RUNNING: ContextVar["Victim | None"] = ContextVar("RUNNING", default=None)


def write(what: str, really: Callable[[], None], fail: Callable[[Kind], Exception],
          undo: Callable[[], None] = lambda: None, wal: Path | None = None) -> None:
    """Do one durable write of the running process, or what its schedule says instead."""
    process = RUNNING.get()
    if process is None:
        really()
        return
    if not process.alive:
        raise Killed
    kind = process.next_fault(f"{what} by {_writer()}")
    before = wal.stat().st_size if wal and wal.exists() else 0
    if kind is Kind.KILL_BEFORE:
        process.die()
    if kind in (Kind.IO_ERROR, Kind.DISK_FULL):
        undo()
        raise fail(kind)
    really()
    if kind is Kind.KILL_AFTER:
        process.die()
    if kind is Kind.LATE_ERROR:
        raise fail(kind)
    if kind is Kind.TORN:
        process.die(lambda state: _tear(state / wal.name, before) if wal else None)


def _writer() -> str:
    """The function of ours that writes now, and the one of another module for which it does."""
    found: dict[str, str] = {}  # by module; what opens databases opens them for others
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and len(found) < 2:
        module = str(frame.f_globals.get("__name__", ""))
        if module.startswith("cotally.server.") and module != "cotally.server.store.database":
            found.setdefault(module, f"{module.removeprefix('cotally.server.')}.{frame.f_code.co_name}")
        frame = frame.f_back
    return " for ".join(found.values())


def _tear(wal: Path, before: int) -> None:
    """Cut what the last commit appended in half."""
    after = wal.stat().st_size
    if after > before:
        os.truncate(wal, (before + after) // 2)


class Connection(sqlite3.Connection):
    """A connection whose commits count."""

    def __init__(self, database: str, *args: Any, **kwargs: Any) -> None:
        super().__init__(database, *args, **kwargs)
        self._wal = Path(f"{database}-wal")
        self._changes = 0
        if (process := RUNNING.get()) is not None:
            process.connections.append(self)

    def commit(self) -> None:
        """Commit; a transaction that changed nothing is no durable write."""
        process = RUNNING.get()
        if process is not None and not process.alive:
            raise Killed
        if self.total_changes == self._changes:
            super().commit()
            return
        self._changes = self.total_changes
        name = self._wal.name.removesuffix("-wal")
        write(f"commit {name}", super().commit, _sqlite_error, super().rollback, self._wal)


def connect(database: str, **kwargs: Any) -> sqlite3.Connection:
    """`sqlite3.connect`."""
    return sqlite3.connect(database, factory=Connection, **kwargs)


def _sqlite_error(kind: Kind) -> Exception:
    return sqlite3.OperationalError(str(Kind.DISK_FULL if kind is Kind.DISK_FULL else Kind.IO_ERROR))


def _os_error(kind: Kind) -> Exception:
    return OSError(errno.ENOSPC if kind is Kind.DISK_FULL else errno.EIO, str(kind))


_fsync, _replace = os.fsync, os.replace


def fsync(descriptor: int) -> None:
    """`os.fsync`."""
    write("fsync", lambda: _fsync(descriptor), _os_error)


def replace(source: Any, target: Any) -> None:
    """`os.replace`."""
    write(f"rename to {Path(target).name}", lambda: _replace(source, target), _os_error)


def patches() -> list[tuple[str, Any]]:
    """What stands in for the operating system's writes."""
    return [("sqlite3.dbapi2.connect", connect), ("os.fsync", fsync), ("os.replace", replace)]


def copied(state: Path) -> Path:
    """A copy of the folder *state* beside it, as the next start finds it: a lock dies with its process."""
    stem, _, generation = state.name.partition("-")
    following = state.with_name(f"{stem}-{int(generation or 0) + 1}")
    shutil.copytree(state, following, ignore=shutil.ignore_patterns("*-shm", "lock"))
    return following
