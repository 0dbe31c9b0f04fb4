"""`cotally demo` as a newcomer types it: five departments, real processes, a real key."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest

pytestmark = pytest.mark.slow

COTALLY: Final = (sys.executable, "-P", "-m", "cotally.client.cli.main")
DEPARTMENTS: Final = ["civil-registry", "education", "health", "social-security", "tax"]
PATIENCE_S: Final = 600  # not a bar: those live in benchmarks


def cotally(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run it in *folder*, with temporary files below it."""
    temporary = folder / "temporary"
    temporary.mkdir(exist_ok=True)
    return subprocess.run(
        [*COTALLY, *words], cwd=folder, env=os.environ | {"TMPDIR": str(temporary), "COLUMNS": "100"},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE_S, check=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def told(folder: Path) -> dict[str, Any]:
    """The summary of a demo that is kept in ./kept."""
    ended = cotally(folder, "demo", "--keep", "kept", "-o", "json")
    assert ended.returncode == 0, ended.stderr
    summary: dict[str, Any] = json.loads(ended.stdout)
    return summary


def test_five_departments_answer_and_their_intervals_hold(told: dict[str, Any]) -> None:
    assert told["departments"] == DEPARTMENTS
    assert (told["people"], told["key_bits"]) == (200_000, 3072)
    assert told["price"]["release_id"] is None and told["price"]["expected_error"]["people"] > 1
    assert [len(q["release"]["departments"]) for q in told["questions"]] == [5, 5, 2]
    assert told["intervals"] == 40
    assert told["covered"] >= 30  # 95 % intervals of equal rounds: fewer has probability below 1e-4
    for question in told["questions"]:
        for each in question["intervals"]:
            assert each["covers"] == (each["low"] <= each["truth"] <= each["high"])
        counts = [each for each in question["intervals"] if each["alias"] in ("people", "payments")]
        assert any(each["value"] != each["truth"] for each in counts)  # there is noise


def test_what_must_be_refused_is_refused_for_nothing(told: dict[str, Any]) -> None:
    assert [r["refusal"] for r in told["refused"]] == ["UNSUPPORTED", "NOT_ALLOWED", "BUDGET_SPENT"]
    population, = (b for b in told["budgets"] if b["filter"] == "population")
    prices = [float(q["release"]["privacy"]["rho"]) for q in told["questions"]]
    assert float(population["spent_rho"]) == pytest.approx(sum(prices), abs=1e-9)


def test_the_saved_release_is_verified_again_after_the_federation_is_gone(
    folder: Path, told: dict[str, Any],
) -> None:
    assert len(told["release"]["checks"]) >= 8
    assert told["release"]["forged"]["refusal"] in ("CREDENTIALS", "BAD_PROOF")
    profile = folder / "kept/federation/analysts/analyst/profile.toml"
    ended = cotally(folder, "release", "verify", told["release"]["file"], "--profile", str(profile), "-o",
                    "json")
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)["release_id"] == told["questions"][0]["release"]["release_id"]


@pytest.mark.usefixtures("told")
def test_a_kept_demo_goes_on_and_tells_a_person_about_it(folder: Path) -> None:
    ended = cotally(folder, "demo", "--keep", "kept")
    assert ended.returncode == 0, ended.stderr
    lines = ended.stdout.splitlines()
    assert "\x1b" not in ended.stdout
    assert all(len(line) <= 100 for line in lines if "cotally query" not in line and "verify" not in line)
    for word in ("A price before the question", "truth", "BUDGET_SPENT", "The budgets now",
                 "kept/cotally-demo.release", "What to try next", "cotally sandbox kept/demo.toml"):
        assert word in ended.stdout
    assert "resuming" in ended.stderr
    assert list((folder / "temporary").iterdir()) == []
