"""`cotally node init` on what people have: one sentence for what cannot be, and a config that works."""

import json
import signal
import subprocess
import sys
import tomllib
from fractions import Fraction
from pathlib import Path
from typing import Any

import duckdb
import pytest

from cotally.client.cli.main import main
from cotally.server.engines.holding import Holding
from cotally.server.model.query import Mechanism, Privacy, Query, Statistic, StatisticKind, Target
from cotally.server.ops import node_check
from cotally.server.ops.ceremony import member_folder
from cotally.server.ops.findings import Verdict
from cotally.server.planner.plan import make_plan
from cotally.server.settings import config, party
from tests.system.running import founded

GOOD = "pid,age,city\n" + "".join(f"p{i},{20 + i},{'京é'[i % 2]}\n" for i in range(40))


def init(capsys: pytest.CaptureFixture[str], *argv: str | Path) -> tuple[int, Any, str]:
    """Status, the one table's or None, and standard error."""
    status = main(["node", "init", *map(str, argv), "-o", "json"])
    said = capsys.readouterr()
    return status, json.loads(said.out) if status == 0 else None, said.err


def columns(made: Any) -> dict[str, str]:
    """Names and types of the first table."""
    return {c["name"]: c["type"] for c in tomllib.loads(made["fragment"])["tables"][0]["columns"]}


@pytest.mark.parametrize(("name", "content", "said"), [
    ("empty.csv", b"", "empty.csv: the file is empty; its first line must name the columns"),
    ("blank.csv", b"\n\n\n", "blank.csv: the file is empty"),
    ("bare.csv", b"p1,30,0\np2,40,1\n", "bare.csv: its first line is no header"),
    ("semi.csv", b"pid;age\np1;30\n", "semi.csv: its cells are separated by ';'; write them with commas"),
    ("tab.csv", b"pid\tage\np1\t30\n", "tab.csv: its cells are separated by '\\t'"),
    ("twice.csv", b"pid,age,Age\np1,30,31\n", "twice.csv: two columns have the same name"),
    ("gbk.csv", "pid,城市\np1,北京\n".encode("gbk"),
     "gbk.csv: its first line is not UTF-8; if it is GBK, run: iconv -f GB18030 -t UTF-8"),
    ("cells.csv", "pid,city\np1,北京\np2,上海\n".encode("gbk"),
     "cells.csv: it is not UTF-8; if it is GBK, run: iconv -f GB18030 -t UTF-8"),
    ("wide.csv", "pid,age\np1,3\n".encode("utf-16"),
     "wide.csv: it is UTF-16, not UTF-8; run: iconv -f UTF-16 -t UTF-8"),
    ("torn.parquet", b"PAR1 and nothing", "torn.parquet: it is no readable Parquet file"),
])
def test_a_file_that_cannot_serve_is_refused_with_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, content: bytes, said: str
) -> None:
    (tmp_path / name).write_bytes(content)
    status, _, err = init(capsys, tmp_path / name)
    assert status == 3
    (line,) = err.splitlines()
    assert said in json.loads(line)["message"]


def test_a_folder_gives_its_good_files_and_names_the_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a people.csv").write_text(GOOD, "utf-8")
    (tmp_path / "a-people.csv").write_text(GOOD, "utf-8")
    (tmp_path / "empty.csv").write_bytes(b"")
    (tmp_path / ".hidden.csv").write_text("x\n")
    (tmp_path / "notes.txt").write_text("no table")
    status, made, err = init(capsys, tmp_path)
    assert status == 0
    assert list(made["tables"]) == ["a_people", "a_people_2"]
    assert made["left_out"] == ["empty.csv: the file is empty; its first line must name the columns"]
    assert "left out: empty.csv" in err


@pytest.mark.parametrize(("inside", "said"), [
    ("_delta_log/0.json", "this is a Delta table; name it by a Spark that knows Delta"),
    ("_SUCCESS", "one table that Spark wrote; name it spark://local?path="),
])
def test_a_folder_of_sparks_is_no_folder_of_tables(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], inside: str, said: str
) -> None:
    (tmp_path / inside).parent.mkdir(exist_ok=True)
    (tmp_path / inside).write_text("{}")
    duckdb.execute(f"COPY (SELECT 1 AS pid) TO '{tmp_path}/part-0.parquet'")
    status, _, err = init(capsys, tmp_path)
    assert status == 3 and said in json.loads(err)["message"]


def test_marks_quotes_and_odd_cells_are_read_as_a_node_reads_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = ('\ufeffpid,age,note,"when\nseen"\n' + "".join(f'p{i},{i},"a, ""b""\nc",2024-01-0{i % 9 + 1}\n'
                                                           for i in range(99)) + "p99,much,,soon\n")
    (tmp_path / "odd.csv").write_text(text, "utf-8")
    status, made, _ = init(capsys, tmp_path / "odd.csv", "--codes", "confirm")
    assert status == 0 and made["tables"] == {"odd": {"rows": 100, "unit": "pid"}}
    assert columns(made) == {"age": "integer", "note": "category"}
    assert r'left out: "when\nseen"; rename it' in made["fragment"]
    assert "p98" not in made["fragment"] and "99" not in made["fragment"]


def test_what_parquet_holds_beyond_numbers_and_text_is_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    duckdb.execute("COPY (SELECT i AS pid, [1, 2] AS marks, CAST(i AS DECIMAL(9, 2)) AS cost, i > 3 AS old, "
                   "{'a': 1} AS pair, 'other' AS kind, DATE '2024-01-01' AS day FROM range(9) AS t(i)) "
                   f"TO '{tmp_path}/t.parquet'")
    status, made, _ = init(capsys, tmp_path / "t.parquet", "--codes", "confirm")
    assert status == 0
    assert columns(made) == {"cost": "float", "old": "category", "kind": "category", "day": "date"}
    assert "left out: marks; values of its type" in made["fragment"]
    kinds = tomllib.loads(made["fragment"])["tables"][0]["columns"]
    assert [c.get("codes") for c in kinds if c["name"] in ("old", "kind")] == [["false", "true"], None]


def test_nothing_is_overwritten_and_nothing_asked_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "p.csv").write_text(GOOD, "utf-8")
    (tmp_path / "part.toml").write_text("by hand")
    monkeypatch.setattr("sys.stdin", None)  # whoever asks fails
    assert main(["node", "init", str(tmp_path / "p.csv"), "--out", str(tmp_path / "part.toml"), "--yes"]) == 3
    assert "exists already" in capsys.readouterr().err
    assert (tmp_path / "part.toml").read_text() == "by hand"
    assert main(["node", "init", str(tmp_path / "p.csv"), "--out", str(tmp_path / "no" / "p.toml")]) == 3
    assert "no such folder" in capsys.readouterr().err


def test_with_yes_nobody_is_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Terminal:
        def isatty(self) -> bool:
            return True

        def readline(self) -> str:
            raise AssertionError("somebody was asked")

    monkeypatch.setattr("sys.stdin", Terminal())
    (tmp_path / "p.csv").write_text(GOOD, "utf-8")
    assert main(["node", "init", str(tmp_path / "p.csv"), "--yes"]) == 0
    assert tomllib.loads(capsys.readouterr().out)["departments"][0]["name"] == "department"


def test_an_interrupt_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text(GOOD, "utf-8")
    program = ("import signal, sys; from cotally.client.cli.main import main; "
               "signal.signal(signal.SIGINT, signal.default_int_handler); sys.stdin.isatty = lambda: True; "
               f"sys.exit(main(['node', 'init', {str(tmp_path / 'p.csv')!r}, '--out', "
               f"{str(tmp_path / 'part.toml')!r}]))")
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True) as process:
        assert process.stderr is not None
        asked = ""
        while "1. What" not in asked:
            asked += process.stderr.read(1)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
    assert sorted(p.name for p in tmp_path.iterdir()) == ["p.csv"]


HEAD = """
[federation]
name = "one"
key_bits = 2048
"""


def test_a_proposal_that_somebody_completed_is_founded_checked_and_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "people.csv").write_text(GOOD, "utf-8")
    (tmp_path / "people.csv").chmod(0o600)
    status, made, _ = init(capsys, tmp_path / "people.csv", "--out", tmp_path / "part.toml",
                           "--department", "north", "--codes", "confirm")
    assert status == 0
    completed = (made["fragment"].replace('type = "integer"', 'type = "integer", lower = 0, upper = 120')
                 .replace("# budget", "budget"))
    (tmp_path / "spec.toml").write_text(HEAD + completed, "utf-8")
    root = founded(tmp_path / "spec.toml", tmp_path / "federation")
    file = member_folder(root, "node", "north") / "node.toml"
    found = list(node_check.node_findings(file, with_parity=False, offline=True))
    assert {f.verdict for f in found} == {Verdict.OK}, [f for f in found if f.fix]
    settings = config.node(file)
    federation = party.federation(settings.common)
    (table,) = federation.catalog.tables
    holding = Holding(tmp_path / "state", settings.data)
    assert holding.snapshot(table).rows == 40
    query = Query("people", ("city",), (Statistic("n", StatisticKind.COUNT_ROWS),), None,
                  Privacy(Target.RHO, Fraction(1), Fraction(19, 20), Mechanism.GAUSSIAN))
    plan = make_plan(query, table, federation.rules)
    refinement = plan.blocks[0].refinement
    assert [n // refinement for n in holding.measure(query, table, plan, bytes(32))] == [20, 20, 0]


@pytest.mark.slow
def test_a_table_of_sparks_is_proposed_likewise(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("pyspark")
    (tmp_path / "visits").mkdir()
    duckdb.execute("COPY (SELECT 'p' || i AS pid, i AS age, 'c' || i % 3 AS city, [1] AS marks FROM range(90)"
                   f" AS t(i)) TO '{tmp_path}/visits/part-0.parquet'")
    address = f"spark://local?path={tmp_path}/visits"
    status, made, _ = init(capsys, address, "--codes", "confirm")
    assert status == 0
    read = tomllib.loads(made["fragment"])
    assert (read["tables"][0]["name"], read["tables"][0]["unit"]) == ("visits", "pid")
    assert columns(made) == {"age": "integer", "city": "category"}
    assert read["tables"][0]["columns"][1]["codes"] == ["c0", "c1", "c2"]
    assert "left out: marks" in made["fragment"]
    assert read["departments"][0]["data"] == {"visits": address}


@pytest.mark.parametrize(("address", "said"), [
    ("spark://local", "must name one of table and path"),
    ("sc://spark.example:15002?table=lake.visits", "names no folder for snapshots"),
    ("postgresql://reader:secret@db.example/health", "holds a password"),
])
def test_an_address_that_cannot_be_is_named(
    capsys: pytest.CaptureFixture[str], address: str, said: str
) -> None:
    status, _, err = init(capsys, address)
    assert status == 3 and said in json.loads(err)["message"] and "secret" not in err
