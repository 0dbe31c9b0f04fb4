"""The acts around a release made by hand: forged copies, refusals, a tour that cannot be given."""

import json
from functools import cache
from pathlib import Path
from typing import Any, cast

import pytest

from cotally.client.connection import Connection
from cotally.client.release import Release
from cotally.client.tour.__main__ import main
from cotally.client.tour.answers import refused
from cotally.client.tour.keepsakes import draw, forge
from cotally.client.tour.script import Forbidden
from cotally.client.tour.stage import Stage
from cotally.v1 import log_pb2
from cotally.v1.refusals import Refusal, Refused
from tests.fixtures.bundle import Round

FORBIDDEN = Forbidden("Everything", "SELECT *", Refusal.UNSUPPORTED)


class Answering:
    """Stands for a connection and for its question: runs into *reason*, or answers."""

    def __init__(self, reason: Refused | None) -> None:
        self._reason = reason

    def sql(self, _: str) -> "Answering":
        return self

    def run(self) -> None:
        if self._reason:
            raise self._reason


def ask(reason: Refused | None) -> dict[str, Any]:
    return refused(Stage(), cast(Connection, Answering(reason)), FORBIDDEN)


def test_a_refusal_is_shown_in_its_own_words(capsys: pytest.CaptureFixture[str]) -> None:
    seen = ask(Refused(Refusal.UNSUPPORTED, "rows are never released"))
    assert seen == {"title": "Everything", "sql": "SELECT *", "refusal": "UNSUPPORTED",
                    "message": "rows are never released"}
    assert "rows are never released" in capsys.readouterr().out


def test_an_answer_or_another_refusal_is_not_shown_as_one() -> None:
    with pytest.raises(AssertionError, match="was answered"):
        ask(None)
    with pytest.raises(Refused, match="nobody answers"):
        ask(Refused(Refusal.UNREACHABLE, "nobody answers"))


@cache
def signed() -> tuple[log_pb2.Bundle, bytes]:
    return Round().bundle()


def test_a_forged_copy_is_refused_and_the_file_stays_whole(tmp_path: Path) -> None:
    bundle, roster = signed()
    path = tmp_path / "saved"
    Release.of(bundle, roster).save(path)
    before = path.read_bytes()
    forged = forge(path, roster)
    assert forged.refusal in ("CREDENTIALS", "BAD_PROOF") and forged.message
    assert path.read_bytes() == before


def test_a_picture_is_drawn_where_it_is_said(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    release = Release.of(*signed())
    picture = draw(release, release.statistics[-1], tmp_path)
    assert picture == tmp_path / "cotally-demo.png"
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_without_matplotlib_there_is_no_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cotally.client.tour.keepsakes.find_spec", lambda _: None)
    release = Release.of(*signed())
    assert draw(release, release.statistics[-1], tmp_path) is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("quiet", [False, True])
def test_a_tour_that_cannot_be_given_says_why(
    tmp_path: Path, quiet: bool, capsys: pytest.CaptureFixture[str],
) -> None:
    words = ["--script", str(tmp_path / "none.json"), "--summary", str(tmp_path / "summary.json"),
             "--home", str(tmp_path), *(["--quiet"] if quiet else [])]
    assert main(words) == 3
    out, err = capsys.readouterr()
    assert out == "" and "none.json" in err and "Traceback" not in err
    if quiet:
        assert json.loads(err)["refusal"] == "MISCONFIGURED"
    assert not (tmp_path / "summary.json").exists()
