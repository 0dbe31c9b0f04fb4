"""Measures one snapshot: renders the compiled tree for DuckDB and runs it behind the lock."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import duckdb
from sqlglot import exp

from cotally.server.engines.compile import Measurement, compile_measurement
from cotally.server.engines.duckdb.lockdown import escaped
from cotally.server.engines.engine import EngineError
from cotally.server.engines.terms import RECORDS, Bound
from cotally.server.engines.vector import groups, place
from cotally.server.model.catalog import Table
from cotally.server.model.plan import Plan
from cotally.server.model.query import Query


def measure(
    query: Query, table: Table, plan: Plan, salt: bytes, records: Path,
    opened: AbstractContextManager[duckdb.DuckDBPyConnection],
) -> list[int]:
    """The vector of *plan* over the snapshot *records*, which the locked connection *opened* may read.

    Raises EngineError, which quotes nothing.
    """
    measurement = compile_measurement(query, table, plan, salt)
    sql, bindings = render(measurement, records)
    try:
        with opened as connection:
            rows: Sequence[Sequence[int]] = connection.execute(sql, bindings).fetchall()
    except duckdb.Error as error:
        raise EngineError(f"DuckDB stopped with {type(error).__name__}") from None
    return place(rows, plan, groups(query, table))


def render(measurement: Measurement, records: Path) -> tuple[str, dict[str, Bound]]:
    """DuckDB's text of the tree, reading *records*, and everything that it binds."""
    literal = exp.EQ(this=exp.column("hive_partitioning"), expression=exp.false())
    reader = exp.Anonymous(this="read_parquet", expressions=[exp.Placeholder(this="records"), literal])
    source = exp.Table(this=reader, alias=exp.TableAlias(this=exp.to_identifier(RECORDS)))
    tree = measurement.tree.copy()
    for relation in list(tree.find_all(exp.Table)):
        if relation.name == RECORDS:
            relation.replace(source.copy())
    return tree.sql("duckdb", copy=False), {**measurement.bindings, "records": escaped(records)}
