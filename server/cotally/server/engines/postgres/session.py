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

_SUPERUSER: Final = "is a superuser"
Connection = psycopg.Connection[tuple[object, ...]]

# What a role can change, one sentence each, with what an administrator would run; every line that holds
# is a reason to refuse the role.
_WRITES: Final = """
WITH own AS (SELECT *, quote_ident(rolname) AS me FROM pg_roles WHERE rolname = current_user),
reached AS (SELECT oid, nspname, quote_ident(nspname) AS named FROM pg_namespace
  WHERE nspname !~ '^pg_(toast|temp)' AND has_schema_privilege(oid, 'USAGE')),
theirs AS (SELECT * FROM reached WHERE nspname NOT IN ('pg_catalog', 'information_schema')),
kept AS (SELECT c.oid, c.relowner, c.relkind, t.named || '.' || quote_ident(c.relname) AS named
  FROM pg_class c JOIN theirs t ON t.oid = c.relnamespace)
SELECT 'is a superuser', format('ALTER ROLE %s NOSUPERUSER', me) FROM own WHERE rolsuper
UNION ALL SELECT 'may create roles', format('ALTER ROLE %s NOCREATEROLE', me) FROM own WHERE rolcreaterole
UNION ALL SELECT 'may create databases', format('ALTER ROLE %s NOCREATEDB', me) FROM own WHERE rolcreatedb
UNION ALL SELECT 'may replicate', format('ALTER ROLE %s NOREPLICATION', me) FROM own WHERE rolreplication
UNION ALL SELECT 'is a member of ' || r.rolname, format('REVOKE %I FROM %s', r.rolname, me)
  FROM pg_roles r, own WHERE (r.rolsuper
    OR r.rolname IN ('pg_write_all_data', 'pg_write_server_files', 'pg_execute_server_program'))
  AND r.rolname <> current_user AND pg_has_role(current_user, r.oid, 'MEMBER')
UNION ALL SELECT 'may create schemas in database ' || current_database(),
    format('REVOKE CREATE ON DATABASE %I FROM PUBLIC, %s', current_database(), me)
  FROM own WHERE has_database_privilege(current_database(), 'CREATE')
UNION ALL SELECT 'may create tables in schema ' || n.nspname,
    format('REVOKE CREATE ON SCHEMA %I FROM PUBLIC, %s', n.nspname, me)
  FROM pg_namespace n, own WHERE n.nspname !~ '^pg_(toast|temp)' AND has_schema_privilege(n.oid, 'CREATE')
UNION ALL SELECT 'may change ' || k.named, CASE WHEN pg_has_role(current_user, k.relowner, 'MEMBER')
    THEN format('ALTER TABLE %s OWNER TO %I', k.named, (
      SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database()))
    ELSE format('REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON %s FROM PUBLIC, %s', k.named, me) END
  FROM kept k, own WHERE k.relkind IN ('r', 'p', 'v', 'f', 'm')
  AND (pg_has_role(current_user, k.relowner, 'MEMBER')
       OR k.relkind <> 'm' AND (has_table_privilege(k.oid, 'INSERT, UPDATE, DELETE, TRUNCATE')
                                OR has_any_column_privilege(k.oid, 'INSERT, UPDATE')))
UNION ALL SELECT 'may advance ' || k.named, format('REVOKE ALL ON SEQUENCE %s FROM PUBLIC, %s', k.named, me)
  FROM kept k, own WHERE CASE WHEN k.relkind = 'S' THEN has_sequence_privilege(k.oid, 'USAGE, UPDATE') END
UNION ALL SELECT 'may run ' || p.oid::regprocedure || ' with its owner''s rights (SECURITY DEFINER)',
    format('REVOKE EXECUTE ON ROUTINE %s FROM PUBLIC, %s', p.oid::regprocedure, me)
  FROM pg_proc p JOIN theirs t ON t.oid = p.pronamespace, own
  WHERE p.prosecdef AND has_function_privilege(p.oid, 'EXECUTE')
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


def writes(connection: Connection) -> list[tuple[str, str]]:
    """What the session's role could change, at most four things, each with the SQL that takes it away."""
    return [(str(what), str(mended)) for what, mended in connection.execute(_WRITES).fetchall()]


def check_role(connection: Connection) -> None:
    """Misconfigured for a role that could write; the sentence ends with the commands that mend it."""
    found = writes(connection)
    if any(what == _SUPERUSER for what, _ in found):  # who seems to be granted all the rest
        found = [(what, command) for what, command in found if command.startswith("ALTER ROLE")]
    if found:
        said, mended = " and ".join(what for what, _ in found), "; ".join(command for _, command in found)
        raise Misconfigured(f"role {connection.info.user} {said}; give the node a role that can only read, "
                            f"or run, as administrator: {mended}")


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
