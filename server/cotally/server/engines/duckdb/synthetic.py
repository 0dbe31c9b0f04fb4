"""Measures records that are no one's, given as text, the way of a CSV file: the other engines' measure."""

import csv
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from cotally.server.engines.duckdb.engine import DuckDB
from cotally.server.engines.vector import relations
from cotally.server.model.catalog import Table
from cotally.server.model.plan import Plan
from cotally.server.model.query import Query


def measure(records: Sequence[Mapping[str, str]], query: Query, table: Table, plan: Plan, salt: bytes
            ) -> list[int]:
    """The vector of *plan* over *records*, each a text by column name; nothing of it is kept."""
    with tempfile.TemporaryDirectory() as folder:
        engine = DuckDB(Path(folder) / "state")
        for part in relations(table).values():
            file = Path(folder) / "synthetic.csv"
            names = dict.fromkeys([*([part.unit] if part.unit else []), *(c.name for c in part.columns)])
            with file.open("w", newline="", encoding="utf-8") as out:
                writer = csv.writer(out, quoting=csv.QUOTE_ALL)
                writer.writerow(names)
                writer.writerows([record[name] for name in names] for record in records)
            engine.snapshot(part, file)
        return engine.measure(query, table, plan, salt)
