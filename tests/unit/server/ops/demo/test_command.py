"""`cotally demo` around a sandbox that is played by a small script."""

import argparse
import json
import os
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from cotally.server.ops.demo.command import DemoCommand, command
from cotally.server.ops.demo.folder import DemoFolder
from cotally.v1.commands import Command, mount

# Plays `cotally sandbox SPEC --dir DIR -- TOUR ...`: remembers its arguments, reports, ends with a status.
SANDBOX = """
import json, pathlib, sys, time
here, status, nap = pathlib.Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
here.joinpath("argv.json").write_text(json.dumps(sys.argv[4:]))
time.sleep(nap)
if not status:
    summary = sys.argv[sys.argv.index("--summary") + 1]
    pathlib.Path(summary).write_text(json.dumps({"covered": 39, "seconds": {"tour": 0.01}}))
sys.exit(status)
"""


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Invent nobody, and have the temporary folders where the test can see them."""
    def fill(demo: DemoFolder, people: int, seed: int, say: object) -> None:
        demo.root.mkdir(parents=True, exist_ok=True)
        (demo.root / "filled").write_text(f"{people} {seed}", "utf-8")
    monkeypatch.setattr(DemoFolder, "fill", fill)
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))


def run(tmp_path: Path, *words: str, status: int = 0, nap: float = 0) -> int:
    sandbox = tmp_path / "sandbox.py"
    sandbox.write_text(SANDBOX, "utf-8")
    demo = DemoCommand([sys.executable, str(sandbox), str(tmp_path), str(status), str(nap)])
    parser = argparse.ArgumentParser()
    mount(parser.add_subparsers(), demo)
    return demo.run(parser.parse_args(["demo", *words]))


def asked(tmp_path: Path) -> list[str]:
    words: list[str] = json.loads((tmp_path / "argv.json").read_text())
    return words


def left(tmp_path: Path) -> list[Path]:
    return list((tmp_path / "temporary").iterdir())


def test_it_is_a_command() -> None:
    assert isinstance(command, Command)


def test_the_sandbox_is_run_as_anybody_would(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path) == 0
    words = asked(tmp_path)
    assert words[0] == "sandbox" and words[1].endswith("/demo.toml") and words[2] == "--dir"
    assert words[4] == "--"
    assert words[5:9] == [sys.executable, "-P", "-m", "cotally.client.tour"]
    assert "--kept" not in words and "--quiet" not in words
    out, err = capfd.readouterr()
    assert "took 0 s" in out or "took 1 s" in out
    assert "five departments have their files" in err
    assert left(tmp_path) == []


def test_what_is_kept_stays(tmp_path: Path) -> None:
    kept = tmp_path / "mine"
    assert run(tmp_path, "--keep", str(kept), "--people", "250_000", "--seed", "9") == 0
    assert (kept / "filled").read_text() == "250000 9"
    words = asked(tmp_path)
    assert words[1:4] == [str(kept / "demo.toml"), "--dir", str(kept / "federation")]
    assert "--kept" in words
    assert left(tmp_path) == []


def test_json_is_one_object_with_the_seconds_of_each_phase(
    tmp_path: Path, capfd: pytest.CaptureFixture[str],
) -> None:
    assert run(tmp_path, "-o", "json") == 0
    told: dict[str, Any] = json.loads(capfd.readouterr().out)
    assert told["covered"] == 39
    seconds = told["seconds"]
    assert list(seconds) == ["invent", "federation", "tour", "total"]
    assert seconds["total"] == pytest.approx(sum(list(seconds.values())[:3]), abs=0.05)
    assert "--quiet" in asked(tmp_path)


@pytest.mark.parametrize("status", [3, 6, 125])
@pytest.mark.parametrize("output", ["table", "json"])
def test_the_sandboxs_status_is_passed_on(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], status: int, output: str,
) -> None:
    assert run(tmp_path, "-o", output, status=status) == status
    assert capfd.readouterr().out == ""
    assert left(tmp_path) == []


def test_ctrl_c_leaves_nothing_behind(tmp_path: Path) -> None:
    def interrupt() -> None:
        while not (tmp_path / "argv.json").exists():
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)
    threading.Thread(target=interrupt, daemon=True).start()
    begun = time.monotonic()
    assert run(tmp_path, nap=60) == 130
    assert time.monotonic() - begun < 30
    assert left(tmp_path) == []


@pytest.mark.parametrize("words", [
    ["--people", "199999"], ["--people", "1000001"], ["--people", "many"], ["--people", "-5"],
    ["--seed", "-1"], ["--seed", "4294967296"], ["--seed", "1.5"], ["-o", "yaml"],
])
def test_absurd_arguments_are_refused(
    tmp_path: Path, words: list[str], capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        run(tmp_path, *words)
    assert words[1] in capsys.readouterr().err
