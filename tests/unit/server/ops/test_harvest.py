"""`cotally node init` proposes names and types; bounds and codes wait for people."""

import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cotally.client.cli.main import main
from cotally.server.ops.spec import load_spec
from cotally.v1.refusals import Misconfigured
from tests.postgres import Server

CSV = "pid,age,income,city,visited\n" + "".join(
    f"p{i},{i % 90},{i / 7},{'é' if i % 2 else '北京'},2024-01-{i % 28 + 1:02d}\n" for i in range(200)
) + "p200,,,,\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "visits.csv").write_text(CSV, "utf-8")
    return tmp_path


def proposed(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    assert main(["node", "init", *argv, "-o", "json"]) == 0
    text: str = json.loads(capsys.readouterr().out)["fragment"]
    return text


def test_types_and_the_unit_are_proposed_and_bounds_are_not(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = proposed(capsys, str(folder), "--department", "north", "--codes", "confirm")
    (table,) = tomllib.loads(text)["tables"]
    assert table["unit"] == "pid"
    assert {c["name"]: c["type"] for c in table["columns"]} == {
        "age": "integer", "income": "float", "city": "category", "visited": "date"}
    assert not any(key in column for column in table["columns"] for key in ("lower", "upper", "resolution"))
    assert "89" not in text and "28.4" not in text  # the largest age, the largest income
    assert "must be public knowledge" in text


@pytest.mark.parametrize(("header", "unit"), [
    ("编号,收入,性别", "编号"), ("居民,收入,性别", "居民"), ("身份证,收入,性别", "身份证")])
def test_an_income_is_not_taken_for_the_person(
    header: str, unit: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both have as many values as there are rows, to the accuracy with which an engine counts them."""
    rows = "".join(f"p{i},{i * 10},{'男女'[i % 2]}\n" for i in range(200))
    (tmp_path / "t.csv").write_text(f"{header}\n{rows}", "utf-8")
    (table,) = tomllib.loads(proposed(capsys, str(tmp_path / "t.csv")))["tables"]
    assert table["unit"] == unit


@pytest.mark.parametrize("rows", ["", "p0,\np1,\n"])
def test_a_column_without_values_is_not_said_to_have_many(
    rows: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "t.csv").write_text("pid,ward\n" + rows, "utf-8")
    text = proposed(capsys, str(tmp_path / "t.csv"))
    assert "decide: its type, since it has no values here" in text and "many values" not in text


def test_codes_that_nobody_confirmed_stay_comments(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    left = tomllib.loads(proposed(capsys, str(folder), "--codes", "leave"))["tables"][0]["columns"]
    confirmed = tomllib.loads(proposed(capsys, str(folder), "--codes", "confirm"))["tables"][0]["columns"]
    assert [c.get("codes") for c in left if c["name"] == "city"] == [None]
    assert [c.get("codes") for c in confirmed if c["name"] == "city"] == [["é", "北京"]]


def test_a_proposal_is_refused_until_it_is_complete_and_accepted_then(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = proposed(capsys, str(folder / "visits.csv"), "--out", str(folder / "part.toml"),
                    "--codes", "confirm", "--department", "north")
    assert (folder / "part.toml").read_text("utf-8") == text
    head = '[federation]\nname = "f"\nmin_departments = 2\n'
    spec = folder / "spec.toml"
    spec.write_text(head + text, "utf-8")
    with pytest.raises(Misconfigured):
        load_spec(spec)
    done = (text.replace('type = "integer"', 'type = "integer", lower = 0, upper = 120')
            .replace('type = "float"', 'type = "float", lower = 0, upper = 1000, resolution = 1')
            .replace('type = "date"', 'type = "date", lower = "2020-01-01", upper = "2029-12-31"')
            .replace("# budget", "budget"))
    spec.write_text(head + done, "utf-8")
    (table,) = load_spec(spec).tables
    assert [c.name for c in table.columns] == ["age", "income", "city", "visited"]


def test_a_database_is_harvested(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    import psycopg
    with psycopg.connect(server.url("admin"), autocommit=True) as admin:
        admin.execute("CREATE SCHEMA harvested")
        admin.execute("CREATE TABLE harvested.stays (patient_id text, days integer, ward text, cost numeric)")
        admin.execute("INSERT INTO harvested.stays VALUES ('a', 3, 'w1', 7.5), ('b', NULL, 'w2', 8)")
        admin.execute("CREATE TABLE harvested.hidden (x integer)")
        admin.execute("GRANT USAGE ON SCHEMA harvested TO reader; GRANT SELECT ON harvested.stays TO reader")
        try:
            made = tomllib.loads(proposed(capsys, server.url("reader"), "--codes", "confirm"))
        finally:
            admin.execute("DROP SCHEMA harvested CASCADE")
    (table,) = made["tables"]
    assert (table["name"], table["unit"]) == ("stays", "patient_id")
    assert {c["name"]: c["type"] for c in table["columns"]} == {
        "days": "integer", "ward": "category", "cost": "float"}
    assert made["departments"][0]["data"]["stays"].endswith("table=harvested.stays")


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """A terminal at which somebody types."""
    typed: list[str] = []

    class Terminal:
        def isatty(self) -> bool:
            return True

        def readline(self) -> str:
            return typed.pop(0) + "\n"

    monkeypatch.setattr("sys.stdin", Terminal())
    yield typed


def test_five_questions_are_asked_at_most(
    folder: Path, answers: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "people.csv").write_text("id,sex\n1,m\n2,f\n", "utf-8")
    answers += ["north", "visits,people", "pid", "residents", "confirm"]
    assert main(["node", "init", str(folder)]) == 0
    assert answers == []
    made: Any = tomllib.loads(capsys.readouterr().out)
    assert {t["name"]: t["unit"] for t in made["tables"]} == {"visits": "pid", "people": "id"}


@pytest.mark.parametrize(("argv", "said"), [
    (["nowhere.csv"], "no such file"), (["mysql://db/x"], "no engine knows: mysql://"),
    (["visits.csv", "--unit", "nobody"], "no such column"),
    (["visits.csv", "--table", "x"], "none of the tables"),
])
def test_what_cannot_be_harvested_is_named(
    folder: Path, argv: list[str], said: str, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    assert main(["node", "init", *argv]) == 3
    assert said in capsys.readouterr().err
