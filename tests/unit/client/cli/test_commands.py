"""The other commands of an analyst: for people and for programs."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cotally.client.budget import Filter
from cotally.client.cli.describe import example
from cotally.client.privacy import Account, decimal_text
from cotally.client.release import Release
from cotally.client.sql.parse import parse
from cotally.v1 import analyst_pb2, catalog_pb2
from tests.unit.client.audit.planting import entries, long_log, written
from tests.unit.client.cli.conftest import SQL

Run = Callable[..., tuple[int, str, str]]


def objects(out: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.splitlines()]


def test_ls_shows_who_is_connected(run: Run) -> None:
    _, out, _ = run("ls", "-o", "table")
    assert "people" in out and "2 of 3" in out and "person (pid)" in out
    assert "3 of 3 key holders connected, 2 are needed" in out
    (table,) = objects(run("ls")[1])
    assert table["connected"] == ["east", "north"] and table["departments"] == ["east", "north", "west"]
    assert table["columns"] == ["income", "age", "sex", "area"] and table["unit"] == "pid"


def test_describe_shows_bounds_codes_unit_and_an_example(run: Run, straw: Any) -> None:
    _, out, _ = run("describe", "people", "-o", "table")
    assert "privacy unit   person (pid)" in out and "f, m, and other" in out and "west (not connected)" in out
    assert "at most 1 row in a group, and 1 group" in out
    (table,) = objects(run("describe", "people")[1])
    assert table["columns"][0] == {
        "column": "income", "type": "integer", "lower": "0", "upper": "200", "resolution": None,
        "codes": [], "other": False, "nullable": True, "weight": False}
    status, _, err = run("describe", "peopel")
    assert status == 2 and "did you mean people" in err
    straw.charter.catalog.tables[0].unit_column = ""
    try:
        assert "row (event-level)" in run("describe", "people", "-o", "table")[1]
    finally:
        straw.charter.catalog.tables[0].unit_column = "pid"


def test_the_example_has_no_mean_of_weights(straw: Any) -> None:
    table = catalog_pb2.Table()
    table.CopyFrom(straw.catalog.tables[0])
    table.columns.add(name="w", type=catalog_pb2.COLUMN_TYPE_FLOAT, weight=True)
    assert example(table) == example(straw.catalog.tables[0])


def test_the_example_is_a_question_that_can_be_asked(straw: Any) -> None:
    assert parse(example(straw.catalog.tables[0]), straw.catalog).query.keys == ["sex"]
    odd = catalog_pb2.Table(name="Größe", columns=[
        catalog_pb2.Column(name="ID", type=catalog_pb2.COLUMN_TYPE_INTEGER, lower="0", upper="9")])
    said = example(odd).replace('\\"', '"')  # as the shell would hand it over
    assert parse(said, catalog_pb2.Catalog(tables=[odd])).query.table == "Größe"


def test_codes_cannot_move_the_cursor(run: Run, straw: Any) -> None:
    codes = straw.charter.catalog.tables[0].columns[2].codes
    codes.append("\x1b[31m[bold]x")
    try:
        _, out, _ = run("describe", "people", "-o", "table")
        assert "\x1b" not in out and "\ufffd[31m[bold]x" in out
    finally:
        codes.pop()


def test_budget_shows_every_filter(run: Run) -> None:
    _, out, _ = run("budget", "-o", "table")
    assert "department" in out and "no limit" in out and "rho adds up" in out
    east, residents, ann = objects(run("budget")[1])
    assert east["left_rho"] == "0.96" and ann["left_rho"] == "0"
    assert residents["budget_rho"] is None and residents["left_epsilon"] is None


def test_budget_tells_what_is_reserved_and_cumulative(run: Run, straw: Any) -> None:
    status = analyst_pb2.FilterStatus(
        kind=analyst_pb2.FILTER_KIND_DEPARTMENT, name="east", population="residents",
        budget_pico_loss=10**12, spent_pico_loss=5 * 10**10, reserved_pico_loss=2 * 10**10)
    told = Filter.of(status, Account("0.000001")).to_dict()
    assert [told[f"{what}_rho"] for what in ("budget", "spent", "reserved", "left", "cumulative")] == [
        "1", "0.03", "0.02", "0.95", "0.05"]
    assert "reserved" in run("budget", "-o", "table")[1]


def test_budget_shows_purposes(run: Run, straw: Any) -> None:
    statuses = [analyst_pb2.FilterStatus(
        kind=analyst_pb2.FILTER_KIND_PURPOSE, name=name, population="residents", purpose="research",
        spent_pico_loss=10**10, **limit) for name, limit in (
            ("", {"unlimited": True}), ("ann", {"budget_pico_loss": 3 * 10**10}))]
    straw.filters = lambda: [Filter.of(status, Account("0.000001")) for status in statuses]
    everybody, ann = objects(run("budget")[1])
    assert (everybody["name"], everybody["purpose"], everybody["budget_rho"]) == ("", "research", None)
    assert (ann["name"], ann["purpose"], ann["left_rho"]) == ("ann", "research", "0.02")
    out = run("budget", "-o", "table")[1]
    assert "all analysts: research" in out and "ann: research" in out and "0.02" in out


def test_budget_tells_what_a_question_would_do(run: Run, straw: Any) -> None:
    status, out, _ = run("budget", "--query", SQL)
    (told,) = objects(out)
    east, ann = told["filters"]
    price = straw.explain().plan.pico_loss
    assert east["fits"] and east["after_rho"] == decimal_text(10**12 - price)
    assert not ann["fits"] and ann["after_rho"] == ann["left_rho"] == "0.02"
    assert (status, told["affordable"], straw.ran) == (5, False, 0)
    status, out, _ = run("budget", "--query", SQL, "-o", "table")
    assert status == 5 and "not every filter can pay" in out and "✗" in out and "✓" in out


def test_budget_is_added_up_from_the_log(run: Run, straw: Any, tmp_path: Path) -> None:
    status, out, _ = run("budget", "--log")
    told = objects(out)
    assert status == 0 and [each["filter"] for each in told].count("department") == 3
    assert told[-1]["filter"] == "purpose" and told[-1]["budget_rho"] is None
    assert told[-2]["purpose"] == "research" and told[-2]["left_rho"] == "99999.999995"
    path = tmp_path / "log.audit"
    path.write_bytes(straw.log)
    assert objects(run("budget", "--log", path, "--roster", long_log(1).pin.hex())[1]) == told
    log = entries(12)
    log[6].transcript.pico_loss += 1
    straw.log = written(log)
    status, out, err = run("budget", "--log")
    assert status == 4 and not out and "entry 6" in err


def test_a_release_is_saved_shown_and_verified_offline(run: Run, tmp_path: Path) -> None:
    from tests.unit.client.cli.conftest import bundle
    path, pin = tmp_path / "a.release", bundle()[1].hex()
    _, out, _ = run("release", "save", "ab" * 32, path)
    assert objects(out)[0]["bytes"] == path.stat().st_size
    kept = path.read_bytes()
    path.write_bytes(b"somebody's")
    assert run("release", "save", "ab" * 32, path)[0] == 3
    assert path.read_bytes() == b"somebody's"
    assert run("release", "save", "ab" * 32, path, "--force")[0] == 0
    assert path.read_bytes() == kept
    assert objects(run("release", "show", "ab" * 32)[1])[0]["rows"]
    status, out, _ = run("release", "verify", path, "--roster", pin, "-o", "table")
    assert status == 0 and out.count("✓") == 8 and "is genuine" in out
    (answer,) = objects(run("release", "verify", path, "--roster", pin)[1])
    assert answer["verified"] is True and len(answer["checks"]) == 8


def test_a_release_that_was_altered_names_what_failed(run: Run, tmp_path: Path) -> None:
    from tests.unit.client.cli.conftest import bundle
    forged, pin = bundle()[0].__deepcopy__({}), bundle()[1].hex()
    forged.release.body.totals[0] += 1
    path = tmp_path / "b.release"
    path.write_bytes(forged.SerializeToString())
    status, out, err = run("release", "verify", path, "--roster", pin, "-o", "table")
    assert status != 0 and "✓" not in out and "✗" in out
    assert err.startswith(f"error: {path}: ") and "was altered" in err and "Traceback" not in err
    status, _, err = run("release", "verify", path, "--roster", "00" * 32)
    assert status == 8 and "pinned" in err
    assert run("release", "verify", path, "--roster", "xyz")[0] == 2
    assert run("release", "verify", tmp_path / "none", "--roster", pin)[0] == 3


@pytest.mark.parametrize("argv", [("version",), ("--version",)])
def test_version(run: Run, argv: tuple[str, ...]) -> None:
    status, out, _ = run(*argv)
    assert status == 0 and objects(out)[0]["protocol"] == 1


def test_the_public_names_load_on_first_use() -> None:
    import cotally.client as client
    assert client.Release is Release
    assert set(client.__all__) <= set(dir(client))
    assert all(getattr(client, name) for name in client.__all__)
    with pytest.raises(AttributeError, match="nothing_of_ours"):
        _ = client.nothing_of_ours
