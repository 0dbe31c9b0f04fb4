"""`cotally sandbox` as it is typed: its command's output and status, its end in every manner, its folder.

The folders are founded beforehand over a fixed key, as a former run would have left them; only the
slow test searches for primes.
"""

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.system.holdings import HEADER
from tests.system.running import PATIENCE_S, Ran, alive, command, eventually, founded, run

SPEC = """\
[federation]
name = "small"
key_bits = 2048
min_departments = 2
delta = 1e-6
tick_ms = 1000
[[tables]]
name = "people"
unit = "pid"
max_people = 1000
columns = [{ name = "age", type = "integer", lower = 0, upper = 100 },
           { name = "income", type = "float", lower = 0, upper = 1000, resolution = 1 },
           { name = "sex", type = "category", codes = ["0", "1"] }]
[[departments]]
name = "left"
budget = { epsilon = 10 }
data = { people = "left.csv" }
[[departments]]
name = "right"
budget = { epsilon = 10 }
data = { people = "right.csv" }
"""
SQL = "SELECT sex, COUNT(*) AS n, AVG(age) FROM people GROUP BY sex WITH PRIVACY (epsilon = 1)"
TOP = {"release_id", "query_fingerprint", "table", "vintage", "replayed", "departments", "missing", "noise",
       "confidence", "privacy", "rows"}
PRIVACY = {"unit", "population", "mechanism", "rho", "epsilon", "delta", "assumed_honest"}
SUFFIXES = ("", "_se", "_low", "_high", "_flag")


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A spec of two departments beside its data."""
    return written(tmp_path_factory.mktemp("sandbox"))


def written(folder: Path) -> Path:
    """SPEC.toml in *folder*, with data."""
    for first, name in ((1000, "left"), (2000, "right")):
        rows = [f"{first + i},{i % 90},{7 * i % 1000},{i % 2}" for i in range(50)]
        (folder / f"{name}.csv").write_text("\n".join([HEADER, *rows]) + "\n")
    (folder / "SPEC.toml").write_text(SPEC)
    return folder / "SPEC.toml"


@pytest.fixture(scope="module")
def dealt(spec: Path) -> Path:
    """A founded folder that is only ever copied."""
    return founded(spec, spec.parent / "founded")


@pytest.fixture
def kept(dealt: Path, tmp_path: Path) -> Path:
    """A founded folder to run in."""
    return Path(shutil.copytree(dealt, tmp_path / "kept"))


@contextmanager
def serving(spec: Path, folder: Path, *words: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """A sandbox process and what its sandbox.json says, once it serves; ended afterwards in any case."""
    summary = folder / "sandbox.json"
    summary.unlink(missing_ok=True)
    with (folder.parent / "stderr").open("w") as err:
        process = subprocess.Popen(command("sandbox", spec, "--dir", folder, *words), text=True, stderr=err,
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    try:
        eventually(lambda: summary.exists() or process.poll() is not None, "the sandbox serves")
        assert process.poll() is None, (folder.parent / "stderr").read_text()
        yield process, json.loads(summary.read_text())
    finally:
        if process.poll() is None:
            process.terminate()
        process.communicate(timeout=PATIENCE_S)


def pids(summary: dict[str, Any]) -> list[int]:
    """Of every role."""
    return [role["pid"] for role in summary["roles"]]


def test_a_query_and_then_another_command_in_the_same_folder(spec: Path, kept: Path, tmp_path: Path) -> None:
    ran = run("sandbox", spec, "--dir", kept, "--", *command("query", SQL))
    assert ran.status == 0, ran.err
    _as_the_interfaces_say(ran)
    # The folder is resumed: what was released is there. Output and status are the command's alone.
    saved = tmp_path / "kept.release"
    program = (f"import os, pathlib, subprocess, sys; p = pathlib.Path(os.environ['COTALLY_PROFILE']);"
               f"assert p.is_absolute() and p.is_file(); print('said'); print('moaned', file=sys.stderr);"
               f"sys.exit(7 + subprocess.call({command('release', 'save', ran.json['release_id'], saved)},"
               f"stdout=subprocess.DEVNULL))")
    again = run("sandbox", spec, "--dir", kept, "--", sys.executable, "-c", program)
    assert (again.status, again.out) == (7, "said\n"), again.err
    assert "moaned" in again.err
    assert saved.stat().st_size > 0
    summary = json.loads((kept / "sandbox.json").read_text())
    assert not any(map(alive, pids(summary)))


def _as_the_interfaces_say(ran: Ran) -> None:
    said = ran.json  # all of standard output is one JSON document
    assert set(said) == TOP
    assert set(said["privacy"]) == PRIVACY
    assert (said["table"], said["departments"], said["missing"]) == ("people", ["left", "right"], [])
    assert [row["sex"] for row in said["rows"]] == ["0", "1"]
    for row in said["rows"]:
        assert set(row) == {"sex", *("n" + s for s in SUFFIXES), *("avg_age" + s for s in SUFFIXES)}
        assert row["n_low"] < row["n"] < row["n_high"]
    assert "NaN" not in ran.out
    assert all(line.startswith("sandbox: ") for line in ran.err.splitlines() if line), ran.err


def test_a_kept_folder_refuses_another_spec(spec: Path, kept: Path, tmp_path: Path) -> None:
    """A bound, a budget, or other files of data make another spec."""
    changed = written(tmp_path)
    bound, budget = SPEC.replace("= 100 }", "= 99 }"), SPEC.replace("epsilon = 10 ", "epsilon = 11 ")
    for text in (bound, budget, SPEC):
        changed.write_text(text)
        ran = run("sandbox", changed, "--dir", kept, "--", "true")
        assert (ran.status, ran.out) == (3, "")
        assert "another spec" in ran.err


def test_its_own_failures_are_125(spec: Path, kept: Path, tmp_path: Path) -> None:
    ran = run("sandbox", spec, "--dir", kept, "--", "no-such-command-anywhere")
    assert (ran.status, ran.out) == (125, "")
    assert "no-such-command-anywhere" in ran.err
    assert "Traceback" not in ran.err


def test_a_department_that_cannot_serve_is_named(tmp_path: Path) -> None:
    spec = written(tmp_path)
    kept = founded(spec, tmp_path / "kept")
    (tmp_path / "left.csv").write_text("pid,age,sex\n1,2,0\n")
    ran = run("sandbox", spec, "--dir", kept, "--", "true")
    assert (ran.status, ran.out) == (3, "")
    assert "left" in ran.err
    assert "income" in ran.err
    assert "Traceback" not in ran.err


@pytest.mark.slow
@pytest.mark.parametrize("number, status", [
    (signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_everything(spec: Path, kept: Path, number: signal.Signals, status: int) -> None:
    with serving(spec, kept) as (process, summary):
        assert all(map(alive, pids(summary)))
        process.send_signal(number)
        out, _ = process.communicate(timeout=30)
        assert (process.returncode, out) == (status, "")
        assert not any(map(alive, pids(summary)))
    assert "Traceback" not in (kept.parent / "stderr").read_text()


@pytest.mark.slow
def test_ctrl_c_ends_a_running_command_too(spec: Path, kept: Path) -> None:
    program = "import os, pathlib, time; print(os.getpid(), flush=True); time.sleep(600)"
    with serving(spec, kept, "--", sys.executable, "-c", program) as (process, summary):
        assert process.stdout is not None
        guest = int(process.stdout.readline())
        process.send_signal(signal.SIGINT)
        process.wait(30)
        assert process.returncode == 130
        assert not any(map(alive, [guest, *pids(summary)]))


@pytest.mark.slow
def test_two_sandboxes_side_by_side_and_what_a_killed_one_leaves(spec: Path, kept: Path, dealt: Path) -> None:
    other = Path(shutil.copytree(dealt, kept.parent / "other"))
    with serving(spec, kept) as (process, first):
        ran = run("sandbox", spec, "--dir", kept, "--", "true")
        assert (ran.status, ran.out) == (3, "")
        assert "another sandbox is running" in ran.err
        ran = run("sandbox", spec, "--dir", other, "--", *command("query", SQL))
        assert (ran.status, ran.json["missing"]) == (0, []), ran.err
        second = json.loads((other / "sandbox.json").read_text())
        assert first["coordinator"] != second["coordinator"]
        assert all(map(alive, pids(first)))
        process.kill()
        eventually(lambda: not any(map(alive, pids(first))), "every role is gone", seconds=10)


@pytest.mark.slow
def test_from_nothing_in_a_temporary_folder(spec: Path, tmp_path: Path) -> None:
    ran = run("sandbox", spec, "--", *command("query", SQL), seconds=600,
              environment={"TMPDIR": str(tmp_path)})
    assert ran.status == 0, ran.err
    assert ran.json["missing"] == []
    assert list(tmp_path.iterdir()) == []
