"""A connection is opened before anything may be read, lent to one measurement at a time, and used again."""

from pathlib import Path

import duckdb
import pytest

from cotally.server.engines.duckdb.standing import Standing


@pytest.fixture
def records(tmp_path: Path) -> Path:
    return tmp_path / "records.parquet"


@pytest.fixture
def standing(tmp_path: Path) -> Standing:
    return Standing(tmp_path / "spill")


def workers(connection: duckdb.DuckDBPyConnection) -> object:
    found = connection.execute("SELECT current_setting('threads')").fetchone()
    assert found is not None
    return found[0]


def test_opening_touches_no_record(standing: Standing, records: Path) -> None:
    with standing.lend((records,), 1000):
        assert not records.exists()  # nor could it have been read
    duckdb.connect().execute("COPY (SELECT 7 AS n) TO $p (FORMAT parquet)", {"p": str(records)})
    with standing.lend((records,), 1000) as connection:
        assert connection.execute("SELECT n FROM read_parquet($p)", {"p": str(records)}).fetchall() == [(7,)]


def test_the_last_connection_is_lent_again_and_others_are_not_kept(
    standing: Standing, records: Path, tmp_path: Path
) -> None:
    with standing.lend((records,), 1000) as first:
        pass
    with standing.lend((records,), 1000) as again:
        assert again is first
    other = tmp_path / "other.parquet"
    with standing.lend((other,), 1000) as second:
        assert second is not first
        with pytest.raises(duckdb.PermissionException):
            second.execute("SELECT * FROM read_parquet($p)", {"p": str(records)})
    with standing.lend((records,), 1000) as anew:
        assert anew is not first


def test_two_measurements_at_once_never_share_a_connection(standing: Standing, records: Path) -> None:
    with standing.lend((records,), 1000) as one, standing.lend((records,), 1000) as two:
        assert one is not two


def test_a_connection_that_failed_is_closed(standing: Standing, records: Path) -> None:
    with pytest.raises(duckdb.Error), standing.lend((records,), 1000) as failed:
        failed.execute("SELECT * FROM read_parquet($p)", {"p": str(records)})
    with pytest.raises(duckdb.ConnectionException):
        failed.execute("SELECT 1")
    with standing.lend((records,), 1000) as fresh:
        assert fresh.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.parametrize("people, expected", [(1, 1), (50_000, 1), (50_001, 2), (10**7, 2)])
def test_threads_follow_the_public_cap_on_people(
    standing: Standing, records: Path, people: int, expected: int
) -> None:
    with standing.lend((records,), people) as connection:
        assert workers(connection) == expected


def test_nothing_of_a_file_is_kept_between_measurements(standing: Standing, records: Path) -> None:
    with standing.lend((records,), 1000) as connection:
        kept = connection.execute("SELECT current_setting('enable_external_file_cache')").fetchone()
    assert kept == (False,)
