"""What a folder, a file or a database says of its own tables: names, types, and short lists of values."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cotally.server.engines.source import PostgresTable, is_url
from cotally.v1.refusals import Misconfigured

MAX_CODES: Final = 40  # more distinct values are hardly a code list
_FILES: Final = (".csv", ".parquet", ".pq")
_DUCKDB: Final = {
    "integer": ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER",
                "UBIGINT"),
    "float": ("FLOAT", "DOUBLE"),
    "date": ("DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE", "TIMESTAMP_NS", "TIMESTAMP_MS"),
}
_POSTGRES: Final = {
    "integer": ("smallint", "integer", "bigint"),
    "float": ("real", "double precision", "numeric"),
    "date": ("date", "timestamp without time zone", "timestamp with time zone"),
}
_TABLES: Final = """
SELECT n.nspname::text, c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
AND n.nspname !~ '^pg_' AND n.nspname <> $1 AND has_schema_privilege(n.oid, 'USAGE')
AND has_table_privilege(c.oid, 'SELECT') ORDER BY 1, 2
"""


@dataclass(frozen=True, slots=True)
class Seen:
    """A column: `codes` are its values where they are few texts, and may not be public at all."""

    name: str
    type: str  # integer, float, date or category
    nullable: bool
    distinct: int
    codes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Relation:
    """A table that could be held, and how a config names it."""

    name: str
    address: str
    rows: int
    columns: tuple[Seen, ...]


def relations(source: str, base: Path) -> list[Relation]:
    """Every table of *source*: a file, a folder of files, or a database's address.

    Addresses of files are relative to *base*, where the description will lie.
    """
    found = list(_of_database(source) if is_url(source) else _of_files(Path(source), base))
    if not found:
        raise Misconfigured(f"{source}: there is no table in it that this user can read")
    return found


def _of_files(path: Path, base: Path) -> Iterator[Relation]:
    if not path.exists():
        raise Misconfigured(f"{path}: there is no such file or folder")
    files = [path] if path.is_file() else sorted(p for p in path.iterdir() if p.suffix.lower() in _FILES)
    for file in files:
        yield _of_file(file.absolute(), Path(os.path.relpath(file, base)))


def _of_file(file: Path, shown: Path) -> Relation:
    import tempfile

    import duckdb

    from cotally.server.engines.duckdb.lockdown import escaped, locked
    reader = "read_csv($file)" if file.suffix.lower() == ".csv" else "read_parquet($file)"
    binding = {"file": escaped(file)}
    try:
        with (tempfile.TemporaryDirectory() as spill,
              locked([file], Path(spill) / "spill", 512) as connection):
            described = connection.execute(f"DESCRIBE FROM {reader}", binding).fetchall()
            places = [f'"{name.replace(chr(34), chr(34) * 2)}"' for name, *_ in described]
            counts = ", ".join(f"count({p}), approx_count_distinct({p})" for p in places)
            statement = f"SELECT count(*), {counts} FROM {reader}"  # noqa: S608
            rows, *numbers = connection.execute(statement, binding).fetchone() or ()
            columns = []
            for i, (name, kind, *_) in enumerate(described):
                codes: tuple[str, ...] = ()
                if _type(kind, _DUCKDB) == "category" and numbers[2 * i + 1] <= 2 * MAX_CODES:
                    listed = connection.execute(
                        f"SELECT DISTINCT CAST({places[i]} AS VARCHAR) AS code FROM {reader}"  # noqa: S608
                        f" WHERE {places[i]} IS NOT NULL ORDER BY code LIMIT {MAX_CODES + 1}",
                        binding).fetchall()
                    codes = tuple(row[0] for row in listed)
                columns.append(_seen(name, _type(kind, _DUCKDB), rows, numbers[2 * i], numbers[2 * i + 1],
                                     codes))
    except duckdb.Error as error:
        raise Misconfigured(f"{shown}: it cannot be read ({type(error).__name__})") from None
    return Relation(_identifier(file.stem), str(shown), rows, tuple(columns))


def _of_database(url: str) -> Iterator[Relation]:
    if not url.startswith(("postgresql://", "postgres://")):
        raise Misconfigured("only files and PostgreSQL are harvested; describe a Spark table by hand")
    from psycopg import sql

    from cotally.server.engines.postgres import session, snapshot
    with session.connect(url) as connection, session.transaction(connection, 0):
        session.check_server(connection)
        named = connection.execute(_TABLES.encode(), ("cotally",)).fetchall()
        for schema, name in ((str(a), str(b)) for a, b in named):
            kinds = snapshot.source_columns(connection, PostgresTable(url, schema, name))
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
                if _type(kind, _POSTGRES) == "category" and distinct <= MAX_CODES:
                    codes = tuple(str(row[0]) for row in connection.execute(sql.SQL(
                        "SELECT DISTINCT {0}::text COLLATE \"C\" FROM {1} WHERE {0} IS NOT NULL ORDER BY 1"
                    ).format(place, relation)).fetchall())
                columns.append(_seen(column, _type(kind, _POSTGRES), rows, filled, distinct, codes))
            mark = "&" if "?" in url else "?"
            yield Relation(_identifier(name), f"{url}{mark}table={schema}.{name}", rows, tuple(columns))


def _seen(name: str, kind: str, rows: int, filled: int, distinct: int, codes: tuple[str, ...]) -> Seen:
    few = tuple(code for code in codes if code) if len(codes) <= MAX_CODES else ()
    return Seen(name, kind, filled < rows, distinct, few)


def _type(kind: str, known: Mapping[str, tuple[str, ...]]) -> str:
    if kind.startswith("DECIMAL"):
        return "float"
    return next((type_ for type_, kinds in known.items() if kind in kinds), "category")


def _identifier(text: str) -> str:
    made = "".join(c if c.isalnum() or c == "_" else "_" for c in text)
    return made if made.isidentifier() else f"t_{made}"
