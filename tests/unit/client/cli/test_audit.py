"""`cotally audit`: verdicts for people and for programs, with and without a coordinator."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.unit.client.audit.planting import entries, evidence_file, long_log, written

Run = Callable[..., tuple[int, str, str]]
PIN = long_log(1).pin.hex()


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """An honest log of 45 entries in a file."""
    path = tmp_path / "kept.audit"
    path.write_bytes(evidence_file(45))
    return path


def forged() -> bytes:
    """A log that everybody signed, with another price in entry 6."""
    log = entries(45)
    log[6].transcript.pico_loss += 1
    return written(log)


@pytest.mark.parametrize("offline", [True, False])
def test_a_whole_log_is_told_as_json(run: Run, kept: Path, offline: bool) -> None:
    status, out, _ = run("audit", "verify", *([kept, "--roster", PIN] if offline else []))
    told = json.loads(out)
    assert (status, told["federation"], told["size"], told["verified"]) == (0, "test", 45, True)
    assert len(told["root"]) == 64 and len(told["witnesses"]) == 6 and told["checkpoints"] == 1
    assert told["rounds"] == {"announced": 11, "released": 9, "dead": 1, "refused": 0, "void": 0,
                              "replayed": 0}
    kinds = [each["filter"] for each in told["budgets"]]
    assert kinds == [*["department"] * 3, "population", "analyst", *["purpose"] * 4]
    assert {f"{what}_{unit}" for what in ("budget", "spent", "reserved", "left", "cumulative")
            for unit in ("rho", "epsilon")} <= told["budgets"][0].keys()


def test_a_whole_log_is_told_to_people(run: Run, kept: Path) -> None:
    status, out, _ = run("audit", "verify", kept, "--roster", PIN, "-o", "table")
    assert status == 0 and "✓ the log of test is whole and witnessed" in out
    assert "45 entries, root" in out and "cumulative" in out
    assert "analyst: research" in out and "all analysts: research" in out


def test_findings_are_told_and_end_in_a_status(run: Run, straw: Any) -> None:
    straw.log = forged()
    status, out, err = run("audit", "verify")
    told = json.loads(out)
    assert status == 4 and not told["verified"] and told["findings"][0]["index"] == 6
    assert json.loads(err)["refusal"] == "PLAN_MISMATCH" and "entry 6" in err
    assert "✗ entry 6: the price" in run("audit", "verify", "-o", "table")[1]


def test_damage_names_file_and_index(run: Run, kept: Path) -> None:
    data = bytearray(kept.read_bytes())
    data[len(data) // 2] ^= 4
    kept.write_bytes(data)
    status, out, err = run("audit", "verify", kept, "--roster", PIN, "-o", "table")
    assert status == 3 and "✗" in out and f"{kept}: entry" in err and "Traceback" not in err
    kept.write_bytes(b"")
    status, _, err = run("audit", "verify", kept, "--roster", PIN)
    assert status == 3 and json.loads(err)["refusal"] == "MISCONFIGURED"  # a file that cannot be used
    assert run("budget", "--log", kept, "--roster", PIN)[0] == 3
    assert run("audit", "verify", kept.with_name("none"), "--roster", PIN)[0] == 3
    kept.write_bytes(evidence_file(9))
    status, _, err = run("audit", "verify", kept, "--roster", "00" * 32)
    assert status == 8 and f"{kept}: the roster shown is not the pinned one" in err


def test_two_files_are_compared(run: Run, kept: Path) -> None:
    other = kept.with_name("other.audit")
    other.write_bytes(evidence_file(30))
    status, out, _ = run("audit", "verify", other, kept, "--roster", PIN)
    assert status == 0 and json.loads(out)["size"] == 45
    log = entries(30)
    log[6].transcript.transcript = bytes(32)
    other.write_bytes(written(log))
    status, _, err = run("audit", "verify", other, kept, "--roster", PIN)
    assert status == 4 and "entry 6 differs" in err


def test_a_log_is_saved_and_what_it_shows_is_told(run: Run, straw: Any, tmp_path: Path) -> None:
    path = tmp_path / "a.audit"
    status, out, _ = run("audit", "save", path)
    told = json.loads(out)
    assert status == 0 and told["size"] == 45 and told["bytes"] == path.stat().st_size
    assert run("audit", "verify", path, "--roster", PIN)[0] == 0
    straw.log = forged()
    status, out, err = run("audit", "save", path)
    assert status == 4 and not json.loads(out)["verified"] and "entry 6" in err
