"""Plays a department whose Spark is reached by Connect: `python -m` in a process of its own, into a folder.

A process speaks to Spark directly or by Connect, never both; so the tests of the direct way cannot.
"""

import json
import sys
from dataclasses import replace
from pathlib import Path

from cotally.server.engines.source import SparkTable
from cotally.server.engines.spark import session, synthetic
from cotally.server.engines.spark.engine import Spark
from cotally.server.model.plan import BlockKind
from tests.unit.server.engines import reference
from tests.unit.server.engines.plans import AGE, COLUMNS, block, plan, query, table
from tests.unit.server.engines.test_measure import BLOCKS, SALT, person, prepare

URL = "sc://localhost:15002"


def main(folder: Path) -> None:
    """Print what was measured, as JSON."""
    from pyspark.sql import SparkSession
    (SparkSession.builder.remote("local[1]").config("spark.ui.enabled", "false")
     .config("spark.driver.host", "127.0.0.1").getOrCreate())  # starts the server beside us
    connected = session.connect(URL, folder)
    records = [person(str(i % 4), age=str(i), income=repr(i / 3), city="e\u0301", big=str(2**63 - 1 - i))
               for i in range(20)]
    source = table(COLUMNS, k=2, g=2)
    asked, made = prepare(("city",), source, BLOCKS)
    alike = (synthetic.measure(connected, records, asked, source, made, SALT)
             == reference.measure(records, asked, source, made, SALT))
    rows = [("1", 30), ("1", 40), ("2", 101), (None, 7)]
    connected.createDataFrame(rows, "pid STRING, age INT").write.parquet(str(folder / "visits"))
    held = table([AGE], k=2, g=2)
    engine = Spark(folder / "state")
    report = engine.snapshot(held, SparkTable(URL, "", str(folder / "visits"), str(folder / "store")))
    engine.open(held)
    both = replace(plan(1, block(BlockKind.COUNT), block(BlockKind.SUM, AGE)), answer_ms=60_000)
    measured = engine.measure(query(), held, both, SALT)
    print(json.dumps({"alike": alike, "rows": report.rows, "measured": measured}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
