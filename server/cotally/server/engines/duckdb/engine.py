"""The DuckDB engine: files in, one vector of integers out."""

from pathlib import Path

from cotally.server.engines.duckdb import measure, snapshot
from cotally.server.engines.duckdb.standing import Standing
from cotally.server.engines.engine import SnapshotReport
from cotally.server.engines.vector import relations
from cotally.server.model.catalog import Table
from cotally.server.model.plan import Plan
from cotally.server.model.query import Query
from cotally.v1.refusals import Misconfigured


class DuckDB:
    """Snapshots and measures under *state*: `snapshots/TABLE/VINTAGE/`, and `spill/` for overflow."""

    def __init__(self, state: Path) -> None:
        self._state = state.absolute()
        self._standing = Standing(self._state / "spill")

    def snapshot(self, table: Table, source: Path) -> SnapshotReport:
        """Freeze *source*, a CSV or Parquet file, as the table's vintage, unless that was done before."""
        return snapshot.make(self._state, table, source)

    def open(self, table: Table) -> None:
        """Get ready to measure *table*; reads no record. Misconfigured unless the vintage is as made."""
        self._check(table)
        with self._standing.lend(tuple(self._records(table).values()), table.max_people):
            pass

    def measure(self, query: Query, table: Table, plan: Plan, salt: bytes) -> list[int]:
        """The un-noised vector of *plan* over the table's vintage; Misconfigured where none was made."""
        self._check(table)
        records = self._records(table)
        return measure.measure(query, table, plan, salt, records,
                               self._standing.lend(tuple(records.values()), table.max_people))

    def _check(self, table: Table) -> None:
        for part in relations(table).values():
            if snapshot.existing(self._state, part) is None:
                raise Misconfigured(f"table {part.name}: there is no snapshot of vintage {part.vintage}")

    def _records(self, table: Table) -> dict[str, Path]:
        """The file of each relation."""
        return {relation: snapshot.folder(self._state, part) / snapshot.RECORDS_FILE
                for relation, part in relations(table).items()}
