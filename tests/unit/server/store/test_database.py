"""Opening a process's file: made private, migrated, or refused with a sentence that names it."""

import multiprocessing
import sqlite3
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Column, Connection, Engine, Integer, MetaData, String, Table, insert, inspect, select

from cotally.server.store.database import Schema, open_database, reading
from cotally.v1.refusals import Misconfigured

V1 = MetaData()
NOTES = Table("notes", V1, Column("id", Integer, primary_key=True))
V3 = MetaData()
NOTES3 = Table(
    "notes", V3, Column("id", Integer, primary_key=True), Column("a", String), Column("b", String)
)


def add_a(connection: Connection) -> None:
    connection.exec_driver_sql("ALTER TABLE notes ADD COLUMN a VARCHAR DEFAULT 'new'")


def add_b(connection: Connection) -> None:
    connection.exec_driver_sql("ALTER TABLE notes ADD COLUMN b VARCHAR DEFAULT 'newer'")


def fail(_connection: Connection) -> None:
    raise Misconfigured("the second step cannot be done")


FIRST = Schema("notes", 1, V1)
THIRD = Schema("notes", 3, V3, {1: add_a, 2: add_b})


def pragma(engine: Engine, name: str) -> object:
    with reading(engine) as connection:
        return connection.exec_driver_sql(f"PRAGMA {name}").scalar()


def test_a_new_file_is_durable_and_private(tmp_path: Path) -> None:
    path = tmp_path / "state" / "node.db"
    engine = open_database(path, FIRST)
    with engine.begin() as connection:
        connection.execute(insert(NOTES).values(id=1))
    assert [pragma(engine, n) for n in ("journal_mode", "synchronous", "foreign_keys")] == ["wal", 2, 1]
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in path.parent.iterdir()}
    assert modes == dict.fromkeys(["node.db", "node.db-wal", "node.db-shm"], 0o600)


def test_a_file_that_others_can_read_is_tightened(tmp_path: Path) -> None:
    path = tmp_path / "node.db"
    open_database(path, FIRST).dispose()
    path.chmod(0o644)
    open_database(path, FIRST)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_older_is_migrated_step_by_step(tmp_path: Path) -> None:
    path = tmp_path / "node.db"
    engine = open_database(path, FIRST)
    with engine.begin() as connection:
        connection.execute(insert(NOTES).values(id=7))
    engine.dispose()
    for _ in range(2):  # the second time there is nothing left to do
        with reading(open_database(path, THIRD)) as connection:
            assert connection.execute(select(NOTES3)).all() == [(7, "new", "newer")]


def test_a_migration_that_stops_halfway_leaves_everything_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "node.db"
    open_database(path, FIRST).dispose()
    with pytest.raises(Misconfigured, match="second step"):
        open_database(path, Schema("notes", 3, V3, {1: add_a, 2: fail}))
    engine = open_database(path, FIRST)
    with reading(engine) as connection:
        assert [c["name"] for c in inspect(connection).get_columns("notes")] == ["id"]


def test_newer_is_refused_with_file_and_versions(tmp_path: Path) -> None:
    path = tmp_path / "node.db"
    open_database(path, THIRD).dispose()
    with pytest.raises(Misconfigured) as caught:
        open_database(path, FIRST)
    assert str(path) in caught.value.message
    assert "version 3 of notes" in caught.value.message
    assert "up to 1" in caught.value.message


def test_schemas_share_a_file(tmp_path: Path) -> None:
    other = MetaData()
    Table("other", other, Column("id", Integer, primary_key=True))
    path = tmp_path / "node.db"
    open_database(path, FIRST).dispose()
    engine = open_database(path, FIRST, Schema("other", 1, other))
    with reading(engine) as connection:
        assert set(inspect(connection).get_table_names()) == {"notes", "other", "schema_version"}


def test_a_schema_without_its_migrations_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="notes"):
        Schema("notes", 3, V3, {1: add_a})


def plant_text(path: Path) -> None:
    path.write_text("income,age\n" * 1000)


def plant_cut(path: Path) -> None:
    engine = open_database(path, FIRST)
    with engine.begin() as connection:
        connection.execute(insert(NOTES), [{"id": i} for i in range(20_000)])
    engine.dispose()
    path.write_bytes(path.read_bytes()[:20_000])


def plant_overwritten_page(path: Path) -> None:
    engine = open_database(path, FIRST)
    with engine.begin() as connection:
        connection.execute(insert(NOTES), [{"id": i} for i in range(20_000)])
    engine.dispose()
    data = bytearray(path.read_bytes())
    data[8192:12288] = b"\xff" * 4096
    path.write_bytes(data)


def plant_foreign_database(path: Path) -> None:
    with open_database(path, FIRST).begin() as connection:
        connection.exec_driver_sql("DROP TABLE schema_version")


def plant_folder(path: Path) -> None:
    path.mkdir()


@pytest.mark.parametrize(
    "plant", [plant_text, plant_cut, plant_overwritten_page, plant_foreign_database, plant_folder]
)
def test_what_is_no_database_of_ours_is_refused_by_name(
    tmp_path: Path, plant: Callable[[Path], None]
) -> None:
    path = tmp_path / "node.db"
    plant(path)
    with pytest.raises(Misconfigured) as caught:
        open_database(path, FIRST)
    assert str(path) in caught.value.message


def test_a_folder_that_cannot_be_made_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    with pytest.raises(Misconfigured, match="state"):
        open_database(tmp_path / "state" / "node.db", FIRST)


def test_what_a_transaction_read_still_holds_when_it_writes(tmp_path: Path) -> None:
    engine = open_database(tmp_path / "node.db", FIRST)
    with engine.begin() as writer:
        writer.execute(insert(NOTES).values(id=1))
        with reading(engine) as reader:  # does not wait, and sees the state before
            assert reader.execute(select(NOTES)).all() == []
            writer.commit()
            assert reader.execute(select(NOTES)).all() == []  # one state, however long it looks
    with engine.begin():  # has only begun, and already keeps every other writer out
        impatient = engine.raw_connection()
        cursor = impatient.cursor()
        cursor.execute("PRAGMA busy_timeout=0")
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            cursor.execute("BEGIN IMMEDIATE")
        impatient.invalidate()


def open_and_write(path: Path, number: int) -> None:
    with open_database(path, FIRST).begin() as connection:
        connection.execute(insert(NOTES).values(id=number))


def test_processes_that_open_a_new_file_together_agree(tmp_path: Path) -> None:
    path = tmp_path / "state" / "node.db"
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=open_and_write, args=(path, n)) for n in range(6)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(20)
    assert [p.exitcode for p in processes] == [0] * 6
    with reading(open_database(path, FIRST)) as connection:
        assert connection.execute(select(NOTES)).all() == [(n,) for n in range(6)]
