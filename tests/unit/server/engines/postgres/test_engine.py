"""A vintage is found, known again and measured; roles that can write and copies that change are refused."""

import os
import re
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import count
from pathlib import Path

import psycopg
import pytest

from cotally.server.engines.engine import EngineError
from cotally.server.engines.postgres import session, snapshot
from cotally.server.engines.postgres.engine import Postgres
from cotally.server.engines.source import PostgresTable
from cotally.server.model.catalog import Table
from cotally.server.model.plan import BlockKind
from cotally.v1.refusals import Misconfigured
from tests import postgres
from tests.unit.server.engines.plans import AGE, CITY, INCOME, block, plan, query, table

SALT = bytes(32)
PAIR = table([AGE, CITY], k=2, g=2)
NUMBERS = count(1)
Admin = psycopg.Connection[tuple[object, ...]]
COUNT = replace(plan(1, block(BlockKind.COUNT), block(BlockKind.SUM, AGE)), answer_ms=5000)
ROWS = [("1", 30, "北京"), ("1", 40, "é"), ("2", 101, "xx"), (None, 7, "é"), ("3", None, None)]


@pytest.fixture
def admin(server: postgres.Server) -> Iterator[Admin]:
    """A database of its own for each test."""
    name = f"d{next(NUMBERS)}"
    with psycopg.connect(server.url("admin"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    with psycopg.connect(server.url("admin", name), autocommit=True) as connection:
        connection.execute("CREATE SCHEMA clinic")
        connection.execute("CREATE TABLE clinic.visits (pid text, age integer, city text, note text)")
        with connection.cursor() as cursor:
            cursor.executemany("INSERT INTO clinic.visits VALUES (%s, %s, %s, 'private')", ROWS)
        yield connection


def source(server: postgres.Server, admin: Admin, role: str = "reader") -> PostgresTable:
    return PostgresTable(server.url(role, admin.info.dbname), "clinic", "visits")


def make(admin: Admin, held: Table, where: PostgresTable) -> None:
    """What the administrator does with the SQL that the node prints: it needs no right of ours."""
    with session.connect(where.url) as reader:
        statements = snapshot.script(reader, held, where, "reader")
    for statement in statements:
        admin.execute(statement.encode())


def test_a_vintage_is_measured_by_a_role_that_cannot_read_the_source(
    server: postgres.Server, admin: Admin, tmp_path: Path
) -> None:
    where = source(server, admin)
    make(admin, PAIR, where)
    with session.connect(where.url) as reader, pytest.raises(psycopg.errors.InsufficientPrivilege):
        reader.execute("SELECT * FROM clinic.visits")
    engine = Postgres(tmp_path)
    report = engine.snapshot(PAIR, where)
    assert report.rows == 5
    assert set(report.notes) == {
        "clinic.visits: 1 records have no pid and leave",
        "clinic.visits: 1 cells of column age lie outside its bounds",
        "clinic.visits: 1 cells of column city are not among its codes and count as other",
    }
    engine.open(PAIR)
    assert engine.measure(query(), PAIR, COUNT, SALT) == [4, 170]
    grouped = replace(plan(4, block(BlockKind.COUNT)), answer_ms=5000)
    assert engine.measure(query("city"), PAIR, grouped, SALT) == [1, 1, 0, 2]
    engine.close()


def test_the_source_may_change_and_vanish_afterwards(
    server: postgres.Server, admin: Admin, tmp_path: Path
) -> None:
    where = source(server, admin)
    make(admin, PAIR, where)
    engine = Postgres(tmp_path)
    engine.snapshot(PAIR, where)
    admin.execute("INSERT INTO clinic.visits VALUES ('9', 9, 'é')")
    assert engine.measure(query(), PAIR, COUNT, SALT) == [4, 170]
    admin.execute("DROP TABLE clinic.visits")
    assert engine.measure(query(), PAIR, COUNT, SALT) == [4, 170]
    assert Postgres(tmp_path).snapshot(PAIR, where).rows == 5


def test_a_vintage_that_nobody_made_names_the_command(
    server: postgres.Server, admin: Admin, tmp_path: Path
) -> None:
    with pytest.raises(Misconfigured, match=r"no snapshot of vintage 2026.*cotally node snapshot"):
        Postgres(tmp_path).snapshot(PAIR, source(server, admin))


def test_other_columns_want_another_copy(server: postgres.Server, admin: Admin, tmp_path: Path) -> None:
    where = source(server, admin)
    make(admin, PAIR, where)
    with pytest.raises(Misconfigured, match="no snapshot"):
        Postgres(tmp_path).snapshot(table([AGE], k=2, g=2), where)


@pytest.mark.parametrize("change", [
    "ALTER TABLE {copy} DROP COLUMN c0", "ALTER TABLE {copy} ALTER c0 TYPE text", "TRUNCATE {copy}",
    "VACUUM FULL {copy}", "DROP TABLE {copy}", "ALTER TABLE {copy} RENAME TO elsewhere"])
def test_a_copy_that_is_replaced_is_not_opened(
    server: postgres.Server, admin: Admin, tmp_path: Path, change: str
) -> None:
    where = source(server, admin)
    make(admin, PAIR, where)
    engine = Postgres(tmp_path)
    engine.snapshot(PAIR, where)
    admin.execute(change.format(copy=f'cotally."{snapshot.name_of(PAIR, where)}"').encode())
    for attempt in (lambda: engine.open(PAIR), lambda: engine.measure(query(), PAIR, COUNT, SALT)):
        with pytest.raises(Misconfigured, match="a vintage never changes"):
            attempt()


def test_a_copy_whose_records_changed_is_refused_at_the_next_start(
    server: postgres.Server, admin: Admin, tmp_path: Path
) -> None:
    where = source(server, admin)
    make(admin, PAIR, where)
    Postgres(tmp_path).snapshot(PAIR, where)
    copy = f'cotally."{snapshot.name_of(PAIR, where)}"'
    admin.execute(f"VACUUM FULL {copy}".encode())  # the same records, moved by a diligent administrator
    Postgres(tmp_path).snapshot(PAIR, where)
    admin.execute(f"UPDATE {copy} SET c0 = 31 WHERE c0 = 30".encode())
    with pytest.raises(Misconfigured, match="holds other records"):
        Postgres(tmp_path).snapshot(PAIR, where)


@pytest.mark.parametrize(("grant", "said"), [
    ("GRANT INSERT ON clinic.visits TO reader; GRANT USAGE ON SCHEMA clinic TO reader", "clinic.visits"),
    ("GRANT UPDATE (note) ON clinic.visits TO reader; GRANT USAGE ON SCHEMA clinic TO reader", "may change"),
    ("GRANT CREATE ON SCHEMA clinic TO reader", "may create tables in schema clinic"),
    ("GRANT CREATE ON DATABASE {database} TO reader", "may create schemas"),
    ("ALTER SCHEMA cotally OWNER TO reader", "cotally"),
    ("ALTER TABLE clinic.visits OWNER TO reader; GRANT USAGE ON SCHEMA clinic TO reader", "clinic.visits"),
    ("CREATE SEQUENCE clinic.s; GRANT USAGE ON SEQUENCE clinic.s TO reader;"
     " GRANT USAGE ON SCHEMA clinic TO reader", "may advance clinic.s"),
    ('CREATE FUNCTION clinic."w ""x"(integer) RETURNS integer SECURITY DEFINER LANGUAGE sql'
     " AS 'UPDATE clinic.visits SET age = $1 RETURNING 1'; GRANT USAGE ON SCHEMA clinic TO reader",
     "SECURITY DEFINER"),
])
def test_a_role_that_can_write_is_refused(
    server: postgres.Server, admin: Admin, tmp_path: Path, grant: str, said: str
) -> None:
    where = source(server, admin)
    make(admin, PAIR, where)
    Postgres(tmp_path / "before").snapshot(PAIR, where)
    for statement in grant.format(database=admin.info.dbname).split(";"):
        admin.execute(statement.encode())
    with pytest.raises(Misconfigured, match=f"role reader.*{said}.*can only read") as refused:
        Postgres(tmp_path / "after").snapshot(PAIR, where)
    mends(admin, refused.value)
    Postgres(tmp_path / "mended").snapshot(PAIR, where)


def mends(admin: Admin, refused: Misconfigured) -> None:
    """Do what the refusal says."""
    for command in refused.message.partition("as administrator: ")[2].split("; "):
        admin.execute(command.encode())


def test_a_copy_that_the_role_may_not_read_names_the_grants(
    server: postgres.Server, admin: Admin, tmp_path: Path
) -> None:
    where = source(server, admin)
    make(admin, PAIR, where)
    admin.execute("REVOKE ALL ON SCHEMA cotally FROM reader")
    with pytest.raises(Misconfigured, match="role reader may not read") as refused:
        Postgres(tmp_path).snapshot(PAIR, where)
    mends(admin, refused.value)
    assert Postgres(tmp_path).snapshot(PAIR, where).rows == 5


def test_a_superuser_is_refused(server: postgres.Server, admin: Admin, tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="role admin is a superuser") as refused:
        Postgres(tmp_path).snapshot(PAIR, source(server, admin, "admin"))
    assert not re.search("member of|schema", str(refused.value))  # which nobody granted


def test_a_session_cannot_write_even_where_it_may(server: postgres.Server, admin: Admin) -> None:
    with (session.connect(server.url("admin", admin.info.dbname)) as connection,
          pytest.raises(psycopg.errors.ReadOnlySqlTransaction)):
        connection.execute("CREATE TABLE clinic.mine (x integer)")


def test_a_server_that_is_too_slow_is_stopped_at_d(
    server: postgres.Server, admin: Admin, tmp_path: Path
) -> None:
    where = source(server, admin)
    admin.execute("INSERT INTO clinic.visits SELECT i::text, i % 100, 'é' FROM generate_series(1, 60000) i")
    make(admin, PAIR, where)
    engine = Postgres(tmp_path)
    engine.snapshot(PAIR, where)
    with pytest.raises(EngineError) as stopped:
        engine.measure(query(), PAIR, replace(COUNT, answer_ms=3), SALT)
    assert str(stopped.value) == "PostgreSQL stopped with QueryCanceled"
    assert engine.measure(query(), PAIR, COUNT, SALT)[0] == 60_003  # 1, 2 and 3 twice


def crowded(server: postgres.Server, admin: Admin, state: Path) -> Postgres:
    """An engine over so many people that a question takes some time and memory."""
    where = source(server, admin)
    admin.execute("INSERT INTO clinic.visits SELECT i::text, i % 100, 'é' FROM generate_series(1, 200000) i")
    make(admin, PAIR, where)
    engine = Postgres(state)
    engine.snapshot(PAIR, where)
    return engine


def test_a_server_that_runs_out_of_room_is_named_without_its_numbers(
    server: postgres.Server, admin: Admin, tmp_path: Path
) -> None:
    engine, name = crowded(server, admin, tmp_path), admin.info.dbname
    for limit in ("work_mem", "temp_file_limit"):
        admin.execute(f"ALTER ROLE reader IN DATABASE {name} SET {limit} = '64kB'".encode())
    engine.close()
    with pytest.raises(EngineError) as stopped:
        engine.measure(query(), PAIR, COUNT, SALT)
    assert str(stopped.value) == "PostgreSQL stopped with ConfigurationLimitExceeded"
    admin.execute(f"ALTER ROLE reader IN DATABASE {name} RESET ALL".encode())
    assert engine.measure(query(), PAIR, COUNT, SALT)[0] == 200_003


def test_a_server_that_dies_in_the_middle_of_a_question_is_named_and_found_again(
    server: postgres.Server, admin: Admin, tmp_path: Path
) -> None:
    """Killing one process makes PostgreSQL end them all and recover."""
    engine = crowded(server, admin, tmp_path)
    busy = "SELECT pid FROM pg_stat_activity WHERE usename = 'reader' AND query LIKE 'WITH %'"
    with ThreadPoolExecutor() as pool:
        asked = pool.submit(lambda: [engine.measure(query(), PAIR, COUNT, SALT) for _ in range(500)])
        while not (found := admin.execute(busy.encode()).fetchone()):
            assert not asked.done()
        os.kill(int(str(found[0])), signal.SIGKILL)
        stopped = asked.exception()
    assert isinstance(stopped, EngineError)
    assert str(stopped).removeprefix("PostgreSQL stopped with ") in (
        "OperationalError", "AdminShutdown", "CrashShutdown")
    for _ in range(100):
        try:
            assert engine.measure(query(), PAIR, COUNT, SALT)[0] == 200_003
            return
        except EngineError:  # it recovers
            time.sleep(0.1)
    pytest.fail("the engine does not find the server again")


def test_a_server_that_is_down_is_named_before_anything_is_spent(tmp_path: Path) -> None:
    with postgres.serving() as own:
        with psycopg.connect(own.url("admin"), autocommit=True) as connection:
            connection.execute("CREATE SCHEMA clinic")
            connection.execute("CREATE TABLE clinic.visits AS SELECT '1' AS pid, 7 AS age, 'é' AS city")
            where = PostgresTable(own.url("reader"), "clinic", "visits")
            make(connection, PAIR, where)
        engine = Postgres(tmp_path)
        engine.snapshot(PAIR, where)
        engine.open(PAIR)
        own.stop()
        with pytest.raises(EngineError, match="does not take the connection"):
            engine.open(PAIR)


@pytest.mark.parametrize(("column", "said"), [("age", "has no column age"), ("city", "has no column city")])
def test_a_source_that_lacks_a_column_is_named(
    server: postgres.Server, admin: Admin, column: str, said: str
) -> None:
    admin.execute(f"ALTER TABLE clinic.visits DROP COLUMN {column}".encode())
    with pytest.raises(Misconfigured, match=said):
        make(admin, PAIR, source(server, admin))


def test_a_column_of_a_wrong_type_is_named(server: postgres.Server, admin: Admin) -> None:
    admin.execute("ALTER TABLE clinic.visits ALTER age TYPE bytea USING NULL")
    with pytest.raises(Misconfigured, match="column age is of type bytea, which is not a number"):
        make(admin, PAIR, source(server, admin))


def test_hostile_names_are_quoted(server: postgres.Server, admin: Admin, tmp_path: Path) -> None:
    odd = 'a"; DROP TABLE visits; --'
    quoted = '"' + odd.replace('"', '""') + '"'
    admin.execute(f"ALTER TABLE clinic.visits RENAME age TO {quoted}".encode())
    admin.execute(f"ALTER TABLE clinic.visits RENAME TO {quoted}".encode())
    held = replace(table([replace(AGE, name=odd)], k=2, g=2), name="人口" * 20, vintage="'); --")
    where = replace(source(server, admin), table=odd, store='st"ore')
    make(admin, held, where)
    engine = Postgres(tmp_path)
    assert engine.snapshot(held, where).rows == 5
    both = replace(plan(1, block(BlockKind.SUM, held.columns[0])), answer_ms=5000)
    assert engine.measure(query(), held, both, SALT) == [170]


def test_a_tiny_value_over_a_coarse_resolution_does_not_underflow(
    server: postgres.Server, admin: Admin, tmp_path: Path
) -> None:
    admin.execute("ALTER TABLE clinic.visits ADD income double precision DEFAULT '5e-324'")
    coarse = replace(INCOME, lower=0 * INCOME.lower, upper=8000 * INCOME.resolution / INCOME.resolution,
                     resolution=1000 * INCOME.resolution * 4)
    held = table([coarse], k=2, g=2)
    where = source(server, admin)
    make(admin, held, where)
    engine = Postgres(tmp_path)
    engine.snapshot(held, where)
    both = replace(plan(1, block(BlockKind.COUNT, coarse), block(BlockKind.SUM, coarse)), answer_ms=5000)
    assert engine.measure(query(), held, both, SALT) == [4, 0]


def test_errors_quote_no_value(server: postgres.Server, admin: Admin) -> None:
    with (session.connect(server.url("reader", admin.info.dbname)) as connection,
          pytest.raises(EngineError) as stopped, session.transaction(connection, 0)):
        connection.execute("SELECT 'secret'::integer")
    assert "secret" not in repr(stopped.value) and stopped.value.__cause__ is None
    assert stopped.value.__suppress_context__
