"""Measures one snapshot: renders the compiled trees for DuckDB and runs them behind the lock."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path

import duckdb
from sqlglot import exp

from cotally.server.engines.compile import compile_measurement
from cotally.server.engines.duckdb.lockdown import escaped
from cotally.server.engines.engine import EngineError
from cotally.server.engines.terms import Bound
from cotally.server.engines.vector import groups, place
from cotally.server.model.catalog import Table
from cotally.server.model.plan import Plan
from cotally.server.model.query import Query


def measure(
    query: Query, table: Table, plan: Plan, salt: bytes, records: Mapping[str, Path],
    opened: AbstractContextManager[duckdb.DuckDBPyConnection],
) -> list[int]:
    """The vector of *plan* over the snapshots *records*, which the locked connection *opened* may read.

    *records* holds each relation's file. Raises EngineError, which quotes nothing.
    """
    passes = compile_measurement(query, table, plan, salt)
    statements = [render(each.tree, each.bindings, records) for each in passes]
    try:
        with opened as connection:
            found = [connection.execute(*statement).fetchall() for statement in statements]
    except duckdb.Error as error:
        raise EngineError(f"DuckDB stopped with {type(error).__name__}") from None
    return place(zip(passes, found, strict=True), plan, groups(query, table))


def render(
    tree: exp.Select, bindings: Mapping[str, Bound], records: Mapping[str, Path]
) -> tuple[str, dict[str, Bound]]:
    """DuckDB's text of *tree*, reading the files of *records*, and everything that it binds."""
    tree = tree.copy()
    for relation in list(tree.find_all(exp.Table)):
        if relation.name in records:
            relation.replace(_source(relation.name))
    files = {name: escaped(file) for name, file in records.items()}
    return tree.sql("duckdb", copy=False), {**bindings, **files}


def _source(relation: str) -> exp.Expression:
    literal = exp.EQ(this=exp.column("hive_partitioning"), expression=exp.false())
    reader = exp.Anonymous(this="read_parquet", expressions=[exp.Placeholder(this=relation), literal])
    return exp.Table(this=reader, alias=exp.TableAlias(this=exp.to_identifier(relation)))
