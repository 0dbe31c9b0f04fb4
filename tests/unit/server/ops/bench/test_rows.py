"""What `cotally bench` prints: the promised rows, one JSON object each, nothing invented."""

import argparse
import json
from pathlib import Path

import pytest

from cotally.server.ops.bench import federation
from cotally.server.ops.bench.command import command
from cotally.server.ops.bench.rows import ROWS, Row, missing, table


def run(*argv: str) -> int:
    parser = argparse.ArgumentParser()
    command.configure(parser)
    return command.run(parser.parse_args(argv))


@pytest.mark.parametrize("suite", ["crypto", "noise", "engine"])
def test_a_suite_that_is_not_built_says_so_for_every_row(
    suite: str, capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(suite, "-o", "json") == 0
    said = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [each["row"] for each in said] == list(ROWS[suite])
    for each in said:
        assert each == {"suite": suite, "row": each["row"], "backend": "gmpy2",
                        "missing": "not part of this release yet"}


def test_an_unknown_suite_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        run("coffee")
    assert caught.value.code == 2
    assert "federation" in capsys.readouterr().err


@pytest.mark.parametrize("rounds", ["0", "-1", "many"])
def test_there_is_at_least_one_round(rounds: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run("federation", "--rounds", rounds)
    assert "--rounds" in capsys.readouterr().err


def test_a_row_prints_only_what_it_says() -> None:
    assert json.loads(Row("federation", "federation_p50", seconds=1.23456789).to_json()) == {
        "suite": "federation", "row": "federation_p50", "backend": "gmpy2", "seconds": 1.234568}


def test_people_get_units() -> None:
    rows = [Row("s", "long_name", seconds=1.5), Row("s", "b", mebibytes=0.25), Row("s", "c", share=0.5),
            Row("s", "d", count=15), *missing("s", "no peer", ["e"])]
    lines = table(rows).splitlines()
    assert lines == ["long_name  1.500 s", "b          0.250 MiB", "c          50 %", "d          15",
                     "e          missing: no peer"]


def test_without_the_source_tree_the_workload_is_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
) -> None:
    monkeypatch.setattr(federation, "WORKLOAD", tmp_path / "federation.py")
    rows = federation.measure(1, 0, 2048, tmp_path)
    assert [row.row for row in rows] == list(ROWS["federation"])
    assert all(row.missing and "source tree" in row.missing for row in rows)
    assert federation.SOURCE.joinpath("pyproject.toml").is_file()
