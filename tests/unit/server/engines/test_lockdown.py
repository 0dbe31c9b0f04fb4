"""Behind the lock nothing but the named files and the spill folder can be reached."""

from pathlib import Path

import duckdb
import pytest

from cotally.server.engines.duckdb.lockdown import escaped, locked, memory


@pytest.fixture
def allowed(tmp_path: Path) -> Path:
    path = tmp_path / "in[1]side.parquet"
    duckdb.connect().sql("SELECT range AS i, md5(range::VARCHAR) AS m FROM range(400000)").write_parquet(
        str(path)
    )
    return path


def test_the_named_file_is_read(tmp_path: Path, allowed: Path) -> None:
    with locked([allowed], tmp_path / "spill") as connection:
        found = connection.execute(
            "SELECT count(m) FROM read_parquet($p)", {"p": escaped(allowed)}
        ).fetchone()
    assert found == (400000,)


@pytest.mark.parametrize("statement", [
    "SELECT * FROM read_csv('/etc/passwd')",
    "SELECT * FROM read_text('/etc/passwd')",
    "SELECT * FROM '/etc/passwd'",
    "SELECT * FROM read_blob('{folder}/secret.txt')",
    "SELECT * FROM glob('/etc/*')",
    "SELECT * FROM read_text('{folder}/spill/../secret.txt')",
    "COPY (SELECT 1) TO '{folder}/out.csv'",
    "COPY (SELECT 1) TO '{folder}/spill/../out.csv'",
    "EXPORT DATABASE '{folder}/out'",
    "ATTACH '{folder}/out.db'",
    "INSTALL httpfs",
    "LOAD httpfs",
    "LOAD '{folder}/evil.duckdb_extension'",
    "SELECT * FROM read_csv('http://127.0.0.1:1/a.csv')",
    "SELECT * FROM read_parquet('s3://bucket/a.parquet')",
    "CREATE PERSISTENT SECRET s (TYPE http)",
    "SET enable_external_access = true",
    "SET allowed_paths = ['/etc/passwd']",
    "SET memory_limit = '10GB'",
    "RESET lock_configuration",
    "SET autoload_known_extensions = true",
    "SELECT * FROM visible",
])  # fmt: skip
def test_everything_else_is_refused(tmp_path: Path, allowed: Path, statement: str) -> None:
    visible = duckdb.sql("SELECT 1")
    assert visible is not None
    (tmp_path / "secret.txt").write_text("secret")
    before = sorted(tmp_path.iterdir())
    with locked([allowed], tmp_path / "spill") as connection, pytest.raises(duckdb.Error):
        connection.execute(statement.format(folder=tmp_path)).fetchall()
    assert sorted(p for p in tmp_path.iterdir() if p.name != "spill") == before


@pytest.mark.parametrize("reach", ["read_text('/etc/hostname')", "glob('/etc/*')"])
def test_these_statements_work_without_the_lock(reach: str) -> None:
    assert duckdb.connect().execute(f"SELECT count(*) FROM {reach}").fetchone() != (0,)


def test_results_that_outgrow_memory_spill(tmp_path: Path, allowed: Path) -> None:
    groups = "SELECT m || n, count(*) FROM read_parquet($p), range(4) t(n) GROUP BY ALL"
    with locked([allowed], tmp_path / "spill") as connection:
        limit, threads = connection.execute(
            "SELECT current_setting('memory_limit'), current_setting('threads')"
        ).fetchall()[0]
        assert (limit, threads) == ("96.0 MiB", 2)
        assert connection.execute(f"SELECT count(*) FROM ({groups})", {"p": escaped(allowed)}).fetchone() == (
            1_600_000,
        )
    assert list((tmp_path / "spill").iterdir()) == []


def test_memory_follows_the_public_cap() -> None:
    assert [memory(10**6 * people) for people in (0, 1, 2, 10, 20)] == [96, 96, 96, 224, 384]
