"""Counts a snapshot's odd cells with DuckDB, for the operator."""

from collections.abc import Sequence
from pathlib import Path

import duckdb

from cotally.server.engines.duckdb.measure import render
from cotally.server.engines.notes import counts, sentences
from cotally.server.engines.terms import RECORDS, Bindings
from cotally.server.model.catalog import Table


def notes(
    connection: duckdb.DuckDBPyConnection,
    table: Table,
    file: str,
    records: Path,
    rows: int,
    filled: Sequence[int],
    unreadable: Sequence[int],
) -> tuple[str, ...]:
    """One sentence per thing that is odd about the *rows* rows in *records*; see `sentences`."""
    if not rows:
        return (f"{file}: there is a header and no record",)
    bindings = Bindings()
    tree = counts(table, bindings)
    found = connection.execute(*render(tree, bindings.values, {RECORDS: records})).fetchone()
    assert found is not None
    told = sentences(table, rows, filled, unreadable, list(found))
    return tuple(f"{file}: {sentence}" for sentence in told)
