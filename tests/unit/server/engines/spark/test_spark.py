"""Spark gives the integers of the design read aloud, and refuses a Spark that adds up wrongly."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from cotally.server.engines.engine import EngineError
from cotally.server.engines.source import SparkTable
from cotally.server.model.catalog import Column
from cotally.server.model.plan import BlockKind
from cotally.server.model.query import Predicate
from cotally.v1.refusals import Misconfigured
from tests.unit.server.engines import reference
from tests.unit.server.engines.plans import (
    AGE,
    BIG,
    CITY,
    CODE,
    COLUMNS,
    DAY,
    INCOME,
    block,
    plan,
    query,
    table,
)
from tests.unit.server.engines.test_measure import (
    BLOCKS,
    SALT,
    Records,
    predicates,
    prepare,
    records_strategy,
)

pytestmark = pytest.mark.slow
pyspark = pytest.importorskip("pyspark", reason="pyspark is not installed: requirements/spark.txt")
few = settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@few
@example(records=[], keys=("city",), unit="pid", k=1, g=1, where=None)
@given(
    records=records_strategy,
    keys=st.sampled_from([(), ("city",), ("code", "city")]),
    unit=st.sampled_from(["pid", "pid", None]),
    k=st.integers(1, 3),
    g=st.integers(1, 4),
    where=st.none() | predicates,
)
def test_equals_the_design_read_aloud(
    spark: Any, records: Records, keys: tuple[str, ...], unit: str | None, k: int, g: int,
    where: Predicate | None,
) -> None:
    from cotally.server.engines.spark import synthetic
    source = table(COLUMNS, unit=unit, k=1 if unit is None else k, g=g)
    asked, made = prepare(keys, source, BLOCKS, where=where)
    expected = reference.measure(records, asked, source, made, SALT)
    assert synthetic.measure(spark, records, asked, source, made, SALT) == expected


def ours(spark: Any, column: Column | None, texts: Sequence[str]) -> list[Any]:
    """What Spark makes of *texts* in a string column."""
    from cotally.server.engines.spark import decode
    made = decode.unit("r", "string") if column is None else decode.value(column, "r", "string")
    frame = spark.createDataFrame(list(enumerate(texts)), "o INT, x STRING")
    cells = frame.selectExpr("o", f"{decode.raw('x', 'string')} AS r").selectExpr("o", f"{made} AS v")
    return [row["v"] for row in sorted(cells.collect(), key=lambda row: row["o"])]


def theirs(column: Column | None, texts: Sequence[str]) -> list[Any]:
    import duckdb

    from cotally.server.engines.duckdb import decode
    made = decode.unit("x", "VARCHAR") if column is None else decode.cell(column, "x", "VARCHAR")
    text = f"SELECT {made} FROM (SELECT unnest($1::VARCHAR[]) AS x, unnest(range(len($1))) AS o) ORDER BY o"
    return [row[0] for row in duckdb.connect().execute(text, [list(texts)]).fetchall()]


TEXTS = [
    "7", "+7", " 7 ", "007", "12.0", "12.", ".5", "12.5", "1e3", "-0", "-0.0", "x", "1_000", "0x1F",
    "", "NaN", "nan", "1e-1", str(2**63 - 1), str(2**63), "-" + "9" * 31, "9223372036854775807.0",
    "1e30", "-1e30", "inf", "-Infinity", "Infinity", "١٢", "9" * 401, "0" * 390 + "5",
    "9007199254740993.5", "1e400", "1e-400", "1d", "1f", "1.0f", "5e-324", "1e99999999999",
    "2.4703282292062327e-324", "1.7976931348623159e308", "0e99999", "北京", "e\u0301", " a", "NULL",
    "None", "01", "-01.00", "1" + "0" * 40, "true", "2024-02-29", "2023-02-29", "2024-1-2",
    "infinity", "epoch", "today", "0000-01-01", "2024-02-29 10:00:00", "2024-02-29T10:00Z",
    "20240229", "12024-01-01", "2024-02", "2024", "2024-02-29\nx", "a\n", "7\n", "\t7", "\u00a07",
    "a\\b'c", "%",
]  # fmt: skip


@pytest.mark.parametrize("column", [AGE, INCOME, BIG, CITY, CODE, DAY, None])
def test_text_decodes_as_in_duckdb(spark: Any, column: Column | None) -> None:
    found = dict(zip(TEXTS, ours(spark, column, TEXTS), strict=True))
    assert found == dict(zip(TEXTS, theirs(column, TEXTS), strict=True))


@few
@given(st.lists(st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=6)
                | st.text(st.sampled_from("0123456789+-.eEinfa_ x\t"), max_size=9)
                | st.floats().map(repr), min_size=200, max_size=200),
       st.sampled_from([AGE, INCOME, CITY, CODE, DAY, None]))
def test_any_text_decodes_as_in_duckdb(spark: Any, texts: list[str], column: Column | None) -> None:
    assert ours(spark, column, texts) == theirs(column, texts)


def test_a_vintage_is_written_once_and_known_again(spark: Any, tmp_path: Path) -> None:
    from cotally.server.engines.spark.engine import Spark
    rows = [("1", 30, 1.5), ("1", 40, None), ("2", 101, float("nan")), (None, 7, 0.0), ("3", None, -1e300)]
    path = str(tmp_path / "visits")
    spark.createDataFrame(rows, "pid STRING, age INT, income DOUBLE").write.parquet(path)
    source = SparkTable("spark://local", "", path, "")
    held = table([AGE, INCOME], k=2, g=2)
    engine = Spark(tmp_path / "state")
    report = engine.snapshot(held, source)
    assert report.rows == 5
    assert any("1 records have no pid" in note for note in report.notes)
    both = replace(plan(1, block(BlockKind.COUNT), block(BlockKind.SUM, AGE), block(BlockKind.COUNT, INCOME)),
                   answer_ms=60_000)
    assert engine.measure(query(), held, both, SALT) == [4, 170, 2]
    spark.createDataFrame(rows * 2, "pid STRING, age INT, income DOUBLE").write.mode(
        "overwrite").parquet(path)
    again = Spark(tmp_path / "state")
    assert again.snapshot(held, source) == report
    assert again.measure(query(), held, both, SALT) == [4, 170, 2]
    for file in (tmp_path / "state" / "spark" / "snapshots").rglob("*.parquet"):
        file.rename(file.with_name(f"other-{file.name}"))
    with pytest.raises(Misconfigured, match="a vintage never changes"):
        again.open(held)


def test_what_spark_may_not_do_is_named_with_what_mends_it(spark: Any, tmp_path: Path) -> None:
    from cotally.server.engines.spark.engine import Spark
    spark.createDataFrame([("1", 30)], "pid STRING, age INT").write.parquet(str(tmp_path / "visits"))
    (tmp_path / "file").touch()
    held = table([AGE])
    source = SparkTable("spark://local", "", str(tmp_path / "visits"), str(tmp_path / "file" / "store"))
    with pytest.raises(Misconfigured, match=r"may not write into .*file/store.*make it a folder"):
        Spark(tmp_path / "state").snapshot(held, source)
    source = replace(source, store=str(tmp_path / "store"))
    Spark(tmp_path / "first").snapshot(held, source)
    with pytest.raises(Misconfigured, match=r"is there already.*remove that folder"):
        Spark(tmp_path / "second").snapshot(held, source)
    for file in (tmp_path / "visits").glob("*.parquet"):
        file.write_bytes(b"no Parquet")
    with pytest.raises(Misconfigured, match=r"may not read .*visits"):
        Spark(tmp_path / "third").snapshot(held, replace(source, store=str(tmp_path / "other")))


def test_a_spark_that_is_too_slow_is_interrupted_at_d(spark: Any, tmp_path: Path) -> None:
    from cotally.server.engines.spark.engine import Spark
    spark.range(1000).selectExpr("CAST(id AS STRING) pid", "CAST(id AS INT) age").write.parquet(
        str(tmp_path / "visits"))
    held, engine = table([AGE]), Spark(tmp_path / "state")
    engine.snapshot(held, SparkTable("spark://local", "", str(tmp_path / "visits"), ""))
    asked = plan(1, block(BlockKind.COUNT))
    with pytest.raises(EngineError, match="Spark stopped with"):
        engine.measure(query(), held, replace(asked, answer_ms=1), SALT)
    assert engine.measure(query(), held, replace(asked, answer_ms=60_000), SALT) == [1000]


def test_a_spark_that_wraps_around_is_refused(spark: Any) -> None:
    from cotally.server.engines.spark import session
    spark.conf.set("spark.sql.ansi.enabled", "false")
    try:
        with pytest.raises(Misconfigured, match="ANSI mode"):
            session.check(spark)
    finally:
        spark.conf.set("spark.sql.ansi.enabled", "true")
    session.check(spark)


def test_a_crowd_of_rows_of_one_person_overflows_nothing(spark: Any) -> None:
    from cotally.server.engines.spark import synthetic
    wide = replace(BIG, lower=0 * BIG.lower, upper=BIG.upper // 4 + 0 * BIG.lower)
    source = table([wide if c is BIG else c for c in COLUMNS], k=2)
    crowd = [dict.fromkeys(["pid", *(c.name for c in COLUMNS)], "") | {"pid": "1", "big": str(2**62)}
             for _ in range(300)]
    asked, made = prepare((), source, [block(BlockKind.SUM, wide), block(BlockKind.CENTRED_SUM, wide)])
    expected = reference.measure(crowd, asked, source, made, SALT)
    assert synthetic.measure(spark, crowd, asked, source, made, SALT) == expected


def test_errors_quote_no_value(spark: Any, capfd: pytest.CaptureFixture[str]) -> None:
    from cotally.server.engines.spark.engine import stopping
    with pytest.raises(EngineError) as stopped, stopping():
        spark.sql("SELECT CAST(x AS INT) FROM VALUES ('secret') AS t(x)").collect()
    assert "secret" not in repr(stopped.value)
    assert "secret" not in "".join(capfd.readouterr())
