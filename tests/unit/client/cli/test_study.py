"""`cotally budget --queries`, EXPLAIN PRIVACY, and tables of statistics of several numbers."""

import json
from collections.abc import Callable
from pathlib import Path

from cotally.client.cli.answer import print_release
from cotally.client.sql.parse import parse
from tests.fixtures.answered import answered
from tests.unit.client.cli.conftest import SQL, Straw
from tests.unit.client.test_same_message import CATALOG

Run = Callable[..., tuple[int, str, str]]


def test_a_study_is_priced_together(run: Run, tmp_path: Path, straw: Straw) -> None:
    file = tmp_path / "study.sql"
    file.write_text(f"{SQL};\n{SQL};")
    status, out, _ = run("budget", "--queries", file, "-o", "json")
    told = json.loads(out)
    assert status == (0 if told["affordable"] else 5) and len(told["questions"]) == 2 and straw.ran == 0
    status, out, _ = run("budget", "--queries", file, "-o", "table")
    assert "nothing is spent" in out and "together rho" in out
    file.write_text("-- nothing")
    assert run("budget", "--queries", file)[0] == 3
    assert run("budget", "--queries", tmp_path / "nowhere")[0] == 3


def test_explain_privacy_spends_nothing(run: Run, straw: Straw) -> None:
    status, out, _ = run("query", f"EXPLAIN PRIVACY {SQL}", "-o", "json")
    assert status == 0 and straw.ran == 0
    assert json.loads(out)["release_id"] is None and "expected_error_basis" in json.loads(out)


def test_several_numbers_are_tables_of_their_own(capsys: object) -> None:
    import _pytest.capture
    assert isinstance(capsys, _pytest.capture.CaptureFixture)
    query = parse("SELECT sex, COUNT(*) AS n, HISTOGRAM(age, 2) AS h FROM people GROUP BY sex"
                  " WITH PRIVACY (rho = 0.5, consistent = true)", CATALOG).query
    release = answered(query, CATALOG, [[10, 20, 30], [1, 2, 3, 4, 5, 6]])
    print_release(release, "table")
    out = capsys.readouterr().out
    assert out.count("\n\nh\n") == 1 and "adjusted" in out and "lower" in out and "50" in out
    print_release(release, "csv")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "sex,n,n_se,n_low,n_high,n_flag,n_adjusted,h" and len(lines) == 4
    only = parse("SUGGEST BOUNDS FOR people.age WITH PRIVACY (rho = 0.5)", CATALOG).query
    print_release(answered(only, CATALOG, [[0, 0, 0, 900, 900, 900, 900, 0]]), "table")
    assert "surely somebody lies between 4 and 64" in capsys.readouterr().out
