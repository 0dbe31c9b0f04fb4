import json
import threading
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from cotally.server.rpc.logs import Level, Log, level_from
from cotally.v1.refusals import Misconfigured, Refusal


def lines(out: StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_one_object_per_line() -> None:
    out = StringIO()
    log = Log("node", "north", stream=out, least=Level.INFO, clock=lambda: datetime(2026, 5, 4, tzinfo=UTC))
    log.event("committed", round=b"\x01\xff", milliseconds=12, path=Path("/x"), message="two\nlines")
    log.warning("refused", refusal=Refusal.EXPIRED)
    assert lines(out) == [
        {"time": "2026-05-04T00:00:00.000+00:00", "level": "info", "event": "committed", "role": "node",
         "name": "north", "round": "01ff", "milliseconds": 12, "path": "/x", "message": "two\nlines"},
        {"time": "2026-05-04T00:00:00.000+00:00", "level": "warning", "event": "refused", "role": "node",
         "name": "north", "refusal": "EXPIRED"}]


@pytest.mark.parametrize("fields", [{"income": 3}, {"value": "x"}, {"round": b"", "row": 1}, {"time": 1}])
def test_fields_outside_the_list_are_a_programming_error(fields: dict[str, Any]) -> None:
    out = StringIO()
    with pytest.raises(TypeError, match="no log field is called"):
        Log("node", "north", stream=out, least=Level.OFF).event("x", **fields)
    assert out.getvalue() == ""


@pytest.mark.parametrize("event", ["read row 7", "", "Committed", "x{}"])
def test_events_are_identifiers(event: str) -> None:
    with pytest.raises(ValueError, match="identifier"):
        Log("node", "north", stream=StringIO()).event(event)


@pytest.mark.parametrize("value", [1.5, None, [1], object()])
def test_values_that_no_field_takes(value: Any) -> None:
    with pytest.raises(TypeError, match="a log field is"):
        Log("node", "north", stream=StringIO(), least=Level.DEBUG).event("x", count=value)


def test_exceptions_leave_type_and_places_only() -> None:
    out = StringIO()
    try:
        int("4711 is a record")
    except ValueError as error:
        Log("node", "north", stream=out).exception("internal_error", error)
    (line,) = lines(out)
    assert line["exception"] == "ValueError" and line["level"] == "error"
    assert line["where"][-1].endswith(":test_exceptions_leave_type_and_places_only")
    assert "4711" not in out.getvalue()


@pytest.mark.parametrize("text, written", [
    ("", ["b", "c", "d"]), ("debug", ["a", "b", "c", "d"]), ("Error", ["d"]), ("off", []),
])
def test_the_environment_says_how_much(
    monkeypatch: pytest.MonkeyPatch, text: str, written: list[str],
) -> None:
    monkeypatch.setenv("COTALLY_LOG", text)
    out = StringIO()
    log = Log("node", "north", stream=out)
    log.debug("a")
    log.event("b")
    log.warning("c")
    log.error("d")
    assert [line["event"] for line in lines(out)] == written


def test_a_strange_level_names_the_choices() -> None:
    with pytest.raises(Misconfigured, match="COTALLY_LOG is 'loud'; it takes one of debug, info"):
        level_from("loud")


def test_lines_of_threads_do_not_mix() -> None:
    out = StringIO()
    log = Log("node", "north", stream=out, least=Level.INFO)

    def many() -> None:
        for number in range(100):
            log.event("tick", count=number, message="x" * 200)
    threads = [threading.Thread(target=many) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(lines(out)) == 400


def test_standard_error_is_the_default(capsys: pytest.CaptureFixture[str]) -> None:
    Log("node", "north", least=Level.INFO).event("started")
    captured = capsys.readouterr()
    assert captured.out == "" and json.loads(captured.err)["event"] == "started"
