"""`cotally bench`: all promised rows whatever happens, and what the words on the command line do."""

import argparse
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from cotally.server.ops.bench import federation, suite
from cotally.server.ops.bench.command import command
from cotally.server.ops.bench.rows import ROWS
from cotally.v1.refusals import Misconfigured


def run(*argv: str) -> int:
    parser = argparse.ArgumentParser()
    command.configure(parser)
    return command.run(parser.parse_args(argv))


@pytest.fixture(autouse=True)
def unset_backend(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COTALLY_BACKEND", "gmpy2")  # put back afterwards, whatever a run sets


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """A source tree whose programs the test writes."""
    monkeypatch.setattr(suite, "SOURCE", tmp_path)
    (tmp_path / "benchmarks").mkdir()
    yield tmp_path / "benchmarks"


@pytest.mark.parametrize("name", ROWS)
def test_without_the_source_tree_every_row_is_missing(
    name: str, elsewhere: Path, capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(name, "-o", "json") == 0
    said = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [each["row"] for each in said] == list(ROWS[name])
    assert all(each == {"suite": name, "row": each["row"], "backend": "gmpy2", "missing": suite.NOT_THERE}
               for each in said)


def test_rows_are_passed_on_and_noise_on_standard_output_is_not(
    elsewhere: Path, capfd: pytest.CaptureFixture[str],
) -> None:
    (elsewhere / "noise.py").write_text(
        "import os, sys\nprint('[info] hello')\nprint('{\"row\": \"x\", \"count\": 1}')\n"
        "print('[1]')\nprint('{\"row\": \"noise_laplace_vs_opendp\", \"ratio\": 9.5}')\n"
        "said = ' '.join([*sys.argv[1:], os.environ['COTALLY_BACKEND']])\n"
        "print('{\"row\": \"args\", \"missing\": \"' + said + '\"}')")
    assert run("noise", "-o", "json", "--values", "5", "--rounds", "2", "--backend", "gmpy2") == 0
    out, err = capfd.readouterr()
    said = [json.loads(line) for line in out.splitlines()]
    assert [each["row"] for each in said] == [
        "x", "noise_laplace_vs_opendp", "args", "noise_gaussian_vs_opendp"]
    assert said[1] == {"suite": "noise", "backend": "gmpy2", "row": "noise_laplace_vs_opendp", "ratio": 9.5}
    assert said[2]["missing"] == "--rounds 2 --values 5 gmpy2"
    assert "before this row" in said[3]["missing"]
    assert "[info] hello" in err
    assert "[1]" in err


def test_a_program_that_breaks_leaves_rows_missing_and_fails_the_run(
    elsewhere: Path, capfd: pytest.CaptureFixture[str],
) -> None:
    (elsewhere / "engine.py").write_text("raise SystemExit(3)")
    assert run("engine", "-o", "json") == 1
    said = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert [each["row"] for each in said] == list(ROWS["engine"])
    assert all("status 3" in each["missing"] for each in said)


def test_a_back_end_that_does_not_work_here_leaves_every_row_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("cotally.server.crypto.library.missing", lambda: "the processor is too old")
    assert run("crypto", "--backend", "ifma", "-o", "json") == 0
    said = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [each["row"] for each in said] == list(ROWS["crypto"])
    assert all(each["backend"] == "ifma" and "too old" in each["missing"] for each in said)
    assert os.environ["COTALLY_BACKEND"] == "ifma"


def test_a_variable_that_names_no_back_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COTALLY_BACKEND", "nonsense")
    with pytest.raises(Misconfigured, match="nonsense"):
        run("noise", "-o", "json")


def test_an_earlier_run_is_shown_without_measuring(
    tmp_path: Path, capsys: pytest.CaptureFixture[str],
) -> None:
    line = '{"suite": "noise", "row": "noise_laplace_vs_opendp", "backend": "ifma", "ratio": 93.0}'
    path, chart = tmp_path / "noise.jsonl", tmp_path / "noise.png"
    path.write_text(line)
    assert run("noise", "--read", str(path), "-o", "markdown", "--plot", str(chart)) == 0
    assert "| `noise_laplace_vs_opendp` | **93 x** | >= 80 ✓ |" in capsys.readouterr().out
    assert chart.is_file()
    assert run("noise", "--read", str(path), "-o", "json") == 0
    assert json.loads(capsys.readouterr().out) == json.loads(line)
    with pytest.raises(Misconfigured, match="the suite noise, not crypto"):
        run("crypto", "--read", str(path))
    with pytest.raises(Misconfigured, match="No such file"):
        run("crypto", "--read", str(tmp_path / "none"))


@pytest.mark.parametrize("words", [["coffee"], ["federation", "--rounds", "0"], ["engine", "--rows", "many"],
                                   ["crypto", "--backend", "gpu"]])
def test_wrong_words_are_usage_errors(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        run(*words)
    assert caught.value.code == 2
    assert words[-1] in capsys.readouterr().err


@pytest.mark.slow
def test_a_round_of_the_federation_is_measured(tmp_path: Path) -> None:
    rows = {row.row: row for row in federation.measure(3, 0, 2048, tmp_path)}
    assert set(ROWS["federation"]) <= set(rows)
    whole, others = rows["federation_rounds"].count, rows["federation_rounds_incomplete"].count
    assert (whole or 0) + (others or 0) == 3
    if whole:  # on a busy machine departments may be late every time
        assert rows["federation_p50"].seconds
    else:
        assert "no round was whole" in (rows["federation_p50"].missing or "")


@pytest.mark.parametrize("name", ["federation", "engine"])
def test_a_file_is_no_folder_to_keep_things_in(name: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(Misconfigured, match=r"--dir .*file cannot be made"):
        run(name, "--dir", str(tmp_path / "file"))
    assert (tmp_path / "file").read_text() == "mine"
