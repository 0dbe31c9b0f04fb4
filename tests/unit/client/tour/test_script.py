"""What a tour reads: truths add up over departments, and broken files are named."""

import json
from pathlib import Path
from typing import Any

import pytest

from cotally.client.tour.script import load
from cotally.v1.refusals import Misconfigured, Refusal

TOLD: dict[str, Any] = {
    "people": 100, "seed": 1,
    "questions": [{"title": "t", "note": "n", "sql": "SELECT", "truth": [
        {"keys": ["north"], "parts": {"people": {"tax": [41, None], "health": [9, None]},
                                      "income": {"tax": [300, 10], "health": [50, 0]}}},
        {"keys": ["south"], "parts": {"people": {"tax": [0, None], "health": [0, None]},
                                      "income": {"tax": [0, 0], "health": [0, 0]}}}]}],
    "forbidden": [{"title": "f", "sql": "SELECT *", "refusal": "UNSUPPORTED"}]}


def written(tmp_path: Path, told: object) -> Path:
    path = tmp_path / "script.json"
    path.write_text(told if isinstance(told, str) else json.dumps(told), "utf-8")
    return path


def test_truths_speak_of_the_departments_that_took_part(tmp_path: Path) -> None:
    script = load(written(tmp_path, TOLD))
    truth = script.questions[0].truth
    assert truth.of(("north",), "people", ("tax", "health")) == 50
    assert truth.of(("north",), "people", ("health",)) == 9
    assert truth.of(("north",), "income", ("tax", "health")) == 35
    assert truth.of(("north",), "income", ("tax",)) == 30
    assert truth.of(("south",), "people", ("tax",)) == 0
    assert truth.of(("south",), "income", ("tax", "health")) is None  # a mean of nothing
    assert script.forbidden[0].refusal is Refusal.UNSUPPORTED


@pytest.mark.parametrize("told", [
    "", "{", "[]", {}, TOLD | {"people": None}, TOLD | {"questions": [{}]},
    TOLD | {"forbidden": [{"title": "f", "sql": "s", "refusal": "NO_SUCH_THING"}]},
])
def test_a_file_that_is_no_script_is_named(tmp_path: Path, told: object) -> None:
    path = written(tmp_path, told)
    with pytest.raises(Misconfigured, match=r"script\.json is no script"):
        load(path)


def test_a_missing_script_is_named(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"cannot read .*nowhere\.json"):
        load(tmp_path / "nowhere.json")
