"""The DuckDB engine: files in, one vector of integers out."""

from pathlib import Path

from cotally.server.engines.duckdb import measure, snapshot
from cotally.server.engines.duckdb.standing import Standing
from cotally.server.engines.engine import SnapshotReport
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
        """Get ready to measure *table*; reads nothing of it."""
        with self._standing.lend(self._records(table), table.max_people):
            pass

    def measure(self, query: Query, table: Table, plan: Plan, salt: bytes) -> list[int]:
        """The un-noised vector of *plan* over the table's vintage; Misconfigured where none was made."""
        if snapshot.existing(self._state, table) is None:
            raise Misconfigured(f"table {table.name}: there is no snapshot of vintage {table.vintage}")
        records = self._records(table)
        return measure.measure(query, table, plan, salt, records,
                               self._standing.lend(records, table.max_people))

    def _records(self, table: Table) -> Path:
        return snapshot.folder(self._state, table) / snapshot.RECORDS_FILE
