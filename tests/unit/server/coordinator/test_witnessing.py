"""What was logged is told to everybody soon, but not while an analyst may be waiting, and not twice."""

import asyncio
import threading
from pathlib import Path

import pytest

from cotally.server.audit.follower import Follower
from cotally.server.coordinator import witnessing
from cotally.server.coordinator.board import Board, Line
from cotally.server.coordinator.witnessing import Witnessing
from cotally.v1 import log_pb2, roster_pb2, work_pb2
from tests.protocol.lab import Lab


def dead(round_: bytes) -> log_pb2.LogEntry:
    return log_pb2.LogEntry(dead=log_pb2.DeadLeaf(round=round_, reason="INTERNAL"))


def made(folder: Path) -> tuple[Witnessing, Lab, Line]:
    """The coordinator's witnessing over a log of two entries, and one line that knows the first."""
    lab = Lab(folder)
    board = Board(lab.federation.roster)
    follower = Follower(lab.charter)
    found = Witnessing(lab.federation, lab.audit, follower, board, lab.keys["coordinator"])
    line = board.join(lab.federation.member("tax", roster_pb2.ROLE_NODE), lab.audit.size,
                      lab.federation.roster)
    lab.audit.append(dead(b"one"))
    return found, lab, line


async def posted(line: Line) -> list[work_pb2.Growth]:
    line.close()
    return [work.growth async for work in line.work()]  # type: ignore[attr-defined]


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(witnessing, "SPREAD_S", 0.05)


def test_news_waits_a_little_and_then_goes_to_everybody(tmp_path: Path) -> None:
    async def story() -> None:
        found, lab, line = made(tmp_path)
        found.spread()
        assert line.log_size == lab.audit.size - 1
        await asyncio.sleep(0.2)
        (growth,) = await posted(line)
        assert (growth.first, len(growth.entries)) == (lab.audit.size - 1, 1)

    asyncio.run(story())


def test_news_that_a_round_has_told_meanwhile_is_not_told_again(tmp_path: Path) -> None:
    async def story() -> None:
        found, lab, line = made(tmp_path)
        found.spread()
        found.catch_up(line)  # as the next round's checkpoint does
        lab.audit.append(dead(b"two"))  # news of its own, which has its own time
        await asyncio.sleep(0.2)
        (growth,) = await posted(line)
        assert [entry.dead.round for entry in growth.entries] == [b"one"]

    asyncio.run(story())


def test_a_newcomer_learns_a_long_log_in_order_beside_the_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        found, lab, _ = made(tmp_path)
        monkeypatch.setattr(witnessing, "ENTRIES_PER_GROWTH", 3)
        lab.audit.append_all([dead(bytes([n])) for n in range(10)])
        readers: list[tuple[int, int, int]] = []
        entries = lab.audit.entries
        monkeypatch.setattr(lab.audit, "entries", lambda first, size: readers.append(
            (threading.get_ident(), first, size)) or entries(first, size))  # type: ignore[func-returns-value]
        line = found._board.join(lab.federation.member("tax", roster_pb2.ROLE_NODE), 0)
        found.greet(line)
        line.post(work_pb2.NodeWork(permit=work_pb2.PermitWork(round=b"later")))
        line.close()
        works = [work async for work in line.work()]
        *growths, last = [w for w in works if isinstance(w, work_pb2.NodeWork)]
        assert last.permit.round == b"later"
        follower = Follower(lab.charter)
        for work in growths:
            assert work.growth.first == follower.size and len(work.growth.entries) <= 3
            follower.fold(work.growth.entries)
            assert work.growth.checkpoint == found.checkpoint(follower.size)
        assert follower.size == lab.audit.size
        here = [size - first for thread, first, size in readers if thread == threading.get_ident()]
        assert len(here) == 1 and here[0] <= 3  # the newest alone

    asyncio.run(story())
