"""The DuckDB engine: files in, one vector of integers out."""

from dataclasses import dataclass
from pathlib import Path

from cotally.server.engines.duckdb import measure, snapshot
from cotally.server.engines.engine import SnapshotReport
from cotally.server.model.catalog import Table
from cotally.server.model.plan import Plan
from cotally.server.model.query import Query
from cotally.v1.refusals import Misconfigured


@dataclass(frozen=True, slots=True)
class DuckDB:
    """Snapshots and measures under *state*: `snapshots/TABLE/VINTAGE/`, and `spill/` for overflow."""

    state: Path

    def snapshot(self, table: Table, source: Path) -> SnapshotReport:
        """Freeze *source*, a CSV or Parquet file, as the table's vintage, unless that was done before."""
        return snapshot.make(self.state.absolute(), table, source)

    def measure(self, query: Query, table: Table, plan: Plan, salt: bytes) -> list[int]:
        """The un-noised vector of *plan* over the table's vintage; Misconfigured where none was made."""
        state = self.state.absolute()
        if snapshot.existing(state, table) is None:
            raise Misconfigured(f"table {table.name}: there is no snapshot of vintage {table.vintage}")
        records = snapshot.folder(state, table) / snapshot.RECORDS_FILE
        return measure.measure(query, table, plan, salt, records, state / "spill")
