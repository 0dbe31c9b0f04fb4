"""A department's file is not what it should be: its operator is told what, the analyst nothing."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cotally.server.ops import folders
from tests.system.holdings import COUNT, DEPARTMENTS, HEADER, MINIMUM
from tests.system.running import Ran, Running, run

NODE = "north"
ALL = ("SELECT sex, COUNT(*) AS n, SUM(income) AS s, AVG(age) AS a FROM {} GROUP BY sex "
       "WITH PRIVACY (rho = 0.02, replay = false)")


def shape(value: Any) -> Any:
    """Everything about a JSON value that numbers in it do not decide: keys, groups, lengths, types."""
    if isinstance(value, dict):
        return {k: v if k in ("sex", "departments", "missing") else shape(v) for k, v in value.items()}
    if isinstance(value, list):
        return [shape(v) for v in value]
    return None if value is None or isinstance(value, float) else type(value).__name__


def masked(ran: Ran) -> tuple[int, str, Any]:
    """What the analyst may not be able to tell apart; statistics of rows may be null or flagged."""
    seen = shape(ran.json)
    for row in seen["rows"]:
        row |= {k: "any" for k in row if k.endswith("_flag")}
    return ran.status, ran.err, seen


def test_odd_values_and_empty_files_look_the_same_to_the_analyst(federation: Running) -> None:
    clean, odd, hollow = (federation.query(ALL.format(t), "-o", "json") for t in ("people", "odd", "hollow"))
    assert masked(clean) == masked(odd) == masked(hollow)
    assert [row["sex"] for row in clean.json["rows"]] == ["0", "1"]
    assert clean.json["departments"] == hollow.json["departments"] == list(DEPARTMENTS)
    counted = [row["n"] for row in hollow.json["rows"]]
    assert any(counted), "an empty file is counted with noise, like any other"


def test_the_operator_is_told_precisely(federation: Running) -> None:
    notes = [e["message"] for e in federation.said(NODE, "snapshot_note")]
    for said in ("2 records have no pid and leave", "cells of column income are not numbers",
                 "column sex are not among its codes", "column age lie outside its bounds",
                 "there is a header and no record"):
        assert any(said in note for note in notes), (said, notes)
    text = federation.roles[NODE].log.read_text()
    for value in ("much", "\\udc", "-1e308", "wxyzzy"):
        assert value not in text


def _without_a_column(file: Path) -> None:
    file.write_text("pid,age,sex\n1,2,0\n")


def _empty(file: Path) -> None:
    file.write_bytes(b"")


def _gone(file: Path) -> None:
    file.unlink()


def _a_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


def _unreadable_parquet(file: Path) -> None:
    file.write_bytes(b"PAR1 and then nothing")


@pytest.mark.parametrize("spoil, says", [
    (_without_a_column, "income"), (_empty, "empty"), (_gone, "No such file"), (_a_folder, "directory"),
    (_unreadable_parquet, "no readable Parquet")])
def test_a_file_that_cannot_serve_stops_its_node_with_a_sentence(
    federation: Running, tmp_path: Path, spoil: Callable[[Path], None], says: str,
) -> None:
    file = tmp_path / "records.csv"
    file.write_text(f"{HEADER}\n1,2,3,0\n")
    spoil(file)
    ran = started(federation, tmp_path / "node", file)
    assert ran.status == 3
    assert file.name in ran.sentence
    assert says in ran.sentence
    assert "Traceback" not in ran.err


def started(federation: Running, folder: Path, people: Path) -> Ran:
    """What a node says whose table of people is read from *people*; it must end by itself."""
    config = federation.roles[NODE].config
    shutil.copytree(config.parent, folder, ignore=shutil.ignore_patterns("state"))
    copy = folder / config.name
    folders.set_value(copy, "people", str(people))
    return run("node", "run", copy, seconds=60)


def test_without_that_department_the_analyst_learns_only_that_it_is_away(federation: Running) -> None:
    federation.kill(NODE)
    ran = federation.query(COUNT, "-o", "json")
    assert (ran.status, ran.json["missing"]) == (0, [NODE])
    assert len(ran.json["departments"]) == MINIMUM


def test_a_file_that_vanishes_later_is_not_missed(federation: Running, spec_file: Path) -> None:
    file = spec_file.parent / f"{NODE}-people.csv"
    kept = file.read_bytes()
    file.unlink()
    try:
        with federation.connect() as con:
            assert not con.sql(COUNT).run().missing
            federation.stop(NODE)
            federation.start(NODE)  # its vintage is a copy of its own
            assert not con.sql(COUNT).run().missing
    finally:
        file.write_bytes(kept)
