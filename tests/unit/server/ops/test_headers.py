"""A sandbox whose files lack a column ends with a sentence before its ceremony."""

import json
from pathlib import Path

import duckdb
import pytest

from cotally.client.cli.main import main
from tests.unit.server.ops.test_spec import MINIMAL, written


@pytest.mark.parametrize(("content", "said"), [
    (b"y\n1\n", "t.csv: the header lacks column x"),
    (b"", "t.csv: the file is empty; its first line must name the columns"),
    (b"x,x\n1,2\n", "t.csv: the header names column x 2 times"),
])
def test_a_header_that_does_not_fit_is_found_before_the_ceremony(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes, said: str
) -> None:
    spec = written(tmp_path, MINIMAL)
    (tmp_path / "t.csv").write_bytes(content)
    assert main(["sandbox", str(spec), "--dir", str(tmp_path / "home"), "--", "true"]) == 3
    err = capsys.readouterr().err
    assert f"departments[0].data.t: {said}" in err
    assert not (tmp_path / "home").exists()


def test_a_parquet_file_is_asked_for_its_schema(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = written(tmp_path, MINIMAL.replace("t.csv", "t.parquet"))
    for select, said in (("1 AS y", "the header lacks column x"),
                         ("[1] AS x", "column x is of type INTEGER[], which is not text")):
        duckdb.execute(f"COPY (SELECT {select}) TO '{tmp_path}/t.parquet'")
        assert main(["sandbox", str(spec), "--", "true"]) == 3
        assert said in capsys.readouterr().err


def test_names_in_any_script_are_shown_as_letters(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "数据.csv").write_text("x\n")
    assert main(["node", "check", str(tmp_path / "数据.toml"), "--offline", "-o", "json"]) == 3
    assert "数据.toml" in capsys.readouterr().out
    assert main(["node", "init", str(tmp_path / "没有.csv"), "-o", "json"]) == 3
    err = capsys.readouterr().err
    assert "没有.csv" in err and json.loads(err)["refusal"] == "MISCONFIGURED"
