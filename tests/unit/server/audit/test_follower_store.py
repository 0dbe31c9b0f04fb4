"""A follower's view survives restarts, and is on disk before anything is cosigned."""

from pathlib import Path

import pytest
from sqlalchemy import Engine, event

from cotally.server.audit import follower_store
from cotally.server.audit.follower_store import SCHEMA, FollowerStore
from cotally.server.store.database import open_database
from cotally.v1 import log_pb2
from cotally.v1.refusals import Misconfigured
from tests.fixtures.logs import World, chain, dead, roster, transcript

A = b"a" * 32


def history(world: World, length: int) -> list[log_pb2.LogEntry]:
    links = chain("north", ("BUDGET", b"", 20), ("RESERVE", A, 5))
    fixed = [world.genesis(), roster(A, north=links), transcript(A, 5), dead(A)]
    return [*fixed, *(transcript(i.to_bytes(32, "big"), 7) for i in range(1, length - 3))]


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return open_database(tmp_path / "follower.db", SCHEMA)


def test_every_restart_finds_the_same_view(
    world: World, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follower_store, "SNAPSHOT_EVERY", 7)  # passes through several snapshots
    log = history(world, 30)
    store = FollowerStore(engine)
    follower = store.load(world.charter)
    for at in range(0, 30, 2):
        store.extend(follower, at, log[at:at + 2], world.checkpoint(log[:at + 2]))
        assert FollowerStore(engine).load(world.charter).dump() == follower.dump()
    with engine.begin() as connection:
        assert 0 < connection.exec_driver_sql("SELECT count(*) FROM follower_tail").scalar_one() < 10


def test_bytes_to_sign_come_after_the_commit(world: World, engine: Engine) -> None:
    log = history(world, 5)
    store = FollowerStore(engine)
    follower = store.load(world.charter)

    def crash(_connection: object) -> None:
        raise OSError("the disk is full")

    event.listen(engine, "commit", crash)
    with pytest.raises(OSError, match="full"):
        store.extend(follower, 0, log[:3], world.checkpoint(log[:3]))
    event.remove(engine, "commit", crash)
    assert store.load(world.charter).size == 0
    # In memory it went on; the next step writes what is missing.
    store.extend(follower, 3, [], world.checkpoint(log[:3]))
    assert store.load(world.charter).dump() == follower.dump()
    store.extend(follower, 3, log[3:], world.checkpoint(log))
    assert store.load(world.charter).dump() == follower.dump()


def test_save_stores_everything(world: World, engine: Engine) -> None:
    store = FollowerStore(engine)
    follower = world.follow(transcript(A, 5))
    store.save(follower)
    assert store.load(world.charter).dump() == follower.dump()


@pytest.mark.parametrize("statement", [
    "DELETE FROM follower_tail WHERE position = 2",
    "DELETE FROM follower_tail",
    "UPDATE follower_tail SET entry = x'ffff' WHERE position = 1",
    "UPDATE follower_tail SET entry = (SELECT max(entry) FROM follower_tail) WHERE position > 1",
    "UPDATE follower_head SET size = 2",
])
def test_a_damaged_view_is_refused(world: World, engine: Engine, statement: str) -> None:
    log = history(world, 5)
    store = FollowerStore(engine)
    store.extend(store.load(world.charter), 0, log, world.checkpoint(log))
    with engine.begin() as connection:
        connection.exec_driver_sql(statement)
    with pytest.raises(Misconfigured, match=r"follower\.db is damaged"):
        store.load(world.charter)
