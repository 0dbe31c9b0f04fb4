"""Opens a process's SQLite file: write-ahead log, full sync, owner-only, versioned schemas.

Every transaction begins with BEGIN IMMEDIATE, so that what it reads still holds when it writes,
also against other processes. `reading(engine)` gives one that does not block writers. A commit
returns after the operating system says that the bytes are on disk (synchronous=FULL).
"""

import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from sqlalchemy import (
    URL,
    Column,
    Connection,
    Engine,
    Integer,
    MetaData,
    String,
    Table,
    create_engine,
    event,
    insert,
    inspect,
    select,
    update,
)
from sqlalchemy.exc import DatabaseError

from cotally.v1.refusals import Misconfigured

BUSY_MS: Final = 60_000  # how long a transaction waits for another one's lock
_READING: Final = "cotally_reading"
_POLL_S: Final = 0.01


@dataclass(frozen=True, slots=True)
class Schema:
    """The tables of one part of a process; several parts may share one file.

    `migrations[v]` turns version v into v + 1 inside the opening transaction; there is one for each
    version from 1 to `version` - 1.
    """

    name: str
    version: int
    metadata: MetaData
    migrations: Mapping[int, Callable[[Connection], None]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.version < 1 or set(self.migrations) != set(range(1, self.version)):
            raise ValueError(f"schema {self.name} lacks a migration to version {self.version}")


_versions: Final = Table(
    "schema_version", MetaData(),
    Column("name", String, primary_key=True),
    Column("version", Integer, nullable=False),
)


def open_database(path: Path, schema: Schema, *others: Schema) -> Engine:
    """Return an engine on the database at *path* with every schema at its current version.

    A missing file is created with mode 0600, in a folder of mode 0700 if that is missing too; a
    file that others can read is tightened. Older schemas are migrated, all in one transaction.
    Raises Misconfigured, naming the file, where it is newer than this program, is no database, is
    damaged, belongs to something else or cannot be opened.
    """
    engine = _engine(path)
    try:
        _create_private(path)
        _prepare(path, engine, (schema, *others))
    except OSError as error:
        engine.dispose()
        raise Misconfigured(f"{path} cannot be opened: {error.strerror}") from error
    except (DatabaseError, sqlite3.DatabaseError) as error:
        engine.dispose()
        reason = error.orig if isinstance(error, DatabaseError) else error
        raise Misconfigured(f"{path} cannot be used as a database: {reason}") from error
    except Misconfigured:
        engine.dispose()
        raise
    return engine


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """Yield a connection that sees one consistent state and blocks no writer."""
    with engine.execution_options(**{_READING: True}).begin() as connection:
        yield connection


def file_of(engine: Engine) -> str:
    """Return the path of *engine*'s file, for messages to the operator."""
    return engine.url.database or "the database"


def _engine(path: Path) -> Engine:
    # An URL object: a path may hold characters that mean something in a URL string.
    engine = create_engine(URL.create("sqlite", database=str(path)), connect_args={"timeout": BUSY_MS / 1000})
    event.listen(engine, "connect", _on_connect)
    event.listen(engine, "begin", _on_begin)
    return engine


def _on_connect(connection: sqlite3.Connection, _record: Any) -> None:
    # SQLAlchemy's recipe: the driver must not begin transactions by itself (it would defer them).
    connection.isolation_level = None
    for pragma in (f"busy_timeout={BUSY_MS}", "foreign_keys=ON", "synchronous=FULL"):
        connection.execute(f"PRAGMA {pragma}")


def _on_begin(connection: Connection) -> None:
    is_reading = connection.get_execution_options().get(_READING, False)
    connection.exec_driver_sql("BEGIN" if is_reading else "BEGIN IMMEDIATE")


def _create_private(path: Path) -> None:
    """Make sure that *path* exists and is its owner's alone; SQLite gives -wal and -shm the same mode."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        if path.is_file() and path.stat().st_mode & 0o077:
            path.chmod(0o600)
        return
    os.close(descriptor)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # or a crash could forget the file after its first commit
    finally:
        os.close(folder)


def _prepare(path: Path, engine: Engine, schemas: tuple[Schema, ...]) -> None:
    _switch_to_wal(engine)
    with engine.begin() as connection:
        verdict = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar_one()
        if verdict != "ok":
            raise Misconfigured(f"{path} is a damaged database: {verdict}")
        tables = inspect(connection).get_table_names()
        if tables and _versions.name not in tables:
            raise Misconfigured(f"{path} is a database of something else: it has no table schema_version")
        _versions.create(connection, checkfirst=True)
        for schema in schemas:
            _bring_up(path, connection, schema)


def _switch_to_wal(engine: Engine) -> None:
    """Change the file's journal mode, which SQLite does not wait for when another process does the same."""
    give_up = time.monotonic() + BUSY_MS / 1000
    while True:
        connection = engine.raw_connection()
        try:
            connection.cursor().execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > give_up:
                raise
        finally:
            connection.close()
        time.sleep(_POLL_S)


def _bring_up(path: Path, connection: Connection, schema: Schema) -> None:
    """Create or migrate one schema, or refuse one that a newer program wrote."""
    is_this = _versions.c.name == schema.name
    found = connection.execute(select(_versions.c.version).where(is_this)).scalar()
    if found is None:
        schema.metadata.create_all(connection)
        connection.execute(insert(_versions).values(name=schema.name, version=schema.version))
        return
    if found > schema.version:
        raise Misconfigured(
            f"{path} holds version {found} of {schema.name}, but this program supports versions up to "
            f"{schema.version}: use the newer program, or another state folder"
        )
    for version in range(found, schema.version):
        schema.migrations[version](connection)
    connection.execute(update(_versions).where(is_this).values(version=schema.version))
