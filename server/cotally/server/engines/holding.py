"""One department's holding: each table with the engine that holds it, behind one door.

Engines are loaded when the first of their tables is named, so that a node needs the packages of its
own engine only.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from cotally.server.engines.engine import Engine, SnapshotReport
from cotally.server.engines.source import File, PostgresTable, Source
from cotally.server.engines.vector import relations
from cotally.server.model.catalog import Table
from cotally.server.model.plan import Plan
from cotally.server.model.query import Query
from cotally.v1.refusals import Misconfigured, Refusal, Refused

_EXTRA: Final = {"duckdb": "node", "psycopg": "postgres", "pyspark": "spark"}


class Holding:
    """The engines of a node, kept under *state*."""

    def __init__(self, state: Path, sources: Mapping[str, Source]) -> None:
        self._state = state
        self._sources = sources
        self._engines: dict[type, Engine[Any]] = {}

    def snapshot(self, table: Table) -> SnapshotReport:
        """Freeze the table's current vintage, or find it; Misconfigured names what is in the way."""
        source = self._sources[table.name]
        try:
            engine = self._engine(type(source))
            return engine.snapshot(table, source.path if isinstance(source, File) else source)
        except ModuleNotFoundError as missing:
            package = (missing.name or "").partition(".")[0]
            if package not in _EXTRA:
                raise
            raise Misconfigured(f"reading {source} needs the package {package}; "
                                f"pip install 'cotally[{_EXTRA[package]}]'") from None

    def open(self, table: Table) -> None:
        """Get ready to measure *table*; see `Measures.open`."""
        self._of(table).open(table)

    def measure(self, query: Query, table: Table, plan: Plan, salt: bytes) -> list[int]:
        """The un-noised vector; see `Measures.measure`."""
        return self._of(table).measure(query, table, plan, salt)

    def _of(self, table: Table) -> Engine[Any]:
        """The engine of every part of *table*; Refused (UNSUPPORTED) where there are two."""
        kinds = {type(self._sources[part.name]) for part in relations(table).values()}
        if len(kinds) > 1:
            names = " and ".join(sorted(part.name for part in relations(table).values()))
            raise Refused(Refusal.UNSUPPORTED,
                          f"{names} lie in different engines of one department; a join needs both in one")
        return self._engine(kinds.pop())

    def _engine(self, kind: type) -> Engine[Any]:
        if kind not in self._engines:
            self._engines[kind] = _load(kind, self._state)
        return self._engines[kind]


def _load(kind: type, state: Path) -> Engine[Any]:
    if kind is File:
        from cotally.server.engines.duckdb.engine import DuckDB
        return DuckDB(state)
    if kind is PostgresTable:
        from cotally.server.engines.postgres.engine import Postgres
        return Postgres(state)
    from cotally.server.engines.spark.engine import Spark
    return Spark(state)
