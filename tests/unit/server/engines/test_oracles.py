"""Errors of an engine quote no record, whatever the database says."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pytest

from cotally.server.engines.duckdb.measure import measure
from cotally.server.engines.engine import EngineError
from cotally.server.model.plan import BlockKind
from tests.unit.server.engines.plans import AGE, block, plan, query, table


@contextmanager
def broken(error: duckdb.Error) -> Iterator[Any]:
    """A connection that fails at every statement."""
    class Connection:
        def execute(self, *_: object) -> None:
            raise error

    yield Connection()


@pytest.mark.parametrize("kind", [
    duckdb.ConversionException, duckdb.OutOfRangeException, duckdb.OutOfMemoryException, duckdb.IOException])
def test_a_database_that_quotes_a_record_is_not_quoted(kind: type[duckdb.Error]) -> None:
    people = table([AGE])
    with pytest.raises(EngineError) as raised:
        measure(query(), people, plan(1, block(BlockKind.COUNT)), bytes(32), {"records": Path("r.parquet")},
                broken(kind("Could not convert string 'wxyzzy' in row 7")))
    assert "wxyzzy" not in str(raised.value)
    assert kind.__name__ in str(raised.value)
    assert raised.value.__cause__ is None and raised.value.__suppress_context__
