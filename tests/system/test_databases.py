"""Departments with different engines answer together; one whose vintage is gone is left out, unpaid."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests import postgres
from tests.system.asking import charges
from tests.system.running import run, running

pytestmark = pytest.mark.slow
DEPARTMENTS = ("east", "north", "south", "west")
QUESTION = "SELECT city, COUNT(*) AS n FROM visits GROUP BY city WITH PRIVACY (rho = 0.5)"
_SPEC = """
[federation]
name = "databases"
key_bits = 2048
min_departments = 3
delta = 1e-6
round_seconds = 10
tick_ms = 1000
[[tables]]
name = "visits"
unit = "pid"
max_rows_per_person = 2
max_people = 10000
columns = [{ name = "city", type = "category", codes = ["北京", "é"], other = true }]
"""


@pytest.fixture(scope="module")
def server() -> Iterator[postgres.Server]:
    try:
        with postgres.serving() as own:
            yield own
    except postgres.Absent as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="module")
def spec(server: postgres.Server, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two departments with files, two whose records lie in PostgreSQL."""
    folder = tmp_path_factory.mktemp("databases")
    data = {}
    with psycopg.connect(server.url("admin"), autocommit=True) as admin:
        for name in DEPARTMENTS:
            rows = [(f"{name}{i}", "é" if i % 3 else "北京") for i in range(300)]
            if name in ("east", "north"):
                data[name] = f"{name}.csv"
                lines = "".join(f"{pid},{city}\n" for pid, city in rows)
                (folder / data[name]).write_text(f"pid,city\n{lines}", "utf-8")
                continue
            admin.execute(f"CREATE TABLE {name} (pid text, city text)".encode())
            with admin.cursor() as cursor:
                cursor.executemany(f"INSERT INTO {name} VALUES (%s, %s)".encode(), rows)
            data[name] = f"{server.url('reader')}&table={name}"
    said = _SPEC + "".join(
        f'[[departments]]\nname = "{name}"\nbudget = {{ rho = 50 }}\ndata = {{ visits = "{where}" }}\n'
        for name, where in data.items())
    path = folder / "spec.toml"
    path.write_text(said, "utf-8")
    return path


def test_files_and_databases_answer_together_and_a_lost_one_is_named(
    server: postgres.Server, spec: Path, tmp_path: Path
) -> None:
    made = run("node", "snapshot", spec, "--apply", server.url("admin"))
    assert made.status == 0, made
    with running(spec, tmp_path / "federation") as federation:
        with federation.connect() as con:
            release = con.sql(QUESTION).run()
        counted = {row["city"]: row["n"] for row in release.to_dict()["rows"]}
        assert not release.missing
        assert abs(counted["é"] - 800) < 60 and abs(counted["北京"] - 400) < 60 and abs(counted["other"]) < 60
        with psycopg.connect(server.url("admin"), autocommit=True) as admin:
            (copy,) = [n for (n,) in admin.execute(
                "SELECT relname::text FROM pg_class WHERE relname ~ '^visits~[0-9a-f]*$'"
                " AND relkind = 'r' ORDER BY oid LIMIT 1").fetchall()]
            admin.execute(f'ALTER TABLE cotally."{copy}" RENAME TO gone'.encode())
        spent = federation.spent()
        with federation.connect() as con:
            release = con.sql(QUESTION.replace("0.5", "0.25")).run()
        assert len(release.missing) == 1 and release.missing[0] in ("south", "west")
        paid = charges(spent, federation.spent(), "databases")
        assert set(paid) == set(DEPARTMENTS) - set(release.missing)
