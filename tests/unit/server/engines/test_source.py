"""Addresses of data: what is accepted has one meaning, what is not is named."""

from pathlib import Path

import pytest

from cotally.server.engines.source import File, PostgresTable, SparkTable, absolute, parse, spelling

HERE = Path("/spec")


@pytest.mark.parametrize(("said", "meant"), [
    ("north.csv", File(HERE / "north.csv")),
    ("/data/north.parquet", File(Path("/data/north.parquet"))),
    ("postgresql://r@db/health?table=clinic.visits",
     PostgresTable("postgresql://r@db/health", "clinic", "visits")),
    ("postgres://db/h?sslmode=verify-full&table=visits&snapshots=vintages",
     PostgresTable("postgres://db/h?sslmode=verify-full", "public", "visits", "vintages")),
    ("postgresql://r@/h?host=%2Ftmp%2Fpg&table=visits",
     PostgresTable("postgresql://r@/h?host=/tmp/pg", "public", "visits")),
    ("spark://local?path=visits.parquet", SparkTable("spark://local", "", "/spec/visits.parquet", "")),
    ("sc://s:15002?table=lake.visits&snapshots=s3a://b/x",
     SparkTable("sc://s:15002", "lake.visits", "", "s3a://b/x")),
])  # fmt: skip
def test_an_address_has_one_meaning(said: str, meant: object) -> None:
    assert parse(said, HERE) == meant


def test_a_table_spells_the_same_as_a_text() -> None:
    asked = {"url": "postgresql://r@db/health?sslmode=require", "table": "clinic.就诊", "snapshots": "a b"}
    assert parse(spelling(asked), HERE) == PostgresTable(
        "postgresql://r@db/health?sslmode=require", "clinic", "就诊", "a b")


@pytest.mark.parametrize(("said", "complaint"), [
    ("postgresql://r@db/health", "names no table"),
    ("postgresql://r:secret@db/health?table=t", "password file"),
    ("mysql://db/health?table=t", "no engine knows: mysql"),
    ("spark://host:7077?table=t", "no folder for snapshots"),
    ("spark://local", "one of table and path"),
    ("spark://local?table=a&path=b", "one of table and path"),
])
def test_what_is_wrong_with_an_address_is_named(said: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint) as refused:
        parse(said, HERE)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(("said", "complaint"), [
    (1, "must be the path"), ("", "must be the path"), ({"table": "t"}, "must name a database"),
    ({"url": "postgresql://db/h", "tabel": "t"}, "unknown key 'tabel'"),
    ({"url": "postgresql://db/h", "table": 1}, "no text"), ({"url": "north.csv"}, "must name a database"),
])
def test_what_is_wrong_with_a_table_is_named(said: object, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        spelling(said)


def test_an_address_is_the_same_from_every_folder_once_absolute() -> None:
    made = absolute("spark://local?path=visits.parquet", HERE)
    assert parse(made, Path("/elsewhere")) == parse("spark://local?path=visits.parquet", HERE)
    assert absolute("postgresql://db/h?table=t", HERE) == "postgresql://db/h?table=t"
