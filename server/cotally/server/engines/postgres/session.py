"""Opens a session that can only read, on a server that keeps what it promises, or says why not.

Every session is READ ONLY and REPEATABLE READ, resolves names in `pg_catalog` alone, compares text
bytewise where it is the snapshot's, and lets go of what it waits for. A role that could write is
refused: then no mistake of ours, and no query that somebody smuggles past us, can change a record.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import psycopg
from psycopg import sql

from cotally.server.engines.engine import EngineError
from cotally.v1.refusals import Misconfigured

OLDEST: Final = 140000
_PATIENCE: Final = 5  # seconds until a connection stands
_SETTINGS: Final = {
    "default_transaction_read_only": "on",
    "default_transaction_isolation": "repeatable read",
    "search_path": "pg_catalog",
    "lock_timeout": "2s",
    "idle_in_transaction_session_timeout": "60s",
    "TimeZone": "UTC",
    "DateStyle": "ISO, YMD",
    "extra_float_digits": "1",
    "application_name": "cotally",
}

Connection = psycopg.Connection[tuple[object, ...]]

# What a role can change, one sentence each; every line that holds is a reason to refuse it.
_WRITES: Final = """
SELECT 'is a superuser' FROM pg_roles WHERE rolname = current_user AND rolsuper
UNION ALL SELECT 'may create roles' FROM pg_roles WHERE rolname = current_user AND rolcreaterole
UNION ALL SELECT 'may create databases' FROM pg_roles WHERE rolname = current_user AND rolcreatedb
UNION ALL SELECT 'may replicate' FROM pg_roles WHERE rolname = current_user AND rolreplication
UNION ALL SELECT 'is a member of ' || rolname FROM pg_roles
  WHERE (rolsuper OR rolname IN ('pg_write_all_data', 'pg_write_server_files', 'pg_execute_server_program'))
  AND rolname <> current_user AND pg_has_role(current_user, oid, 'MEMBER')
UNION ALL SELECT 'may create schemas in database ' || current_database()
  WHERE has_database_privilege(current_database(), 'CREATE')
UNION ALL SELECT 'may create tables in schema ' || nspname FROM pg_namespace
  WHERE nspname !~ '^pg_(toast|temp)' AND has_schema_privilege(oid, 'CREATE')
UNION ALL SELECT 'may change ' || n.nspname || '.' || c.relname
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'p', 'v', 'f', 'm') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
  AND n.nspname !~ '^pg_(toast|temp)' AND has_schema_privilege(n.oid, 'USAGE')
  AND (pg_has_role(current_user, c.relowner, 'MEMBER')
       OR c.relkind <> 'm' AND (has_table_privilege(c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE')
                                OR has_any_column_privilege(c.oid, 'INSERT, UPDATE')))
LIMIT 4
"""


def connect(url: str) -> Connection:
    """A connection with `_SETTINGS`, autocommit. EngineError, which quotes nothing, where none comes."""
    try:
        connection = psycopg.connect(url, connect_timeout=_PATIENCE, autocommit=True,
                                     cursor_factory=psycopg.RawCursor, prepare_threshold=None)
    except psycopg.ProgrammingError:
        raise Misconfigured("the address is none that PostgreSQL's library can read") from None
    except psycopg.Error as error:
        raise EngineError(f"PostgreSQL at {place(url)} does not take the connection{_why(error)}") from None
    try:
        for name, value in _SETTINGS.items():
            connection.execute(sql.SQL("SET {} = {}").format(sql.Identifier(name), sql.Literal(value)))
    except psycopg.Error as error:
        connection.close()
        raise EngineError(f"PostgreSQL stopped with {type(error).__name__}") from None
    return connection


class Standing:
    """At most one idle connection per address. Whoever borrows one has it alone."""

    def __init__(self) -> None:
        self._idle: dict[str, Connection] = {}

    @contextmanager
    def lend(self, url: str) -> Iterator[Connection]:
        """A connection that answers; it is kept for the next borrower unless something went wrong."""
        connection = self._idle.pop(url, None)
        if connection is None or not _answers(connection):
            connection = connect(url)
        try:
            yield connection
        except BaseException:
            connection.close()
            raise
        if (spare := self._idle.pop(url, None)) is not None:
            spare.close()
        self._idle[url] = connection

    def close(self) -> None:
        """Let go of what is idle."""
        while self._idle:
            self._idle.popitem()[1].close()


def _answers(connection: Connection) -> bool:
    try:
        connection.execute("SELECT 1")
    except psycopg.Error:
        connection.close()
        return False
    return True


def check_server(connection: Connection) -> None:
    """Misconfigured for a server that is too old, or whose text is not UTF-8."""
    if connection.info.server_version < OLDEST:
        raise Misconfigured(f"PostgreSQL is of version {connection.info.server_version // 10000}; "
                            f"{OLDEST // 10000} or newer is needed")
    encoding = str(one(connection, "SHOW server_encoding"))
    if encoding != "UTF8":
        raise Misconfigured(f"database {connection.info.dbname} is encoded in {encoding}; "
                            "its text can be compared with other departments' only in UTF8")


def writes(connection: Connection) -> list[str]:
    """What the session's role could change: at most four things."""
    return [str(row[0]) for row in connection.execute(_WRITES).fetchall()]


def check_role(connection: Connection) -> None:
    """Misconfigured for a role that could write."""
    if found := writes(connection):
        raise Misconfigured(f"role {connection.info.user} {' and '.join(found)}; give the node a role that "
                            "can only read")


@contextmanager
def transaction(connection: Connection, milliseconds: int) -> Iterator[Connection]:
    """One snapshot of the database, in which a statement lasts at most so long (0: as long as it takes).

    Raises EngineError, which names the kind of error alone: PostgreSQL's messages quote values.
    """
    try:
        with connection.transaction():
            connection.execute(f"SET LOCAL statement_timeout = {int(milliseconds)}")
            yield connection
    except psycopg.Error as error:
        raise EngineError(f"PostgreSQL stopped with {type(error).__name__}") from None


def limit(connection: Connection, seconds: float) -> None:
    """Let the transaction's next statement take *seconds* at most, and at least a millisecond."""
    connection.execute(f"SET LOCAL statement_timeout = {max(1, int(1000 * seconds))}")


def one(connection: Connection, statement: str, *parameters: object) -> object:
    """The first value of the first row of an own *statement*; None where there is no row."""
    row = connection.execute(statement.encode(), parameters).fetchone()
    return row[0] if row else None


def place(url: str) -> str:
    """Host and database of *url*, for a message."""
    info = psycopg.conninfo.conninfo_to_dict(url)
    return f"{info.get('host', 'the local socket')}/{info.get('dbname', info.get('user', ''))}"


def _why(error: psycopg.Error) -> str:
    """What a person can mend; the library's own text may name hosts, never records: none was read yet."""
    first = str(error).strip().splitlines()
    return f": {first[-1].strip()}" if first else ""
