"""What tests of snapshots play with: a file that becomes one, and what it then holds."""

from pathlib import Path

import duckdb

from cotally.server.engines.duckdb import snapshot
from cotally.server.engines.duckdb.engine import DuckDB
from cotally.server.engines.engine import SnapshotReport
from cotally.server.model.catalog import Table
from tests.unit.server.engines.plans import AGE, CITY, table

PAIR = table([AGE, CITY])


def freeze(folder: Path, source: Table, data: bytes, name: str = "north.csv") -> SnapshotReport:
    path = folder / name
    path.write_bytes(data)
    return DuckDB(folder / "state").snapshot(source, path)


def stored(folder: Path, source: Table) -> list[tuple[object, ...]]:
    """What the snapshot holds, in a fixed order."""
    records = snapshot.folder(folder / "state", source) / snapshot.RECORDS_FILE
    rows = duckdb.connect().execute("FROM read_parquet($p)", {"p": str(records)}).fetchall()
    return sorted(rows, key=repr)


def parquet(path: Path, sql: str) -> Path:
    duckdb.connect().sql(sql).write_parquet(str(path))
    return path
