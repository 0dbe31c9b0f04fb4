"""What depends on records is bounded, dropped or sent to `other`, and told to the operator alone.

Each case replays one round twice, over holdings that differ in records only. A bad record and what the
rules make of it give the analyst the same bytes; a bad record and none give the same status, text, keys
and moment. The whole path is walked: file, vintage, engine, noise, commitment, decryption, decoding.
"""

import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest

from cotally.v1 import query_pb2
from tests.protocol.lab import Lab
from tests.protocol.site import Answered, Site, rounds_of_today

HEADER = "pid,age,income,sex,city,seen\n"
GOOD = "".join(f"{i},{i * 9},{i * 90},{i % 2},{'京é'[i % 2]},2024-0{i}-01\n" for i in range(1, 9))
K = query_pb2.StatisticKind
QUESTION = query_pb2.Query(
    table="people", keys=["sex", "city", "year"],
    derived=[query_pb2.DerivedKey(name="year", derivation=query_pb2.DERIVATION_YEAR, column="seen",
                                  other=True)],
    statistics=[query_pb2.Statistic(alias="n", kind=K.STATISTIC_KIND_COUNT_ROWS),
                query_pb2.Statistic(alias="total", kind=K.STATISTIC_KIND_SUM, column="income"),
                query_pb2.Statistic(alias="age", kind=K.STATISTIC_KIND_MEAN, column="age")],
    privacy=query_pb2.PrivacyClause(rho="0.02", confidence="0.95", mechanism=query_pb2.MECHANISM_GAUSSIAN))


@dataclass(frozen=True)
class Case:
    """Bad lines, the lines that the rules make of them (None: nothing else is the same), who is told what."""

    bad: bytes
    same: bytes | None
    told: tuple[str, ...]


CASES = {
    "no unit": Case(
        b",30,100,0,\xe4\xba\xac,2024-01-01\nNULL,30,100,0,,\nnan,30,100,1,,\n", b"",
        ("3 records have no pid and leave",)),
    "duplicates where rows were called persons": Case(
        b"x,20,100,0,,2024-01-01\nx,40,301,0,,2024-01-01\nx,40,301,0,,2024-01-01\n",
        b"x,33,234,0,,2024-01-01\n",  # averages, rounded half up
        ("2 records repeat a pid: a person with several counts once, by their average",)),
    "values outside the bounds": Case(
        b"a,-7,inf,0,,2024-01-01\nb,1" + b"0" * 30 + b",-1e308,0,,2024-01-01\nc,101,1000.4,1,,1999-01-01\n",
        b"a,0,1000,0,,2024-01-01\nb,100,0,0,,2024-01-01\nc,100,1000,1,,\n",
        ("3 cells of column age lie outside its bounds", "3 cells of column income lie outside its bounds",
         "1 cells of column seen lie outside its bounds")),
    "cells of no meaning": Case(
        b"a,30,much,0,,2024-01-01\nb,30,nan,0,,2024-02-31\nc,30,\xff\xfe,1,,soon\nd,30,1\x002,1,\xc3\x28,\n",
        b"a,30,,0,,2024-01-01\nb,30,,0,,\nc,30,,1,,\nd,30,,1,,\n",
        ("4 cells of column income are not numbers and count as NULL",
         "2 cells of column seen are not dates (YYYY-MM-DD) and count as NULL",
         "1 cells of column city are not UTF-8 text of at most 1,000 characters and count as NULL")),
    "NULL where none was declared": Case(
        b"a,,100,0,,2024-01-01\nb,old,100,1,,2024-01-01\n", None,
        ("2 records have NULL in column age, declared without",)),
    "a drifted code list": Case(
        b"a,30,100,9,,2024-01-01\nb,30,100,female,,2024-01-01\n", b"",
        ("2 cells of column sex are not among its codes and leave where it is a key",)),
    "a drifted code list with other": Case(
        "a,30,100,0,Wxyzzy,2024-01-01\nb,30,100,0,京京,2024-01-01\n".encode(),
        b"a,30,100,0,,2024-01-01\nb,30,100,0,,2024-01-01\n",
        ("2 cells of column city are not among its codes and count as other",)),
    "lines of no shape": Case(
        b'a,30,"100,0,,2024-01-01\nb,30\nc,30,100,0,,2024-01-01,wxyzzy,1\n',
        b"a,30,100,0,,2024-01-01\nb,30,,,,\nc,30,100,0,,2024-01-01\n",
        ("1 lines have quotes that do not match", "1 lines have fewer cells than the header",
         "1 lines have more cells than the header")),
    "a record of two lines, longer than one may be": Case(
        (",".join(['"' + 2 * ("\N{GRINNING FACE}" * 60_000 + "\n") + '"'] * 6) + "\n").encode(), None,
        ("lines have quotes that do not match", "lines have fewer cells than the header")),
    "twenty thousand records of one person": Case(
        b"x,40,300,0,,2024-01-01\n" * 20_000, b"x,40,300,0,,2024-01-01\n",
        ("19999 records repeat a pid: a person with several counts once, by their average",)),
    "dates and persons from before all time": Case(
        b"a,30,100,0,,1969-12-31\nb,30,100,0,,0001-01-01\nc,30,100,0,,9999-12-31\n" + b"d" * 900
        + b",30,100,1,,99999999999-01-01\n",
        b"a,30,100,0,,\nb,30,100,0,,\nc,30,100,0,,\nd,30,100,1,,\n",
        ("3 cells of column seen lie outside its bounds", "1 cells of column seen are not dates")),
    "more people than the catalog allows": Case(
        b"".join(b"m%d,100,1000,0,,2024-01-01\n" % i for i in range(30)), None,
        ("there are 38 privacy units, more than max_people = 20",)),
}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """One federation for all cases; a round spends a hundredth of a budget."""
    yield rounds_of_today(tmp_path_factory.mktemp("lab"))


@pytest.fixture(scope="module")
def clean(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Answered:
    """The answer over good records alone."""
    return Site(lab, tmp_path_factory.mktemp("clean") / "site", (HEADER + GOOD).encode()).ask(QUESTION)


def over(lab: Lab, folder: Path, lines: bytes) -> Answered:
    """The answer over the good records and these."""
    return Site(lab, folder, (HEADER + GOOD).encode() + lines).ask(QUESTION)


def shape(value: Any) -> Any:
    """Everything that numbers do not decide; what noise made null or flagged is a number too."""
    if isinstance(value, dict):
        return {key: "any" if key.split("_")[0] in ("n", "total", "age") else shape(each)
                for key, each in value.items()}
    return [shape(each) for each in value] if isinstance(value, list) else value


@pytest.mark.parametrize("name", CASES)
def test_a_bad_record_shows_to_the_operator_alone(
    lab: Lab, clean: Answered, tmp_path: Path, name: str
) -> None:
    case = CASES[name]
    bad = over(lab, tmp_path / "bad", case.bad)
    assert bad.refused is None
    if case.same is not None:
        same = over(lab, tmp_path / "same", case.same) if case.same else clean
        assert bad.text == same.text
    assert json.dumps(shape(bad.json)) == json.dumps(shape(clean.json))
    assert bad.d == clean.d
    for sentence in case.told:
        assert any(sentence in note for note in bad.told), bad.told
    assert not clean.told


def columns(records: bytes, broken: bytes = b"") -> bytes:
    """A Parquet file of CSV *records*, whose text MARKMARK is *broken* in the file."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "a.csv", Path(folder) / "a.parquet"
        source.write_bytes(records)
        duckdb.connect().execute(f"COPY (SELECT * FROM read_csv('{source}', all_varchar = true)) "
                                 f"TO '{target}' (FORMAT parquet, COMPRESSION uncompressed)")
        return target.read_bytes().replace(b"MARKMARK", broken.ljust(8, b"?"))


@pytest.mark.parametrize("broken, same", [
    ("a,30,100,0,MARKMARK,2024-01-01", "a,30,100,0,,2024-01-01"), ("MARKMARK,30,100,0,,2024-01-01", "")])
def test_a_parquet_file_that_lies_of_its_text_is_read_to_its_end(
    lab: Lab, tmp_path: Path, broken: str, same: str
) -> None:
    good = (HEADER + GOOD).encode()
    lying = columns(good + broken.encode(), b"\xff\xfe\xed\xa0\x80")
    lies = Site(lab, tmp_path / "lies", lying).ask(QUESTION)
    honest = Site(lab, tmp_path / "honest", columns(good + same.encode())).ask(QUESTION)
    assert lies.refused is None and (lies.text, lies.d) == (honest.text, honest.d)
    assert len(lies.told) == len(honest.told) + 1


def test_an_empty_holding_looks_like_any_other(lab: Lab, clean: Answered, tmp_path: Path) -> None:
    hollow = Site(lab, tmp_path / "site", HEADER.encode()).ask(QUESTION)
    assert json.dumps(shape(hollow.json)) == json.dumps(shape(clean.json))
    assert hollow.told == ["people.csv: there is a header and no record"]


def test_the_operator_is_told_counts_and_no_value(lab: Lab, tmp_path: Path) -> None:
    everything = b"".join(case.bad for case in CASES.values())
    site = Site(lab, tmp_path / "site", (HEADER + GOOD).encode() + everything)
    site.holding()
    said = json.dumps(site.log, ensure_ascii=False)
    for value in ("much", "soon", "old", "female", "xyzzy", "京京", "1e308", "0000000", "udc"):
        assert value not in said


def test_the_comparison_sees_one_good_record(lab: Lab, clean: Answered, tmp_path: Path) -> None:
    more = over(lab, tmp_path / "more", "x,30,100,0,京,2024-01-01\n".encode())
    assert more.text != clean.text
    pairs = zip(more.json["rows"], clean.json["rows"], strict=True)
    moved = [(a["sex"], a["city"], a["year"]) for a, b in pairs if a != b]
    assert moved == [("0", "京", "2024")]
    again = over(lab, tmp_path / "again", b"")
    assert again.text == clean.text, "the noise is replayed"
