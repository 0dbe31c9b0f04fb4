"""What bounding costs in Spark, inside this process, against the bounded query written by hand.

The same tables, question and queries as in `benchmarks.postgres`, over the vintage that the engine wrote.
"""

import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from cotally.server.ops.bench.rows import Missing, Row

from .postgres import EVENTS, GROUPS, PEOPLE, ROWS_PER_PERSON, TOP, Side, Sized, versus

ROWS: Final = ("spark_vs_plain", "spark_row_vs_plain")
_SHARE: Final = 5  # of the suite's rows, one in so many: writing a vintage takes a minute for some millions


def measure(setting: Sized) -> Iterable[Row]:
    """The rows `ROWS`; Missing where there is no pyspark or no Java."""
    try:
        from cotally.server.engines.engine import EngineError
        from cotally.server.engines.source import SparkTable
        from cotally.server.engines.spark import session as sessions
        from cotally.server.engines.spark.engine import Spark
    except ModuleNotFoundError as absent:
        raise Missing(f"{absent.name} is not installed: requirements/spark.txt") from None
    rows = max(setting.rows // _SHARE, 1)
    with tempfile.TemporaryDirectory() as folder:
        try:
            session = sessions.connect("spark://local", Path(folder))
        except EngineError as reason:
            raise Missing(str(reason)) from None
        records = f"{folder}/records"
        session.sql(_RECORDS.format(rows=rows, people=max(rows // ROWS_PER_PERSON, 1))).write.parquet(records)
        where = SparkTable("spark://local", "", records, "")
        for name, table in zip(ROWS, (PEOPLE, EVENTS), strict=True):
            engine = Spark(Path(folder) / name)
            engine.snapshot(table, where)
            (written,) = (Path(folder) / name / "spark" / "snapshots").iterdir()
            session.read.parquet(str(written)).createOrReplaceTempView(name)

            def run(text: str) -> Sequence[Sequence[object]]:
                answer: Sequence[Sequence[object]] = session.sql(text).collect()
                return answer

            yield versus(name, table, Side(engine, name, run, "md5(concat('salt', unit, c0))"), rows,
                         setting.rounds)
        session.stop()


_RECORDS: Final = f"""
SELECT concat('p', lpad(cast(person AS STRING), 8, '0')) AS pid,
       lpad(cast(CASE WHEN a % 5 = 0 THEN a div 5 ELSE person END % {GROUPS} AS STRING), 3, '0') AS district,
       cast(a % {TOP + 1} AS INT) AS income
FROM (SELECT (xxhash64(id, 1) & 2147483647) % {{people}} AS person, xxhash64(id, 2) & 2147483647 AS a
      FROM range({{rows}}))"""
