"""`cotally query`: what is printed, saved, drawn and asked; what is refused before anything is spent."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cotally.client.cli.answer import reach
from cotally.client.decode.estimate import Estimate
from cotally.client.release import Release
from cotally.v1 import analyst_pb2
from cotally.v1.refusals import Refusal, Refused

SQL = "SELECT sex, COUNT(*) AS n FROM people GROUP BY sex WITH PRIVACY (epsilon = 1)"
Run = Callable[..., tuple[int, str, str]]


def step(kind: int, party: str = "", done: int = 0, total: int = 0) -> analyst_pb2.Progress:
    return analyst_pb2.Progress(
        step=analyst_pb2.Step.ValueType(kind), party=party, done=done, total=total, round=b"\x07" * 32)


def test_programs_get_one_object_on_one_line(run: Run) -> None:
    status, out, err = run("query", SQL)
    assert (status, err, out.count("\n")) == (0, "", 1)
    answer = json.loads(out)
    assert [row["n"] for row in answer["rows"]] == [900, 1500, 3]
    assert answer["rows"][2]["average_flag"] == "unstable"


def test_people_get_numbers_intervals_price_and_what_is_left(run: Run) -> None:
    status, out, _ = run("query", SQL, "-o", "table")
    assert status == 0
    head, rule, first, *_ = out.splitlines()
    assert head.split()[:2] == ["sex", "n"] and "95 % interval" in head and "flag" in head
    assert set(rule) == {"─"}
    assert first.startswith("f") and "900" in first and "…" in first
    assert "unstable: " in out and "3 departments" in out and "price: rho 0.04 of residents" in out
    assert "left: epsilon 0 (rho 0) of analyst ann, the tightest of 2 filters" in out
    assert all(line == line.rstrip() for line in out.splitlines())


def test_a_narrow_window_goes_without_intervals_but_cuts_no_number(
    run: Run, monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "70")
    _, out, _ = run("query", SQL, "-o", "table")
    assert "…" not in out and "too narrow" in out
    monkeypatch.setenv("COLUMNS", "20")
    _, out, _ = run("query", SQL, "-o", "table")
    assert "1,500" in out and "93,000" in out


def test_csv_has_a_column_per_field_and_nothing_for_what_is_missing(run: Run) -> None:
    _, out, err = run("query", SQL, "-o", "csv")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert len(rows) == 3 and rows[0]["n"] == "900.0" and rows[0]["n_flag"] == ""
    assert rows[2]["average_se"] == "" and rows[2]["average_flag"] == "unstable"
    assert err == ""


def test_value_plus_minus_reach_covers_a_lopsided_interval() -> None:
    assert reach(Estimate(10.0, 1.0, 9.0, 14.0)) == 4.0
    assert reach(Estimate(10.0, None, None, None, "unstable")) is None


def test_a_dry_run_explains_and_asks_nothing(run: Run, straw: Any) -> None:
    status, out, _ = run("query", "--dry-run", SQL, "-o", "table")
    assert status == 0 and straw.ran == 0
    assert "person-level epsilon 1.3" in out and "rho 0.04" in out and "± " in out
    assert "analyst ann      too little: rho 0.02 is left" in out
    assert "department east  epsilon" in out
    assert "nothing is spent" in out
    _, out, _ = run("query", "--dry-run", SQL)
    answer = json.loads(out)
    assert answer["release_id"] is None and "rows" not in answer
    assert set(answer["expected_error"]) == {"n", "total", "average"}


def test_what_an_equal_release_answers_is_told_to_be_free(run: Run, straw: Any, tmp_path: Path) -> None:
    straw.equal = b"\x07" * 32
    free = f"asking it again is free: an equal release exists ({'07' * 32})"
    status, out, _ = run("query", "--dry-run", SQL, "-o", "table")
    assert status == 0 and free in out and "too little" not in out
    assert json.loads(run("query", "--dry-run", SQL)[1])["equal_release"] == "07" * 32
    status, out, _ = run("budget", "--query", SQL, "-o", "table")
    assert status == 0 and f"rho 0: every filter can pay; {free}" in out
    told = json.loads(run("budget", "--query", SQL)[1])
    assert told["equal_release"] == "07" * 32 and told["affordable"]
    assert all(each["after_rho"] == each["left_rho"] and each["fits"] for each in told["filters"])
    file = tmp_path / "study.sql"
    file.write_text(f"{SQL};\n{SQL};")
    status, out, _ = run("budget", "--queries", file, "-o", "table")
    assert status == 0 and free in out and "together rho 0 of" in out


def test_the_question_may_come_from_standard_input(
    run: Run, straw: Any, monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(SQL))
    assert run("query", "-", "--purpose", "health")[0] == 0
    assert straw.asked == [(SQL, "health")]


def test_the_release_is_saved_and_drawn(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    kept, drawn = tmp_path / "a.release", tmp_path / "a.png"
    assert run("query", SQL, "--save", kept, "--plot", drawn)[0] == 0
    assert kept.stat().st_size > 1000
    assert drawn.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("option, target, said", [
    ("--save", "nowhere/x", "there is no folder"), ("--save", "", "is a folder"),
    ("--plot", "x.txt", ".png, .svg or .pdf"),
])
def test_what_cannot_be_written_is_refused_before_the_price_is_spent(
    run: Run, straw: Any, tmp_path: Path, option: str, target: str, said: str,
) -> None:
    status, _, err = run("query", SQL, option, tmp_path / target)
    assert (status, straw.ran) == (3, 0)
    failure = json.loads(err)
    assert failure["refusal"] == "MISCONFIGURED" and said in failure["message"]


def test_a_disk_that_fills_up_loses_no_answer(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")
    monkeypatch.setattr(Release, "save", full)
    status, out, err = run("query", SQL, "--save", tmp_path / "a.release")
    assert status == 3 and json.loads(out)["rows"]
    assert "No space left" in err and json.loads(out)["release_id"] in err


@pytest.mark.parametrize("argv", [("--dry-run", "-o", "csv"), ("--dry-run", "--save", "x")])
def test_options_that_contradict_each_other_are_usage(run: Run, argv: tuple[str, ...]) -> None:
    status, out, _ = run("query", SQL, *argv)
    assert (status, out) == (2, "")


def test_progress_is_a_line_per_step_beside_a_table_and_nothing_beside_json(run: Run, straw: Any) -> None:
    straw.steps = (step(analyst_pb2.STEP_ANNOUNCED, total=3),
                   step(analyst_pb2.STEP_COMMITTED, "ea\x1b[2Jst", 1, 3))
    assert run("query", SQL, "-o", "table")[2].splitlines() == [
        "round: announced to 3 departments", "round: committed 1/3 (ea\ufffd[2Jst)"]
    assert run("query", SQL, "-o", "json")[2] == ""


@pytest.mark.parametrize("refusal, status", [
    (Refusal.BUDGET_SPENT, 5), (Refusal.NOT_ALLOWED, 4), (Refusal.TOO_FEW_DEPARTMENTS, 6),
    (Refusal.UNREACHABLE, 7), (Refusal.CREDENTIALS, 8), (Refusal.INTERNAL, 1), (Refusal.BAD_PRIVACY, 2),
])
def test_a_refusal_becomes_a_sentence_and_its_exit_status(
    run: Run, straw: Any, refusal: Refusal, status: int,
) -> None:
    straw.error = Refused(refusal, "because")
    assert run("query", SQL) == (status, "", f'{{"refusal": "{refusal}", "message": "because"}}\n')
    assert run("query", SQL, "-o", "table")[2].splitlines()[0] == "error: because"


def test_ctrl_c_says_what_becomes_of_the_round(run: Run, straw: Any) -> None:
    straw.error = KeyboardInterrupt()
    status, out, err = run("query", SQL, "-o", "table")
    assert (status, out) == (130, "") and "before the round was announced" in err
    straw.steps = (step(analyst_pb2.STEP_ANNOUNCED, total=3),)
    status, _, err = run("query", SQL, "-o", "table")
    assert status == 130 and f"cotally release show {'07' * 32}" in err


def test_a_refused_question_never_reaches_the_coordinator(run: Run, straw: Any) -> None:
    status, _, err = run("query", "SELECT COUNT(*) FROM peple WITH PRIVACY (epsilon = 1)")
    assert (status, straw.ran) == (2, 0)
    assert json.loads(err)["refusal"] == "UNKNOWN_NAME" and "did you mean people" in err
