"""Decoding is total: bad cells cost themselves, bad files are named, and a vintage never changes."""

import stat
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cotally.server.engines.duckdb import snapshot
from cotally.server.engines.duckdb.engine import DuckDB
from cotally.server.engines.duckdb.tidy import tidy
from cotally.server.engines.engine import SnapshotReport
from cotally.server.model.catalog import Column, ColumnType
from cotally.v1.refusals import Misconfigured
from tests.unit.server.engines import reference
from tests.unit.server.engines.freezing import PAIR, freeze, parquet, stored
from tests.unit.server.engines.plans import AGE, CITY, CODE, COLUMNS, DAY, INCOME, table

HEADER = b"pid,age,city\n"


def cells(folder: Path, column: Column, texts: Sequence[str]) -> list[object]:
    """The decoded cells of one column, in the order of *texts*."""
    source = table([column], unit="n")
    lines = [f"{i:04d},{text}" for i, text in enumerate(texts)]
    freeze(folder, source, "\n".join([f"n,{column.name}", *lines]).encode())
    return [row[1] for row in stored(folder, source)]


@pytest.mark.parametrize(("column", "expected"), [
    (AGE, {".0": None, "-.00": None,
           "7": 7, "+7": 7, " 7 ": 7, "007": 7, "12.0": 12, "12.": 12, "12.5": None, "1e3": 1000, "-0": 0,
           "-0.0": 0, "x": None, "1_000": None, "0x1F": None, "": None, "NaN": None, "1e-1": None,
           "9223372036854775807": 2**63 - 1, "9223372036854775808": 2**63 - 1, "-9" * 1 + "9" * 30: -(2**63),
           "9223372036854775807.0": 2**63 - 1, "9007199254740993.0": 9007199254740993, "1e30": 2**63 - 1,
           "-1e30": -(2**63), "inf": 2**63 - 1, "-Infinity": -(2**63), "١٢": None}),
    (INCOME, {"0.1": 0.1, ".5": 0.5, "5.": 5.0, "1e400": float("inf"), "-inf": float("-inf"), "nan": None,
              "-0.0": 0.0, "1e-400": 0.0, "1_0.5": None, "abc": None, "": None, "1e": None, "--1": None}),
    (CITY, {"北京": "北京", "e\u0301": "é", "NaN": "NaN", "1.0": "1.0", "": None, " a": " a",
            "é" * 1000: "é" * 1000, "é" * 1001: None}),
    (CODE, {"1": "1", "1.0": "1", "01": "1", "+1": "1", " 1 ": "1", "-01.00": "-1", "-0": "0", "000": "0",
            "1.5": "1.5", "x": "x", "": None, "1" + "0" * 40: "1" + "0" * 40}),
    (DAY, {"2024-02-29": date(2024, 2, 29), "2023-02-29": None, "2024-1-2": date(2024, 1, 2), "": None,
           "infinity": None, "epoch": None, "0000-01-01": None, "2024-02-29 10:00:00": date(2024, 2, 29),
           "2024-02-29T10:00Z": date(2024, 2, 29), "20240229": None, "12024-01-01": None}),
])  # fmt: skip
def test_cells_decode_to_their_value_or_null(
    tmp_path: Path, column: Column, expected: dict[str, object]
) -> None:
    assert dict(zip(expected, cells(tmp_path, column, list(expected)), strict=True)) == expected


def test_minus_zero_is_zero(tmp_path: Path) -> None:
    assert [str(x) for x in cells(tmp_path, INCOME, ["-0.0", "-0", "-1e-400"])] == ["0.0"] * 3


tokens = st.text(st.sampled_from("0123456789+-.eEinfa_ x"), max_size=8)


@settings(max_examples=10, deadline=None)
@given(st.lists(tokens, min_size=60, max_size=60), st.sampled_from([AGE, INCOME, CODE, DAY]))
def test_decoding_agrees_with_an_independent_one(texts: list[str], column: Column) -> None:
    with tempfile.TemporaryDirectory() as folder:
        found = cells(Path(folder), column, texts)
    assert found == [reference.decode(column, text) for text in texts]


def test_the_unit_is_text_and_missing_units_are_null(tmp_path: Path) -> None:
    ids = [b"1", b"1.0", b"01", b"", b"NaN", b"None", b"null", b"\xff", b"a\0b", "李".encode()]
    freeze(tmp_path, PAIR, HEADER + b"".join(i + b",1,x\n" for i in ids))
    assert sorted(str(r[0]) for r in stored(tmp_path, PAIR)) == sorted(
        ["1", "1.0", "01", "李", *["None"] * 6]
    )


@pytest.mark.parametrize(("data", "rows"), [
    (b"1,7,a\r\n2,8,b\r\n", [("1", 7, "a"), ("2", 8, "b")]),
    (b"1,7,a\r2,8,b", [("1", 7, "a"), ("2", 8, "b")]),
    (b"1,7,a\n\n\n2,8,b\n", [("1", 7, "a"), ("2", 8, "b")]),
    (b"1\n2,8\n3,9,c,surplus,more\n", [("1", None, None), ("2", 8, None), ("3", 9, "c")]),
    (b'"1","7","a, ""b""\nc"\n2,8,b\n', [("1", 7, 'a, "b"\nc'), ("2", 8, "b")]),
    (b'1,7,"open\n2,8,b\n3,9,"c"\n', [("1", 7, "open"), ("2", 8, "b"), ("3", 9, "c")]),
    (b'1,7,"open\n2,8,b\n3,9,c', [("1", 7, "open"), ("2", 8, "b"), ("3", 9, "c")]),
    (b'1,7,"a"b\n2,8,b', [("1", 7, 'a"b'), ("2", 8, "b")]),
    (b"1,\xff7,a\n2,8,\xc3\xa9\xfe\n", [("1", None, "a"), ("2", 8, None)]),
    (b"1,7\0,a\n2,8,\0\n", [("1", None, "a"), ("2", 8, None)]),
    (b"1,7," + b"a" * 100_000 + b"\n2,8,b\n", [("1", 7, None), ("2", 8, "b")]),
    (b"1,7," + b"a" * 1000 + b"\n2,8,b\n", [("1", 7, "a" * 1000), ("2", 8, "b")]),
    (b'1,7,"' + b'""' * 1000 + b'"\n2,8,b\n', [("1", 7, '"' * 1000), ("2", 8, "b")]),
    (b'1,7,"' + b'""' * 60_000 + b'"\n2,8,b\n', [("1", 7, None), ("2", 8, "b")]),
    (b"1,7," + b"a" * 3_000_000 + b"\n2,8,b\n", [("1", 7, None), ("2", 8, "b")]),
])  # fmt: skip
def test_no_line_costs_another_one(tmp_path: Path, data: bytes, rows: list[tuple[object, ...]]) -> None:
    report = freeze(tmp_path, PAIR, HEADER + data)
    assert report.rows == len(rows)
    assert stored(tmp_path, PAIR) == sorted(rows, key=repr)


def test_an_open_quote_ends_with_its_line_even_across_batches(tmp_path: Path) -> None:
    lines = [b'%d,7,"a\n' % i if i % 1000 == 0 else b"%d,7,a\n" % i for i in range(200_000)]
    report = freeze(tmp_path, PAIR, HEADER + b"".join(lines))
    assert report.rows == 200_000
    assert "north.csv: 200 lines have quotes that do not match and are cut at every comma" in report.notes


def test_a_stray_quote_does_not_reach_for_a_far_one(tmp_path: Path) -> None:
    lines = [b'0,7,"a\n', *(b"%d,7,a\n" % i for i in range(1, 50)), b'50,7,a"\n']
    assert freeze(tmp_path, PAIR, HEADER + b"".join(lines)).rows == 51


def test_quoted_line_breaks_survive_the_end_of_a_batch(tmp_path: Path) -> None:
    record = b'%d,7,"' + b"x" * 500 + b'\nb"\n'
    crowd = replace(PAIR, max_people=6000)
    report = freeze(tmp_path, crowd, HEADER + b"".join(record % i for i in range(6000)))
    assert report == SnapshotReport(6000, (
        "north.csv: 6000 lines go on in the lines after them, for a quoted cell holds line breaks",
        "north.csv: 6000 cells of column city are not among its codes and count as other"))


def test_a_record_of_many_lines_is_no_longer_than_a_line_may_be(tmp_path: Path) -> None:
    """Else a dozen such cells are more than a strict reader takes, and one record costs all the others."""
    wide = table([replace(CITY, name=f"c{i}") for i in range(12)])
    header = ("pid," + ",".join(column.name for column in wide.columns) + "\n").encode()
    for size, rows in ((2_500, 2), (60_000, 14)):
        cell = '"' + "\N{GRINNING FACE}" * size + "\n" + "\N{GRINNING FACE}" * size + '"'
        folder = tmp_path / str(size)
        folder.mkdir()
        report = freeze(folder, wide, header + f"1{f',{cell}' * 12}\n2{',a' * 12}\n".encode())
        assert report.rows == rows


def test_a_name_that_is_a_novel_costs_its_own_records_alone(tmp_path: Path) -> None:
    """Hundreds of cells of 130,000 characters are more than memory holds; they are nobody's name."""
    novel = b"n" * 130_000
    report = freeze(tmp_path, PAIR, HEADER + (novel + b",7,a\n") * 300 + (b"%b,8,%b\n" % (b"1", novel)) * 300)
    assert report.rows == 600
    assert set(stored(tmp_path, PAIR)) == {(None, 7, "a"), ("1", 8, None)}
    assert any("300 records have no pid" in note for note in report.notes)
    tidied = tidy(tmp_path / "north.csv", tmp_path / "tidy.csv", ["pid", "age", "city"])
    assert tidied.unreadable == (300, 0, 300)  # DuckDB reads thousands of lines at a time: none of these
    assert (tmp_path / "tidy.csv").stat().st_size < 600 * 20


def test_one_stray_quote_makes_no_file_slow(tmp_path: Path) -> None:
    """What it costs grows with the lines of its batch, not with their square, which takes half a minute."""
    start = time.process_time()
    freeze(tmp_path, PAIR, HEADER + b'""\n' * 120_000 + b'1,"7,a\n')
    assert time.process_time() - start < 8


@pytest.mark.parametrize("people, told", [(1000, False), (1001, True)])
def test_more_people_than_the_catalog_foresees_are_told_to_the_operator(
    tmp_path: Path, people: int, told: bool
) -> None:
    lines = [b"%d,7,a\n" % (i % people) for i in range(3 * people)]
    notes = freeze(tmp_path, PAIR, HEADER + b"".join(lines)).notes
    said = [n for n in notes if f"{people} privacy units, more than max_people = 1000" in n]
    assert bool(said) is told


@settings(max_examples=20, deadline=None)
@given(st.binary(max_size=200) | st.lists(st.sampled_from(
    [b'"', b",", b"\n", b"\r", b"\0", b"\xff", b"1", b"nan", b"\xe5\x8c\x97", b"\xef\xbb\xbf"]
), max_size=60).map(b"".join))  # fmt: skip
@example(b'"')
@example(b'"\n"\n"')
def test_any_bytes_after_a_header_make_a_snapshot(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        report = freeze(Path(folder), table(COLUMNS), b"pid,age,income,big,city,code,day\n" + data)
        assert report.rows == len(stored(Path(folder), table(COLUMNS)))


@pytest.mark.parametrize(("data", "culprit"), [
    (b"", "north.csv: the file is empty"),
    (b"\n\r\n", "north.csv: the file is empty"),
    (b"pid,city\n1,a\n", "north.csv: the header lacks column age"),
    (b"pid,age,city,age\n1,2,a,3\n", "north.csv: the header names column age 2 times"),
    (b"1,4711,a\n2,3,b\n", "north.csv: the header lacks column pid"),
    (b"\x89PNG\r\n\x1a\n\0\0\0", "north.csv: the header lacks column pid"),
    (b"PK\x03\x04" + bytes(range(256)), "north.csv: the header lacks column pid"),
    (b"PAR1 but no parquet", "north.csv: it is no readable Parquet file"),
])  # fmt: skip
def test_a_file_that_cannot_be_the_table_is_named(tmp_path: Path, data: bytes, culprit: str) -> None:
    with pytest.raises(Misconfigured) as refused:
        freeze(tmp_path, PAIR, data)
    assert refused.value.message.startswith(culprit)
    assert "4711" not in refused.value.message
    assert list((tmp_path / "state" / "snapshots" / "people").iterdir()) == []


@pytest.mark.parametrize("name", ["north.csv", "north.parquet"])
def test_a_missing_file_and_a_folder_are_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(Misconfigured, match=rf"^{name}: No such file"):
        DuckDB(tmp_path / "state").snapshot(PAIR, tmp_path / name)
    (tmp_path / name).mkdir()
    with pytest.raises(Misconfigured, match=rf"^{name}: Is a directory"):
        DuckDB(tmp_path / "state").snapshot(PAIR, tmp_path / name)


def test_a_header_alone_is_a_table_without_records(tmp_path: Path) -> None:
    assert freeze(tmp_path, PAIR, b"\xef\xbb\xbfcity, pid ,extra,age").rows == 0
    assert stored(tmp_path, PAIR) == []


def test_the_operator_is_told_counts_and_never_a_value(tmp_path: Path) -> None:
    strict = table([replace(AGE, nullable=False), CITY, INCOME, DAY])
    data = (
        "pid,age,city,income,day\nS1,S2,北京,S3,S4\n,300,S5,1e9,\n,7,\n".encode()
        + b"4,\xff,\xff,1,1999-01-01\n"
    )
    report = freeze(tmp_path, strict, data)
    assert report.rows == 4
    assert set(report.notes) == {
        "north.csv: 1 lines have fewer cells than the header; the missing ones count as NULL",
        "north.csv: 2 records have no pid and leave",
        "north.csv: 2 cells of column age are not integers and count as NULL",
        "north.csv: 2 records have NULL in column age, declared without",
        "north.csv: 1 cells of column age lie outside its bounds",
        "north.csv: 1 cells of column city are not UTF-8 text of at most 1,000 characters and count as NULL",
        "north.csv: 1 cells of column city are not among its codes and count as other",
        "north.csv: 1 cells of column income are not numbers and count as NULL",
        "north.csv: 1 cells of column income lie outside its bounds",
        "north.csv: 1 cells of column day are not dates (YYYY-MM-DD) and count as NULL",
    }


def test_a_vintage_is_made_once_and_outlives_its_source(tmp_path: Path) -> None:
    first = freeze(tmp_path, PAIR, HEADER + b"1,7,x\n")
    rows = stored(tmp_path, PAIR)
    assert freeze(tmp_path, PAIR, HEADER + b"1,8,y\n2,9,z\n") == first
    (tmp_path / "north.csv").unlink()
    assert DuckDB(tmp_path / "state").snapshot(PAIR, tmp_path / "north.csv") == first
    assert stored(tmp_path, PAIR) == rows
    newer = replace(PAIR, vintage="2027")
    assert freeze(tmp_path, newer, HEADER).rows == 0
    assert stored(tmp_path, PAIR) == rows


def test_other_columns_need_another_vintage(tmp_path: Path) -> None:
    freeze(tmp_path, PAIR, HEADER)
    with pytest.raises(Misconfigured, match="need a new vintage"):
        freeze(tmp_path, table([AGE]), HEADER)


def test_a_crash_in_between_leaves_nothing_in_the_way(tmp_path: Path) -> None:
    left = tmp_path / "state" / "snapshots" / "people" / ".partial-2026"
    left.mkdir(parents=True)
    (left / "records.parquet").write_bytes(b"half")
    (left / "tidy.csv").write_bytes(b"half")
    assert freeze(tmp_path, PAIR, HEADER + b"1,7,x\n").rows == 1
    assert not left.exists()


def test_only_the_owner_can_read_a_snapshot(tmp_path: Path) -> None:
    freeze(tmp_path, PAIR, HEADER + b"1,7,x\n")
    made = snapshot.folder(tmp_path / "state", PAIR)
    assert {p.name for p in made.iterdir()} == {"records.parquet", "report.json"}
    assert {stat.S_IMODE(p.stat().st_mode) for p in made.iterdir()} == {0o600}
    for folder in (made, made.parent, made.parent.parent, tmp_path / "state", tmp_path / "state" / "spill"):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


@pytest.mark.parametrize("vintage", ["../../escape", "..", ".", "", "a/b", "2026 春", "%2F", "[1]*?"])
def test_names_cannot_leave_the_state_folder(tmp_path: Path, vintage: str) -> None:
    source = replace(PAIR, name=vintage, vintage=vintage)
    freeze(tmp_path, source, HEADER + b"1,7,x\n")
    made = snapshot.folder(tmp_path / "state", source)
    assert made.resolve().parent.parent == (tmp_path / "state" / "snapshots").resolve()
    assert stored(tmp_path, source) == [("1", 7, "x")]


def test_folders_with_wildcards_and_hive_like_names_are_only_folders(tmp_path: Path) -> None:
    odd = tmp_path / "age=3" / "[ab]*"
    odd.mkdir(parents=True)
    assert freeze(odd, PAIR, HEADER + b"1,7,x\n").rows == 1
    parquet(odd / "south.parquet", "SELECT 1 AS pid, 2 AS age, 'x' AS city")
    other = replace(PAIR, vintage="2")
    DuckDB(odd / "state").snapshot(other, odd / "south.parquet")
    assert DuckDB(odd / "state").snapshot(other, odd / "gone.parquet").rows == 1


def test_columns_that_differ_only_in_case_are_refused(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="age and Age"):
        freeze(tmp_path, table([AGE, replace(AGE, name="Age")]), b"pid,age,Age\n1,2,3\n")


def test_a_unit_that_is_also_a_column_is_both(tmp_path: Path) -> None:
    source = table([AGE], unit="age")
    freeze(tmp_path, source, b"age\n07\n\n")
    assert stored(tmp_path, source) == [("07", 7)]


def test_repeated_persons_are_told_where_rows_were_called_persons(tmp_path: Path) -> None:
    body = HEADER + "1,7,北京\n1,8,北京\n2,9,北京\n".encode()
    said = "north.csv: 1 records repeat a pid: a person with several counts once, by their average"
    assert freeze(tmp_path, PAIR, body).notes == (said,)
    assert freeze(tmp_path, replace(PAIR, rows_per_person=2, vintage="2"), body).notes == ()


def test_float_bounds_in_notes_do_not_need_double_precision(tmp_path: Path) -> None:
    endless = replace(INCOME, upper=Fraction(10) ** 400)
    assert freeze(tmp_path, table([endless]), b"pid,income\n1,1e300\n").notes == ()


def test_a_category_without_codes_has_only_unlisted_ones(tmp_path: Path) -> None:
    none = Column("city", ColumnType.CATEGORY)
    notes = freeze(tmp_path, table([none]), b"pid,city\n1,a\n").notes
    assert notes == ("north.csv: 1 cells of column city are not among its codes and leave where it is a key",)
