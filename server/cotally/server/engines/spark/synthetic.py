"""Measures records that are no one's, given as text: decoding, bounding and summing, but no table."""

import tempfile
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from pyspark.sql import SparkSession

from cotally.server.engines.compile import compile_measurement
from cotally.server.engines.parity import Measure
from cotally.server.engines.snapshot_names import wanted
from cotally.server.engines.spark import session as sessions
from cotally.server.engines.spark.engine import collect, parts, stopping
from cotally.server.engines.vector import groups, place, relations
from cotally.server.model.catalog import Table
from cotally.server.model.plan import Plan
from cotally.server.model.query import Query


def measuring(url: str) -> Measure:
    """`measure` at the Spark of *url*."""
    return partial(measure, sessions.connect(url, Path(tempfile.gettempdir())))


def measure(
    session: SparkSession, records: Sequence[Mapping[str, str]], query: Query, table: Table, plan: Plan,
    salt: bytes,
) -> list[int]:
    """The vector of *plan* over *records*, each a text by column name, as a string column would hold it."""
    held = {}
    with stopping():
        for name, part in relations(table).items():
            needed = list(dict.fromkeys(str(part.unit) if c is None else c.name for c in wanted(part)))
            rows = [tuple(record[column] for column in needed) for record in records]
            schema = ", ".join(f"`{column.replace('`', '``')}` STRING" for column in needed)
            prepared, decoded, _ = parts(part, name, dict.fromkeys(needed, "string"))
            session.createDataFrame(rows, schema).createOrReplaceTempView("cotally_given")
            cells = session.sql(f"SELECT {prepared} FROM cotally_given").selectExpr(*decoded)  # noqa: S608
            cells = cells.localCheckpoint()  # decoded once, not wherever a cell is used
            cells.createOrReplaceTempView(f"cotally_synthetic_{name}")
            held[name] = (part, f"cotally_synthetic_{name}")
        passes = compile_measurement(query, table, plan, salt)
        found = [collect(session, each.tree, each.bindings, held) for each in passes]
    return place(zip(passes, found, strict=True), plan, groups(query, table))
