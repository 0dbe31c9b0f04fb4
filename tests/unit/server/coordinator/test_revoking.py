"""A list at the coordinator: logged once, and heeded in calls, lines and rounds at once."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from cotally.server.coordinator.board import Board
from cotally.server.coordinator.in_force import InForce
from cotally.server.coordinator.live import Live, LiveRounds
from cotally.server.coordinator.revoking import Revoking
from cotally.server.coordinator.session import Round
from cotally.server.coordinator.witnessing import Witnessing
from cotally.server.rpc.logs import Log
from cotally.v1 import query_pb2, roster_pb2
from cotally.v1.refusals import Refusal, Refused
from tests.protocol.conftest import folder, lab  # noqa: F401
from tests.protocol.lab import Lab
from tests.protocol.planting import refused_as
from tests.protocol.test_revocations import revocation


class Desk:
    """A coordinator with one round in which everybody has committed, conducted by a task that never ends."""

    def __init__(self, lab: Lab) -> None:  # noqa: F811
        self.lab = lab
        self.board, self.live = Board(), LiveRounds()
        follower = lab.follower()
        witnessing = Witnessing(lab.federation, lab.audit, follower, self.board, lab.keys["coordinator"])
        self.inbox = lab.folder / "revocations.bin"
        self.revoking = Revoking(InForce(lab.federation), self.inbox, follower, witnessing, lab.audit,
                                 self.board, self.live, Log("coordinator", "c"))

    def round(self, analyst: str = "ada") -> Live:
        lab = self.lab  # noqa: F811
        for name, node in lab.nodes.items():
            node.session.permissions.grants = [lab.grant(name, who) for who in ("ada", "eve")]
        round_ = Round(lab.federation, lab.announce(lab.envelope(analyst=analyst)))
        for name in lab.nodes:
            round_.commit(lab.commit(name, round_.announcement))
        live = Live(round_)
        self.live.add(live)
        live.conducted_by(asyncio.create_task(asyncio.sleep(3600)))
        return live

    def member(self, name: str) -> roster_pb2.Member:
        return next(m for m in self.lab.charter.roster.members if m.name == name)


def within(act: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(act(), 60))


def test_a_departments_list_ends_the_rounds_under_its_revoked_grants_and_no_others(lab: Lab) -> None:  # noqa: F811
    async def play() -> None:
        desk = Desk(lab)
        mine, other = desk.round("ada"), desk.round("eve")
        purposes = [query_pb2.RevokedAnalyst(analyst="ada", purpose="audit")]
        desk.revoking.take(revocation(lab, serial=1, analysts=purposes))
        assert mine.halted is None
        desk.revoking.take(revocation(lab, serial=2))
        await asyncio.sleep(0.01)
        assert mine.halted is not None and mine.halted.refusal is Refusal.NOT_ALLOWED
        assert mine._task is not None and mine._task.cancelled()
        assert other.halted is None and other._task is not None and not other._task.done()
        refused_as(Refusal.NOT_ALLOWED, lambda: desk.revoking.check_round(mine.round), "has revoked")
        desk.revoking.check_round(other.round)
    within(play)


def test_a_list_is_logged_once_and_an_older_one_never(lab: Lab) -> None:  # noqa: F811
    async def play() -> None:
        desk = Desk(lab)
        newer = revocation(lab, serial=5)
        before = lab.audit.size
        for _ in range(3):
            desk.revoking.take(newer)
        assert lab.audit.size == before + 1
        refused_as(Refusal.STEPPED_BACK, lambda: desk.revoking.take(revocation(lab, serial=4)))
        refused_as(Refusal.EQUIVOCATION, lambda: desk.revoking.take(revocation(lab, serial=5, analysts=[])))
        forged = revocation(lab, serial=6)
        forged.body.serial = 7
        refused_as(Refusal.CREDENTIALS, lambda: desk.revoking.take(forged))
        assert lab.audit.size == before + 1
        lab.witness()
    within(play)


def test_a_revoked_members_calls_lines_and_rounds_end(lab: Lab) -> None:  # noqa: F811
    async def play() -> None:
        desk = Desk(lab)
        live = desk.round("ada")
        gone, stays = (desk.board.join(desk.member(name), 0) for name in ("tax", "north"))
        desk.inbox.write_bytes(revocation(lab, "coordinator", members=["ada", "tax"]).SerializeToString())
        desk.revoking.look()
        await asyncio.sleep(0.01)
        assert live.halted is not None and live.halted.refusal is Refusal.CREDENTIALS
        assert [work async for work in gone.work()] == [] and desk.board.line("tax") is None
        assert desk.board.line("north") is stays
        for name in ("ada", "tax"):
            with pytest.raises(Refused, match=f"revoked {name}") as caught:
                desk.revoking.check_member(desk.member(name))
            assert caught.value.refusal is Refusal.CREDENTIALS
        for name in ("eve", "north"):
            assert desk.revoking.check_member(desk.member(name)).name == name
    within(play)


def test_the_operators_inbox_takes_only_the_operators_list(lab: Lab) -> None:  # noqa: F811
    async def play() -> None:
        desk = Desk(lab)
        before = lab.audit.size
        for data in (b"\xff", revocation(lab, "tax").SerializeToString()):
            desk.inbox.write_bytes(data)
            desk.revoking.look()
        assert lab.audit.size == before
    within(play)


def test_a_round_that_is_halted_before_its_first_step_still_takes_it(lab: Lab) -> None:  # noqa: F811
    """A task that is cancelled before it ran would never end its round."""
    async def play() -> None:
        desk = Desk(lab)
        live, ran = desk.round(), []

        async def conduct() -> None:
            ran.append(1)
            await asyncio.sleep(3600)

        live.conducted_by(asyncio.create_task(conduct()))
        live.halt(Refused(Refusal.NOT_ALLOWED, "revoked"))
        await asyncio.sleep(0.01)
        assert ran == [1] and live._task is not None and live._task.cancelled()
    within(play)
