"""A vintage in PostgreSQL: a table that the database's own administrator makes, and nobody changes.

The node's role cannot write, so it cannot copy. `script` gives the SQL that makes the copy, decoded
and complete, in one transaction over one state of the source; the administrator runs it, once per
vintage, as any role that may read the source. The node's role is granted the copy and needs no right
to the source. `find` looks for the copy of a vintage and knows it again: by name (which is a digest
of vintage, columns and source), by identity (object, file node and columns: truncating, rewriting,
replacing and altering a table all change them), and by a digest of its contents where that is asked for.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from psycopg import sql

from cotally.server.engines import snapshot_names
from cotally.server.engines.postgres import decode
from cotally.server.engines.postgres.session import Connection, one
from cotally.server.engines.snapshot_names import UNIT_COLUMN, field_name, wanted
from cotally.server.engines.source import PostgresTable
from cotally.server.model.catalog import ColumnType, Table
from cotally.v1.refusals import Misconfigured

_STORED: Final = {
    ColumnType.INTEGER: "bigint",
    ColumnType.FLOAT: "double precision",
    ColumnType.CATEGORY: "text",
    ColumnType.DATE: "date",
}

_COLUMNS: Final = """
SELECT a.attname::text, CASE WHEN t.typtype = 'e' THEN 'enum'
  ELSE format_type(CASE t.typtype WHEN 'd' THEN t.typbasetype ELSE t.oid END, NULL) END
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_type t ON t.oid = a.atttypid
WHERE n.nspname = $1 AND c.relname = $2 AND a.attnum > 0 AND NOT a.attisdropped
AND c.relkind IN ('r', 'p', 'v', 'm', 'f') ORDER BY a.attnum
"""
_IDENTITY: Final = """
SELECT c.oid::text || '/' || pg_relation_filenode(c.oid)::text || '/' || (
    SELECT md5(string_agg(format('%s %s', a.attname, a.atttypid), ',' ORDER BY a.attnum))
    FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),
  c.relkind::text, c.relrowsecurity,
  has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = $1 AND c.relname = $2
"""


@dataclass(frozen=True, slots=True)
class Found:
    """A vintage's copy as it stands: its name, who it is, and what was counted when it was made."""

    name: str
    identity: str
    rows: int
    filled: tuple[int, ...]


def source_columns(connection: Connection, source: PostgresTable) -> dict[str, str]:
    """The type of each column of *source* by name; empty where there is no such relation."""
    rows = connection.execute(_COLUMNS.encode(), (source.schema, source.table)).fetchall()
    return {str(name): str(kind) for name, kind in rows}


def name_of(table: Table, source: PostgresTable) -> str:
    """The copy's name."""
    return snapshot_names.name_of(table, source.schema, source.table)


def script(connection: Connection, table: Table, source: PostgresTable, reader: str) -> list[str]:
    """The statements that make the vintage and let the role *reader* read it, in order.

    Raises Misconfigured for a source, or a column of it, that is missing or of a wrong type.
    """
    kinds = source_columns(connection, source)
    if not kinds:
        raise Misconfigured(f"database {connection.info.dbname} has no table or view {source}")
    name = name_of(table, source)
    prepared, decoded, filled = map(_own, parts(table, str(source), kinds))
    words: Mapping[str, sql.Composable] = {
        "store": sql.Identifier(source.store), "copy": sql.Identifier(source.store, name),
        "facts": sql.Identifier(source.store, f"{name}~facts"),
        "origin": sql.Identifier(source.schema, source.table), "reader": sql.Identifier(reader),
        "prepared": prepared, "decoded": decoded, "filled": filled,
        "comment": sql.Literal(f"cotally: vintage {table.vintage} of {table.name}; never to be changed"),
    }
    return [sql.SQL(statement).format(**words).as_string(connection) for statement in _SCRIPT]


_GRANTS: Final = (
    "GRANT USAGE ON SCHEMA {store} TO {reader}",
    "GRANT SELECT ON {copy}, {facts} TO {reader}",
)
_SCRIPT: Final = (
    "SET search_path = pg_catalog",
    "SET standard_conforming_strings = on",
    "SET TimeZone = 'UTC'",
    "SET DateStyle = 'ISO, YMD'",
    "SET extra_float_digits = 1",
    "BEGIN ISOLATION LEVEL REPEATABLE READ",
    "CREATE SCHEMA IF NOT EXISTS {store}",
    "CREATE TABLE {copy} AS SELECT {decoded}\n  FROM (SELECT {prepared} FROM {origin}) AS raw",
    "CREATE TABLE {facts} AS SELECT {filled}\n  FROM (SELECT {prepared} FROM {origin}) AS raw",
    "COMMENT ON TABLE {copy} IS {comment}",
    "REVOKE ALL ON {copy}, {facts} FROM PUBLIC",
    *_GRANTS,
    "COMMIT",
    "VACUUM (FREEZE, ANALYZE) {copy}",
)


def parts(table: Table, origin: str, kinds: Mapping[str, str]) -> tuple[str, str, str]:
    """What is selected of *origin*: the prepared cells, the decoded ones, how many were not empty.

    Raises Misconfigured for a column that is missing or of a wrong type; *kinds* has its type by name.
    """
    prepared, decoded, filled = [], [], ["count(*)"]
    for position, column in enumerate(wanted(table)):
        named = table.unit if column is None else column.name
        kind = kinds.get(str(named))
        if kind is None:
            raise Misconfigured(f"{origin} has no column {named}")
        cell = f"r{position}"
        try:
            value = decode.unit(cell, kind) if column is None else decode.value(column, cell, kind)
        except decode.Undecodable as expected:
            raise Misconfigured(f"{origin}: column {named} is of type {kind}, which is not {expected}"
                                ) from None
        stored = "text" if column is None else _STORED[column.type]
        collation = ' COLLATE "C"' if stored == "text" else ""
        target = UNIT_COLUMN if column is None else field_name(table.columns.index(column))
        quoted = sql.Identifier(str(named)).as_string()
        prepared.append(f"{decode.raw(quoted, kind)} AS {cell}")
        decoded.append(f"\n    CAST({value} AS {stored}){collation} AS {target}")
        filled.append(f"count({cell})")
    counts = ", ".join(f"{count} AS f{i}" for i, count in enumerate(filled))
    return ", ".join(prepared), ",".join(decoded), counts


def _own(text: str) -> sql.Composable:
    """SQL of our own making, in which every name is quoted already."""
    return sql.SQL(text.replace("{", "{{").replace("}", "}}")).format()


def find(connection: Connection, table: Table, source: PostgresTable) -> Found | None:
    """The vintage's copy, or None where nobody has made it. Misconfigured where it is no plain table."""
    name = name_of(table, source)
    row = connection.execute(_IDENTITY.encode(), (source.store, name)).fetchone()
    if row is None:
        return None
    identity, kind, secured, readable = row
    if kind != "r" or secured:
        raise Misconfigured(f"{source.store}.{name} is no plain table, so it cannot be a snapshot")
    if not readable:
        raise Misconfigured(f"role {connection.info.user} may not read {source.store}.{name}; grant it SELECT"
                            f", as administrator: {_granting(connection, source, name)}")
    facts = sql.SQL("SELECT * FROM {}").format(sql.Identifier(source.store, f"{name}~facts"))
    counted = connection.execute(facts).fetchone()
    if counted is None:
        raise Misconfigured(f"{source.store}.{name}~facts is empty; make the vintage again")
    rows, *filled = (int(str(value)) for value in counted)
    return Found(name, str(identity), rows, tuple(filled))


def _granting(connection: Connection, source: PostgresTable, name: str) -> str:
    words = {"store": sql.Identifier(source.store), "copy": sql.Identifier(source.store, name),
             "facts": sql.Identifier(source.store, f"{name}~facts"),
             "reader": sql.Identifier(connection.info.user)}
    return "; ".join(sql.SQL(each).format(**words).as_string(connection) for each in _GRANTS)


def contents(connection: Connection, source: PostgresTable, found: Found) -> str:
    """A digest of the copy's rows in any order: their number, and the sum of their hashes."""
    relation = sql.Identifier(source.store, found.name).as_string(connection)
    hashes = "coalesce(sum(hashtextextended(t::text, 0)::numeric), 0)"
    return str(one(connection,
                   f"SELECT count(*)::text || '/' || {hashes}::text FROM ONLY {relation} AS t"))  # noqa: S608
