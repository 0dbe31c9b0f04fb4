"""The coordinator's log on disk: durable, provable, one checkpoint for each size, tamper-evident."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from cotally.server.audit.checkpoint import text
from cotally.server.audit.follower import entry_hash
from cotally.server.audit.log import SCHEMA, AuditLog
from cotally.server.audit.merkle import Tree, verify_consistency, verify_inclusion
from cotally.server.store.database import open_database
from cotally.v1 import log_pb2
from cotally.v1.refusals import Misconfigured, Refusal, Refused
from tests.fixtures.logs import World

ENTRIES = [
    log_pb2.LogEntry(announcement=log_pb2.AnnouncementLeaf(round=i.to_bytes(32, "big"))) for i in range(1, 12)
]


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = open_database(tmp_path / "log.db", SCHEMA)
    yield engine
    engine.dispose()


@pytest.fixture
def log(engine: Engine) -> AuditLog:
    log = AuditLog(engine)
    assert [log.append(e) for e in ENTRIES[:5]] == [0, 1, 2, 3, 4]
    assert log.append_all(ENTRIES[5:]) == 5
    return log


def test_entries_roots_and_proofs_survive_a_restart(log: AuditLog, engine: Engine) -> None:
    tree = Tree(entry_hash(e) for e in ENTRIES)
    for each in (log, AuditLog(engine)):
        assert each.size == 11
        assert each.entries(0, 11) == ENTRIES
        assert each.entries(3, 5) == ENTRIES[3:5]
        assert each.entries(11, 11) == []
        assert [each.root(s) for s in range(12)] == [tree.root(s) for s in range(12)]
        assert each.root() == tree.root()
        proof = each.inclusion(4, 9)
        verify_inclusion(entry_hash(ENTRIES[4]), 4, 9, proof.path, tree.root(9))
        assert (proof.index, proof.size) == (4, 9)
        verify_consistency(3, 11, tree.root(3), tree.root(), each.consistency(3, 11))


@pytest.mark.parametrize(("first", "size"), [(-1, 3), (3, 2), (0, 12), (12, 12)])
def test_ranges_outside_are_refused(log: AuditLog, first: int, size: int) -> None:
    with pytest.raises(Refused) as caught:
        log.entries(first, size)
    assert caught.value.refusal == Refusal.OUT_OF_ORDER


def test_two_logs_on_one_file_never_write_one_index_twice(log: AuditLog, engine: Engine) -> None:
    other = AuditLog(engine)
    log.append(ENTRIES[0])
    assert other.append(ENTRIES[1]) == 12
    assert log.append(ENTRIES[2]) == 13
    assert AuditLog(engine).root() == log.root()


def test_an_entry_without_canonical_bytes_is_refused_and_nothing_is_written(log: AuditLog) -> None:
    stranger = log_pb2.LogEntry.FromString(ENTRIES[0].SerializeToString() + b"\xfa\x01\x01x")
    with pytest.raises(Refused) as caught:
        log.append_all([ENTRIES[0], stranger])
    assert caught.value.refusal == Refusal.MALFORMED
    assert log.size == 11


def test_one_checkpoint_for_each_size(log: AuditLog, engine: Engine, world: World) -> None:
    assert log.checkpoint() is None
    bare = world.witnessed(world.sign(text("pums", 7, log.root(7))), ())
    late = world.witnessed(world.sign(text("pums", 11, log.root())), ("north",))
    full = world.witnessed(bare.checkpoint, ("east", "north"))
    for witnessed in (bare, late, full):
        log.save_checkpoint(witnessed)
    assert AuditLog(engine).checkpoint() == late
    assert log.checkpoint(7) == full
    assert log.checkpoint(8) is None
    for wrong in (text("pums", 7, bytes(32)), text("pums", 12, log.root()), text("brfss", 7, log.root(7))):
        with pytest.raises(Refused) as caught:
            log.save_checkpoint(world.witnessed(world.sign(wrong), ()))
        assert caught.value.refusal == Refusal.EQUIVOCATION


@pytest.mark.parametrize("statement", [
    "DELETE FROM audit_entry WHERE position = 3",
    "DELETE FROM audit_entry WHERE position = 10",
    "UPDATE audit_entry SET hash = x'00' WHERE position = 3",
    f"UPDATE audit_entry SET hash = x'{'00' * 32}' WHERE position = 3",
])
def test_a_log_that_contradicts_itself_is_refused(
    log: AuditLog, engine: Engine, world: World, statement: str
) -> None:
    log.save_checkpoint(world.witnessed(world.sign(text("pums", 11, log.root())), ()))
    AuditLog(engine)
    with engine.begin() as connection:
        connection.exec_driver_sql(statement)
    with pytest.raises(Misconfigured, match=r"audit log in .* is damaged"):
        AuditLog(engine)


def test_an_altered_entry_is_not_served(log: AuditLog, engine: Engine) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "UPDATE audit_entry SET entry = ? WHERE position = 3", (ENTRIES[0].SerializeToString(),))
    with pytest.raises(Misconfigured, match="entry 3"):
        log.entries(0, 11)
