"""The chain of what was sent, and the one door: nothing passes it that the chain does not hold first."""

import asyncio
import re
import sqlite3
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, cast

import grpc.aio
import pytest

from cotally.server.node import sent
from cotally.server.node.door import Door
from cotally.server.node.sent import Sent
from cotally.server.store.database import open_database
from cotally.v1 import log_pb2, query_pb2, round_pb2, work_pb2
from cotally.v1.canonical import digest
from cotally.v1.refusals import Refusal, Refused

NODE = Path(sent.__file__).parent


@pytest.fixture
def chain(tmp_path: Path) -> Sent:
    return Sent(open_database(tmp_path / "sent.db", sent.SCHEMA), iter(range(1, 10_000)).__next__)


def broken_at(chain: Sent) -> int:
    with pytest.raises(Refused, match="does not continue") as caught:
        list(chain.entries())
    assert caught.value.refusal is Refusal.EQUIVOCATION
    return int(re.findall(r"entry (\d+)", caught.value.message)[0])


@pytest.mark.parametrize(("damage", "index"), [
    ("UPDATE sent SET size = 9 WHERE position = 2", 2),
    ("UPDATE sent SET at_ms = 9 WHERE position = 0", 0),
    ("UPDATE sent SET kind = 'Cosign' WHERE position = 1", 1),
    ("UPDATE sent SET round = x'00' WHERE position = 3", 3),
    ("UPDATE sent SET digest = x'00' WHERE position = 3", 3),
    ("DELETE FROM sent WHERE position = 1", 1),
    ("DELETE FROM sent WHERE position = 0", 0),
    ("DELETE FROM sent WHERE position = 2; UPDATE sent SET position = position - 1 WHERE position > 2", 2),
    ("INSERT INTO sent SELECT 5, at_ms, kind, round, size, digest, hash FROM sent WHERE position = 4", 5),
])
def test_every_change_of_the_chain_is_named(chain: Sent, tmp_path: Path, damage: str, index: int) -> None:
    for number in range(5):
        chain.note("Commit", b"r", number, bytes([number]) * 32)
    assert [e.size for e in chain.entries()] == [0, 1, 2, 3, 4]
    with sqlite3.connect(tmp_path / "sent.db") as db:
        db.executescript(damage)
    assert broken_at(chain) == index


def test_an_entry_that_is_changed_together_with_its_hash_breaks_the_next(chain: Sent, tmp_path: Path) -> None:
    """The hash is public: who changes an entry makes it anew, and then has to make all that follow."""
    for number in range(4):
        chain.note("Commit", b"r", number, bytes([number]) * 32)
    first, second, *_ = chain.entries()
    forged = sent._hash(first.hash, 1, second.at_ms, "Commit", b"r", 99, second.digest)
    with sqlite3.connect(tmp_path / "sent.db") as db:
        db.execute("UPDATE sent SET size = 99, hash = ? WHERE position = 1", (forged,))
    assert broken_at(chain) == 2


def test_a_repeat_of_the_last_message_is_written_once_and_a_later_one_again(chain: Sent) -> None:
    for kind in ("Listen", "Listen", "Cosign", "Listen", "Listen"):
        chain.note(kind, b"", 1, bytes(32))
    assert [e.kind for e in chain.entries()] == ["Listen", "Cosign", "Listen"]


class Wire:
    """A channel to nobody: every call first looks at what the chain holds, then keeps what it got."""

    def __init__(self, chain: Sent) -> None:
        self._chain = chain
        self.sent: list[tuple[str, str]] = []

    def unary_unary(self, method: str, *_: object, **__: object) -> Callable[..., Any]:
        async def call(request: Any) -> None:
            self._went(method)
        return call

    def stream_unary(self, method: str, *_: object, **__: object) -> Callable[..., Any]:
        async def call(frames: AsyncIterator[Any]) -> None:
            self._went(method)
        return call

    def unary_stream(self, method: str, *_: object, **__: object) -> Callable[..., Any]:
        return lambda request: self._went(method)

    def _went(self, method: str) -> None:
        self.sent.append((method.rpartition("/")[2], list(self._chain.entries())[-1].kind))


def test_whatever_passes_the_door_is_in_the_chain_before_it_goes(chain: Sent) -> None:
    wire = Wire(chain)
    door = Door(cast(grpc.aio.Channel, wire), chain)
    commitment = round_pb2.Commitment(body=round_pb2.CommitmentBody(round=b"r" * 32))
    opened = round_pb2.Reveal(body=round_pb2.RevealBody(round=b"r" * 32, salt=b"s" * 32))

    async def play() -> None:
        door.listen(work_pb2.ListenRequest())
        await door.commit(commitment)
        await door.reveal(opened)
        await door.decline(work_pb2.DeclineRequest(round=b"d"))
        await door.permit(b"p", b"q", query_pb2.SignedGrant())
        await door.cosign(3, log_pb2.Cosignature(witness="tax"))
        await door.ready(b"r" * 32)
        await door.revoke(query_pb2.SignedRevocation())

    asyncio.run(play())
    assert [kind for kind, _ in wire.sent] == [kind for _, kind in wire.sent] == [
        e.kind for e in chain.entries()]
    noted = {e.kind: e for e in chain.entries()}
    assert set(noted) == {m.name for m in work_calls()}
    assert noted["Commit"].digest == digest("commitment", commitment.body)
    assert noted["Reveal"].digest == digest("reveal", opened.body)
    assert (noted["Reveal"].size, noted["Decline"].round) == (opened.ByteSize(), b"d")


def work_calls() -> list[Any]:
    """Every call that a node may make."""
    from cotally.v1 import node_pb2
    return list(node_pb2.DESCRIPTOR.services_by_name["Nodes"].methods)


def test_nothing_else_of_a_node_holds_the_stub() -> None:
    holding = {p.name for p in NODE.glob("*.py") if "node_pb2_grpc" in p.read_text()}
    assert holding == {"door.py"}
