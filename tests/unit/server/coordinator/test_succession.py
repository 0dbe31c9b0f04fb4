"""The coordinator switches when its members are ready, and at no other time."""

import asyncio
import io
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from cotally.server.audit.log import SCHEMA, AuditLog
from cotally.server.coordinator import succession as switching
from cotally.server.coordinator.board import Board, Line
from cotally.server.coordinator.conduct import Conductor
from cotally.server.coordinator.in_force import InForce
from cotally.server.coordinator.succession import Successions
from cotally.server.coordinator.witnessing import Witnessing
from cotally.server.crypto.keys import PublicKey
from cotally.server.rpc.logs import Log
from cotally.server.store.database import open_database
from cotally.server.wire import keys, succession
from cotally.server.wire.federation import Federation
from cotally.server.wire.signed import sign
from cotally.v1 import roster_pb2, work_pb2
from cotally.v1.canonical import digest
from tests.fixtures.keys import next_dealt
from tests.protocol.lab import DEPARTMENTS
from tests.protocol.test_charter import approved, key_of

HOLDERS = ("holder-1", "holder-2", "holder-3")


class Conducting:
    """Stands for the conductor: knows whether rounds are held."""

    held = False

    @asynccontextmanager
    async def between_rounds(self) -> AsyncIterator[None]:
        self.held = True
        yield
        self.held = False


class Witness:
    """Stands for the witnessing: a quorum of five of six."""

    quorum = 5

    def __init__(self) -> None:
        self.asked: list[int] = []

    async def witness(self, size: int) -> None:
        self.asked.append(size)


class World:
    """A coordinator's succession with everything around it."""

    def __init__(self, folder: Path) -> None:
        self.first = Federation(approved())
        self.inbox = folder / "successor.bin"
        self.in_force = InForce(self.first)
        self.board = Board(self.first.roster)
        self.conducting, self.witness = Conducting(), Witness()
        self.audit = AuditLog(open_database(folder / "audit.db", SCHEMA))
        self.said = io.StringIO()
        self.stored: list[str] = []
        self.successions = Successions(
            self.in_force, self.inbox, self.board, cast(Conductor, self.conducting),
            cast(Witnessing, self.witness), self.audit, Log("coordinator", "c", stream=self.said),
            lambda _: self.stored.append("kept"), lambda _: self.stored.append("adopted"),
            lambda _: self.stored.append("warmed"))
        self.lines = {name: self.join(name) for name in (*DEPARTMENTS, *HOLDERS)}

    def join(self, name: str) -> Line:
        member = next(m for m in self.first.charter.roster.members if m.name == name)
        return self.board.join(member, 0, self.first.roster)

    def successor(self) -> roster_pb2.Charter:
        """An approved successor; its digest is what members become ready for."""
        dealt = next_dealt()
        charter = succession.succeed(
            self.first.charter, keys.to_message(dealt.public, dealt.wellformed, dealt.trial))
        charter.approvals.extend(
            roster_pb2.Approval(department=d, signature=sign(key_of(d), "roster", charter.roster))
            for d in DEPARTMENTS)
        return charter

    def ready(self, charter: roster_pb2.Charter, *names: str) -> None:
        for name in names:
            self.successions.ready(name, digest("roster", charter.roster))

    @property
    def switched(self) -> bool:
        return self.in_force.federation is not self.first


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(switching, "POLL_S", 0.01)
    monkeypatch.setattr(switching, "PAUSE_S", 0.2)
    return World(tmp_path)


def offered(line: Line) -> roster_pb2.Charter:
    """The successor that was posted next to *line*."""
    work = line._queue.get_nowait()
    assert isinstance(work, work_pb2.NodeWork | work_pb2.KeyHolderWork)
    return work.successor


def play(world: World, scene: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run *scene* beside the watching coordinator."""
    async def both() -> None:
        watching = asyncio.create_task(world.successions.run())
        try:
            await scene()
        finally:
            watching.cancel()
    asyncio.run(asyncio.wait_for(both(), 30))


async def until(true: Callable[[], object]) -> None:
    while not true():
        await asyncio.sleep(0.01)


def test_it_switches_when_all_are_ready(world: World) -> None:
    charter = world.successor()

    async def scene() -> None:
        world.inbox.write_bytes(charter.SerializeToString())
        await until(lambda: "kept" in world.stored)
        await until(lambda: world.conducting.held)
        world.ready(charter, *DEPARTMENTS, *HOLDERS[:2])
        await until(lambda: not world.conducting.held)  # questions wait no longer than the pause
        assert not world.switched
        assert world.board.connected(roster_pb2.ROLE_NODE) == sorted(DEPARTMENTS)
        world.ready(charter, HOLDERS[2])
        await until(lambda: world.switched)
        await until(lambda: world.witness.asked)

    play(world, scene)
    [entry] = world.audit.entries(0, world.audit.size)
    assert entry.succession.succession.roster == charter.roster
    assert world.in_force.federation.roster == world.board.roster == digest("roster", charter.roster)
    assert world.stored == ["warmed", "kept", "adopted"] and not world.inbox.exists()
    for line in world.lines.values():  # everybody was offered it, once
        assert offered(line) == charter and line._queue.empty()


def test_it_goes_on_without_those_that_are_not_ready(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(switching, "PATIENCE_S", 0.4)
    charter = world.successor()

    async def scene() -> None:
        world.inbox.write_bytes(charter.SerializeToString())
        await until(lambda: "kept" in world.stored)
        world.ready(charter, *DEPARTMENTS, HOLDERS[0])
        await asyncio.sleep(1)
        assert not world.switched  # four of six are no quorum, and one holder does not decrypt
        world.ready(charter, HOLDERS[1])
        await until(lambda: world.switched)

    play(world, scene)
    assert world.board.connected(roster_pb2.ROLE_KEY_HOLDER) == list(HOLDERS[:2])
    late = world.join("holder-3")
    world.successions.greet(late)
    assert offered(late) == charter
    world.ready(charter, "holder-3")
    assert world.board.connected(roster_pb2.ROLE_KEY_HOLDER) == list(HOLDERS)


def test_who_lags_behind_is_offered_one_charter_after_the_other(world: World) -> None:
    """A second offer ends work on the first: where the second cannot be had yet, it would end for good."""
    second = world.successor()
    late = world.lines["holder-3"]

    async def scene() -> None:
        world.inbox.write_bytes(second.SerializeToString())
        await until(lambda: not late._queue.empty())
        world.board.leave(late)
        world.ready(second, *DEPARTMENTS, *HOLDERS[:2])
        await until(lambda: world.switched)
        third = succession.succeed(second, keys.to_message(later(), b"", b""))
        world.inbox.write_bytes(third.SerializeToString())
        await until(lambda: world.stored.count("kept") == 2)
        back = world.join("holder-3")
        world.successions.greet(back)
        assert offered(back) == second and back._queue.empty()
        world.ready(second, "holder-3")
        assert offered(back) == third and back._queue.empty()

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(switching, "check_successor", lambda _, charter: Federation(charter))
        play(world, scene)


def later() -> PublicKey:
    """Another key than that of the successor."""
    return replace(next_dealt().public, epoch=3)


@pytest.mark.parametrize("what", ["garbage", "not approved", "of the same roster"])
def test_what_is_no_successor_is_left_alone(world: World, what: str) -> None:
    charter = world.successor()
    charter.approvals.pop()
    data = {"garbage": b"\xff" * 9, "not approved": charter.SerializeToString(),
            "of the same roster": world.first.charter.SerializeToString()}[what]

    async def scene() -> None:
        world.inbox.write_bytes(data)
        if what == "of the same roster":  # a stop came after the switch: nothing is left to do
            await until(lambda: not world.inbox.exists())
        else:
            await until(lambda: "successor_refused" in world.said.getvalue())
        await asyncio.sleep(0.1)

    play(world, scene)
    assert not world.switched and not world.stored and world.audit.size == 0
    assert world.said.getvalue().count("successor_refused") == (what != "of the same roster")
