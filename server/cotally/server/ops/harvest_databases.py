"""What a database, PostgreSQL or Spark, says of the tables that its user can read."""

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from cotally.server.engines.engine import EngineError
from cotally.server.engines.source import PostgresTable, SparkTable, absolute, parse
from cotally.v1.refusals import Misconfigured, Refusal, Refused

from .harvest_files import type_of
from .relation import MAX_CODES, Relation, identifier, seen

_POSTGRES: Final = {
    "integer": ("smallint", "integer", "bigint"),
    "float": ("real", "double precision", "numeric"),
    "date": ("date", "timestamp without time zone", "timestamp with time zone"),
    "": ("bytea", "json", "jsonb", "xml", "interval", "point"),
}
_SPARK: Final = {
    "integer": ("tinyint", "smallint", "int", "bigint"),
    "float": ("float", "double"),
    "date": ("date", "timestamp", "timestamp_ntz"),
    "category": ("string", "boolean"),
}
_TABLES: Final = """
SELECT n.nspname::text, c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
AND n.nspname !~ '^pg_' AND n.nspname <> $1 AND has_schema_privilege(n.oid, 'USAGE')
AND has_table_privilege(c.oid, 'SELECT') ORDER BY 1, 2
"""


def of_database(url: str) -> list[Relation]:
    """The tables at an address: all that PostgreSQL's role can read, or the one that the address names.

    Raises Refused (UNREACHABLE) where nobody answers, Misconfigured for an address that cannot be.
    """
    try:
        if url.startswith(("postgresql://", "postgres://")):
            return list(_of_postgres(url, _chosen(url)))
        source = parse(url, Path())
        assert isinstance(source, SparkTable)
        return [_of_spark(absolute(url, Path().absolute()), source)]
    except ValueError as reason:
        raise Misconfigured(f"the address {reason}") from None
    except EngineError as reason:
        raise Refused(Refusal.UNREACHABLE, str(reason)) from None
    except ModuleNotFoundError as missing:
        package = (missing.name or "").partition(".")[0]
        extra = {"psycopg": "postgres", "pyspark": "spark"}.get(package, "node")
        raise Misconfigured(f"this needs the package {package}; pip install 'cotally[{extra}]'") from None


def _chosen(url: str) -> PostgresTable | None:
    """The one table that a PostgreSQL address names, if it does; ValueError for a password in it."""
    named = "table=" in url.partition("?")[2]
    source = parse(url if named else _with_table(url, "any"), Path())
    assert isinstance(source, PostgresTable)
    return source if named else None


def _with_table(url: str, table: str) -> str:
    return f"{url}{'&' if '?' in url else '?'}table={table}"


def _of_postgres(url: str, only: PostgresTable | None) -> Iterator[Relation]:
    from psycopg import sql

    from cotally.server.engines.postgres import session, snapshot
    bare = only.url if only else url
    with session.connect(bare) as connection, session.transaction(connection, 0):
        session.check_server(connection)
        taken: list[str] = []
        named = connection.execute(_TABLES.encode(), ("cotally",)).fetchall()
        for schema, name in ((str(a), str(b)) for a, b in named):
            if only and (schema, name) != (only.schema, only.table):
                continue
            kinds = snapshot.source_columns(connection, PostgresTable(bare, schema, name))
            relation = sql.Identifier(schema, name)
            columns = []
            rows = int(str(session.one(
                connection, sql.SQL("SELECT count(*) FROM {}").format(relation).as_string(connection))))
            for column, kind in kinds.items():
                place = sql.Identifier(column)
                counting = sql.SQL("SELECT count({0}), count(DISTINCT {0}::text) FROM {1}")
                counted = connection.execute(counting.format(place, relation)).fetchone()
                filled, distinct = (int(str(x)) for x in counted or (0, 0))
                codes: tuple[str, ...] = ()
                if _kind(kind) == "category" and distinct <= MAX_CODES:
                    codes = tuple(str(row[0]) for row in connection.execute(sql.SQL(
                        "SELECT DISTINCT {0}::text COLLATE \"C\" FROM {1} WHERE {0} IS NOT NULL ORDER BY 1"
                    ).format(place, relation)).fetchall())
                columns.append(seen(column, _kind(kind), rows, filled, distinct, codes))
            taken.append(identifier(name, taken))
            yield Relation(taken[-1], _with_table(bare, f"{schema}.{name}"), rows, tuple(columns))


def _kind(kind: str) -> str:
    """The catalog's type for PostgreSQL's: what is not known is text, such as an enum or varchar(9)."""
    if kind.endswith("[]"):
        return ""
    bare = re.sub(r"\([0-9, ]+\)", "", kind)
    return type_of(bare, _POSTGRES) if any(bare in kinds for kinds in _POSTGRES.values()) else "category"


def _of_spark(url: str, source: SparkTable) -> Relation:
    from pyspark.errors import PySparkException

    from cotally.server.engines.spark import session as sessions
    if source.path and (Path(source.path) / "_delta_log").is_dir():
        raise Misconfigured(f"{source.path}: this is a Delta table, more than its Parquet files; name it "
                            "by a Spark that knows Delta, with table=")
    with tempfile.TemporaryDirectory() as scratch:
        try:
            session = sessions.connect(source.url, Path(scratch))
            frame = session.read.parquet(source.path) if source.path else session.table(source.table)
            places = [f"`{name.replace('`', '``')}`" for name in frame.columns]
            counting = [f"{count}({p})" for p in places for count in ("count", "approx_count_distinct")]
            (rows, *numbers), = frame.selectExpr("count(*)", *counting).collect()
            columns = []
            for i, (name, kind) in enumerate(frame.dtypes):
                filled, distinct = numbers[2 * i : 2 * i + 2]
                type_, codes = type_of(kind, _SPARK), []
                if type_ == "category" and distinct <= 2 * MAX_CODES:
                    listed = frame.selectExpr(f"CAST({places[i]} AS STRING) AS code").where("code <> ''")
                    codes = [row[0] for row in listed.distinct().limit(MAX_CODES + 1).collect()]
                columns.append(seen(name, type_, rows, filled, distinct, codes))
        except PySparkException as error:
            raise Misconfigured(f"Spark does not read {source} ({sessions.kind(error)})") from None
    name = identifier(Path(source.path).stem if source.path else source.table.rpartition(".")[2])
    return Relation(name, url, rows, tuple(columns))
