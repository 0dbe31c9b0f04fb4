"""`cotally node check` names what is in the way, and the command that mends it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest

from cotally.client.cli.main import main
from cotally.server.engines.postgres import session, snapshot
from cotally.server.engines.postgres.engine import Postgres
from cotally.server.engines.source import File, PostgresTable, Source
from cotally.server.ops import held
from cotally.server.ops.findings import Finding, Verdict
from tests.postgres import Server
from tests.unit.server.engines.plans import AGE, CITY, table

HELD = table([AGE, CITY])


@dataclass
class Site:
    """A department, as far as its data are concerned."""

    folder: Path

    def findings(self, source: Source) -> list[Finding]:
        settings: Any = SimpleNamespace(
            common=SimpleNamespace(state=self.folder / "state", path=Path("node.toml")),
            data={"people": source})
        return list(held.findings(HELD, source, settings))


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


@pytest.fixture
def admin(server: Server) -> Iterator["psycopg.Connection[tuple[object, ...]]"]:
    with psycopg.connect(server.url("admin"), autocommit=True) as connection:
        connection.execute("CREATE SCHEMA checked")
        connection.execute("CREATE TABLE checked.people AS SELECT * FROM"
                           " (VALUES ('1', 7, 'é'), ('1', 8, 'é'), (NULL, 9, 'é')) AS t(pid, age, city)")
        yield connection
        connection.execute("DROP SCHEMA checked CASCADE")
        connection.execute("DROP SCHEMA IF EXISTS cotally CASCADE")


def test_a_file_is_checked_and_nothing_is_kept(site: Site) -> None:
    source = site.folder / "people.csv"
    source.write_text("pid,age,city\n1,7,é\n1,8,x\n,9,é\n", "utf-8")
    first, *rest = site.findings(File(source))
    assert first.verdict is Verdict.OK and "3 records" in first.detail
    told = " ".join(f.detail for f in rest)
    assert "1 records have no pid" in told and "1 records repeat a pid" in told
    assert "not among its codes" in told
    assert not (site.folder / "state").exists()


def test_a_file_that_is_not_there_is_named_with_what_mends_it(site: Site) -> None:
    (finding,) = site.findings(File(site.folder / "people.csv"))
    assert finding.verdict is Verdict.FAIL and "people.csv" in finding.detail
    assert finding.fix.startswith("ls -l ")


@pytest.mark.parametrize(("data", "verdict", "said", "fix"), [
    ("pid;age;city\n1;7;é\n".encode(), Verdict.FAIL, "separated by ';'", "head -1 "),
    ("pid,age,city\n1,7,é\n".encode("utf-16"), Verdict.FAIL, "it is UTF-16", "iconv -f UTF-16 -t UTF-8 "),
    ("pid,age,城市\n1,7,北京\n".encode("gbk"), Verdict.FAIL, "first line is not UTF-8", "iconv -f GB18030 "),
    ("pid,age,city\n1,7,北京\n".encode("gbk"), Verdict.WARN, "if it is GBK", "iconv -f GB18030 -t UTF-8 "),
])
def test_a_file_in_another_spelling_is_named_as_what_it_is(
    site: Site, data: bytes, verdict: Verdict, said: str, fix: str
) -> None:
    source = site.folder / "people.csv"
    source.write_bytes(data)
    (finding,) = [each for each in site.findings(File(source)) if said in each.detail]
    assert finding.verdict is verdict and finding.fix.startswith(fix) and "people.csv" in finding.fix


def test_a_database_without_the_vintage_names_the_command(
    site: Site, server: Server, admin: "psycopg.Connection[tuple[object, ...]]"
) -> None:
    (finding,) = site.findings(PostgresTable(server.url("reader"), "checked", "people"))
    assert finding.verdict is Verdict.FAIL
    assert finding.fix.startswith("cotally node snapshot node.toml --table people")


def test_a_role_that_can_write_is_named(
    site: Site, server: Server, admin: "psycopg.Connection[tuple[object, ...]]"
) -> None:
    (finding,) = site.findings(PostgresTable(server.url("admin"), "checked", "people"))
    assert finding.verdict is Verdict.FAIL and "superuser" in finding.detail and "CREATE ROLE" in finding.fix


def test_a_database_that_is_down_names_the_way_to_try_it(site: Site, tmp_path: Path) -> None:
    (finding,) = site.findings(PostgresTable(f"postgresql://r@/x?host={tmp_path}", "checked", "people"))
    assert finding.verdict is Verdict.FAIL and finding.status == 7 and finding.fix.startswith("psql ")


def test_the_printed_sql_makes_the_vintage_of_a_spec(
    server: Server, admin: "psycopg.Connection[tuple[object, ...]]", tmp_path: Path,
    capsys: pytest.CaptureFixture[str], site: Site
) -> None:
    spec = tmp_path / "spec.toml"
    address = f"{server.url('reader')}&table=checked.people"
    spec.write_text(f"""
[federation]
name = "f"
min_departments = 2
delta = 1e-6
[[tables]]
name = "people"
unit = "pid"
vintage = "2026"
expected_people = 100
min_departments = 1
columns = [
  {{ name = "age", type = "integer", lower = 0, upper = 100 }},
  {{ name = "city", type = "category", codes = ["北京", "é", "o'c"], other = true }},
]
[[departments]]
name = "north"
budget = {{ epsilon = 1.0 }}
data = {{ people = "{address}" }}
""", "utf-8")
    assert main(["node", "snapshot", str(spec)]) == 0
    sql = capsys.readouterr().out
    assert sql.startswith("-- Vintage 2026 of people, copied from checked.people\n")
    assert main(["node", "snapshot", str(spec), "--apply", server.url("admin")]) == 0
    assert main(["node", "snapshot", str(spec), "--apply", server.url("admin")]) == 3
    assert "a vintage never changes" in capsys.readouterr().err
    source = PostgresTable(server.url("reader"), "checked", "people")
    first, *rest = site.findings(source)
    assert first.verdict is Verdict.OK and "3 records" in first.detail
    assert any("1 records repeat a pid" in f.detail for f in rest)


def test_a_copy_that_somebody_edited_since_the_node_found_it_is_named(
    server: Server, admin: "psycopg.Connection[tuple[object, ...]]", site: Site
) -> None:
    source = PostgresTable(server.url("reader"), "checked", "people")
    with session.connect(server.url("reader")) as reader:
        statements = snapshot.script(reader, HELD, source, "reader")
    for statement in statements:
        admin.execute(statement.encode())
    Postgres(site.folder / "state").snapshot(HELD, source)  # as a node that has run
    before = sorted(site.folder.rglob("*"))
    assert site.findings(source)[0].verdict is Verdict.OK
    admin.execute(f'UPDATE cotally."{snapshot.name_of(HELD, source)}" SET c0 = 70 WHERE c0 = 7'.encode())
    (finding,) = site.findings(source)
    assert finding.verdict is Verdict.FAIL and "holds other records" in finding.detail
    assert sorted(site.folder.rglob("*")) == before
