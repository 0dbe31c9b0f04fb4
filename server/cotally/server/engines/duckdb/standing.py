"""Lends locked connections to snapshots, and keeps the last one open for the next measurement.

Opening DuckDB and locking it down takes as long as a query over a few thousand people. It reads no
record, so it may be done before any price is spent.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from weakref import finalize

import duckdb

from .lockdown import locked, memory, threads


class Standing:
    """At most one idle connection. Whoever borrows one has it alone; one that failed is closed."""

    def __init__(self, spill: Path) -> None:
        self._spill = spill
        self._idle: dict[tuple[Path, ...], duckdb.DuckDBPyConnection] = {}
        finalize(self, self._idle.clear)  # DuckDB complains of a connection that outlives the interpreter

    @contextmanager
    def lend(self, records: tuple[Path, ...], people: int) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection that may read the files *records*, which hold at most so many *people* each."""
        connection = self._idle.pop(records, None)
        if connection is None:
            connection = locked(list(records), self._spill, memory(people), threads(people))
        try:
            yield connection
        except BaseException:
            connection.close()
            raise
        self._idle.clear()
        self._idle[records] = connection
