"""Snapshots of Parquet files: values by their types, whatever another writer put into a cell."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

import duckdb
import pytest

from cotally.server.engines.duckdb.engine import DuckDB
from cotally.server.engines.terms import UNIT
from cotally.server.model.catalog import Column
from cotally.v1.refusals import Misconfigured
from tests.unit.server.engines.freezing import PAIR, parquet, stored
from tests.unit.server.engines.plans import AGE, CITY, CODE, DAY, INCOME, table


def parquet_cells(folder: Path, column: Column, values: Sequence[str]) -> list[object]:
    rows = " UNION ALL ".join(
        f"SELECT 1000 + {i} AS n, {value} AS {column.name}" for i, value in enumerate(values)
    )
    source = table([column], unit="n")
    DuckDB(folder / "state").snapshot(source, parquet(folder / "a.parquet", rows))
    return [row[1] for row in stored(folder, source)]


@pytest.mark.parametrize(("column", "values", "expected"), [
    (AGE, ["7::TINYINT", "NULL"], [7, None]),
    (AGE, ["18446744073709551615::UBIGINT", "0::UBIGINT"], [2**63 - 1, 0]),
    (AGE, ["170141183460469231731687303715884105727::HUGEINT", "-5"], [2**63 - 1, -5]),
    (AGE, ["7.0::DOUBLE", "7.5::DOUBLE", "'nan'::DOUBLE", "'-inf'::DOUBLE", "1e19::DOUBLE"],
     [7, None, None, -(2**63), 2**63 - 1]),
    (AGE, ["12.00::DECIMAL(9,2)", "12.50::DECIMAL(9,2)"], [12, None]),
    (AGE, ["'12'", "'x'"], [12, None]),
    (AGE, ["true", "false"], [1, 0]),
    (INCOME, ["1.5::FLOAT", "'nan'::FLOAT", "'inf'::FLOAT", "'-0.0'::FLOAT"], [1.5, None, float("inf"), 0.0]),
    (INCOME, ["7", "-1"], [7.0, -1.0]),
    (INCOME, ["0.10::DECIMAL(9,2)"], [0.1]),
    (CODE, ["1.0::DOUBLE", "0.0::DOUBLE", "'nan'::DOUBLE"], ["1", "0", None]),
    (CODE, ["true", "false"], ["1", "0"]),
    (CITY, ["7", "8"], ["7", "8"]),
    (CITY, ["'\\xC3\\xA9'::BLOB", "'\\xFF'::BLOB", "'e\u0301'", "'a' || chr(0)"], ["é", None, "é", None]),
    (CITY, ["'a'::ENUM('a', 'b')"], ["a"]),
    (CITY, ["DATE '2024-01-02'"], ["2024-01-02"]),
    (DAY, ["DATE '2024-01-02'", "'infinity'::DATE"], [date(2024, 1, 2), None]),
    (DAY, ["TIMESTAMP '2024-01-02 23:00:00'", "NULL"], [date(2024, 1, 2), None]),
    (DAY, ["make_timestamp(2024, 1, 2, 3, 4, 5.0)::TIMESTAMP_NS"], [date(2024, 1, 2)]),
    (DAY, ["'2024-01-02'", "'x'"], [date(2024, 1, 2), None]),
])  # fmt: skip
def test_parquet_values_are_taken_at_their_value(
    tmp_path: Path, column: Column, values: list[str], expected: list[object]
) -> None:
    if any("BLOB" in v for v in values):
        values = [v if "BLOB" in v else f"encode({v})" for v in values]
    assert parquet_cells(tmp_path, column, values) == expected


@pytest.mark.parametrize("column", ["pid", "city"])
def test_text_in_parquet_that_is_no_text_costs_its_own_cell_alone(tmp_path: Path, column: str) -> None:
    """The file says UTF-8, and a cell is not: no two cells are taken for one, nor for one with marks."""
    texts = {"pid": "i", "city": "'a'"} | {column: "'WXYZZY-' || i"}
    sql = f"SELECT {texts['pid']} AS pid, i AS age, {texts['city']} AS city FROM range(4) t(i)"
    path = tmp_path / "a.parquet"
    duckdb.connect().execute(f"COPY ({sql}) TO '{path}' (FORMAT parquet, COMPRESSION uncompressed)")
    data = path.read_bytes().replace(b"WXYZZY-0", b"WX\xff\xfe????").replace(b"WXYZZY-1", b"WX\xfe\xff????")
    path.write_bytes(data.replace(b"WXYZZY-2", b"WX??????"))
    report = DuckDB(tmp_path / "state").snapshot(PAIR, path)
    place = ["pid", "age", "city"].index(column)
    found = sorted(stored(tmp_path, PAIR), key=lambda row: int(str(row[1])))
    assert [row[place] for row in found] == [None, None, "WX??????", "WXYZZY-3"]
    said = "2 records have no pid" if column == "pid" else "2 cells of column city are not UTF-8"
    assert any(said in note for note in report.notes)


@pytest.mark.parametrize("microseconds", [-(2**63), -(2**63) + 1, 2**63 - 1])
def test_the_ends_of_time_stop_no_snapshot(tmp_path: Path, microseconds: int) -> None:
    path, mark = tmp_path / "a.parquet", 1_234_567_890_123_456
    dated = table([replace(DAY, name="city")], vintage="2027")
    for zone in ("TIMESTAMP", "TIMESTAMPTZ"):
        sql = f"SELECT '1' AS pid, 1 AS age, make_timestamp({mark})::{zone} AS city"
        duckdb.connect().execute(f"COPY ({sql}) TO '{path}' (FORMAT parquet, COMPRESSION uncompressed)")
        path.write_bytes(path.read_bytes().replace(mark.to_bytes(8, "little"),
                                                   microseconds.to_bytes(8, "little", signed=True)))
        assert DuckDB(tmp_path / zone).snapshot(PAIR, path).rows == 1
        assert DuckDB(tmp_path / zone).snapshot(dated, path).rows == 1


def test_minus_zero_in_parquet_is_zero(tmp_path: Path) -> None:
    found = parquet_cells(tmp_path, INCOME, ["'-0.0'::FLOAT", "'-0.0'::DOUBLE", "0.0::DOUBLE"])
    assert [str(x) for x in found] == ["0.0"] * 3


def test_zoned_timestamps_are_dated_in_utc(tmp_path: Path) -> None:
    zoned = "to_timestamp(1704240000)"  # 2024-01-03 00:00 UTC
    assert parquet_cells(tmp_path, DAY, [zoned]) == [date(2024, 1, 3)]


@pytest.mark.parametrize(("column", "value", "culprit"), [
    (AGE, "[1, 2]", "column age is of type INTEGER[], which is not text"),
    (AGE, "DATE '2024-01-02'", "column age is of type DATE, which is not a number"),
    (DAY, "7", "column day is of type INTEGER, which is not a date"),
    (CITY, "{'a': 1}", "column city is of type STRUCT"),
])  # fmt: skip
def test_a_parquet_column_of_the_wrong_kind_is_named(
    tmp_path: Path, column: Column, value: str, culprit: str
) -> None:
    with pytest.raises(Misconfigured) as refused:
        parquet_cells(tmp_path, column, [value])
    assert refused.value.message.startswith(f"a.parquet: {culprit}")


def test_parquet_columns_are_matched_exactly_past_nested_and_similar_ones(tmp_path: Path) -> None:
    sql = (
        "SELECT {'x': {'age': 1}, 'y': [2]} AS nest, 5 AS agx, 7 AS age, 3 AS pid, 'é' AS city, 'z' AS xunit"
    )
    path = parquet(tmp_path / "a.parquet", sql)
    path.write_bytes(path.read_bytes().replace(b"agx", b"AGE").replace(b"xunit", UNIT.encode()))
    with pytest.raises(Misconfigured, match="lacks column income"):
        DuckDB(tmp_path / "state").snapshot(table([INCOME]), path)
    DuckDB(tmp_path / "state").snapshot(PAIR, path)
    assert stored(tmp_path, PAIR) == [("3", 7, "é")]


def test_a_truncated_parquet_file_is_named(tmp_path: Path) -> None:
    path = parquet(tmp_path / "a.parquet", "SELECT i AS pid, i AS age, 'x' AS city FROM range(50000) t(i)")
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(Misconfigured, match=r"^a\.parquet: it is no readable Parquet file"):
        DuckDB(tmp_path / "state").snapshot(PAIR, path)
    damaged = bytearray(whole)
    damaged[10 : len(whole) // 2] = bytes(len(whole) // 2 - 10)
    path.write_bytes(damaged)
    with pytest.raises(Misconfigured, match=r"^a\.parquet: it cannot be read"):
        DuckDB(tmp_path / "state").snapshot(PAIR, path)
