"""Lines, suspensions, and what departments say of their ledgers."""

import asyncio

from cotally.server.coordinator.board import BACKLOG, Board, Line
from cotally.v1 import roster_pb2, work_pb2

TAX = roster_pb2.Member(name="tax", role=roster_pb2.ROLE_NODE)
HOLDER = roster_pb2.Member(name="holder-1", role=roster_pb2.ROLE_KEY_HOLDER)


async def drained(line: Line) -> list[object]:
    line.close()
    return [work async for work in line.work()]


def test_work_is_posted_in_order_until_the_line_closes() -> None:
    async def story() -> None:
        board = Board()
        line = board.join(TAX, 0)
        first, second = work_pb2.NodeWork(), work_pb2.NodeWork(growth=work_pb2.Growth(first=1))
        line.post(first)
        line.post(second)
        assert await drained(line) == [first, second]

    asyncio.run(story())


def test_a_listener_too_far_behind_is_hung_up_on_and_nothing_is_kept_for_it() -> None:
    async def story() -> None:
        line = Board().join(TAX, 0)
        for number in range(BACKLOG):
            line.post(work_pb2.NodeWork(growth=work_pb2.Growth(first=number)))
        assert line._queue.qsize() == BACKLOG
        line.post(work_pb2.NodeWork())
        line.post(work_pb2.NodeWork())
        assert [work async for work in line.work()] == []

    asyncio.run(story())


def test_a_second_line_of_a_member_ends_the_first_and_leaving_late_does_not_end_the_second() -> None:
    async def story() -> None:
        board = Board()
        first, second = board.join(TAX, 0), board.join(TAX, 5)
        assert [work async for work in first.work()] == []
        board.leave(first)
        assert board.line("tax") is second
        board.leave(second)
        assert board.line("tax") is None

    asyncio.run(story())


def test_who_is_connected_depends_on_role_and_suspension() -> None:
    async def story() -> None:
        board = Board()
        board.join(TAX, 0)
        board.join(HOLDER, 0)
        assert board.connected(roster_pb2.ROLE_NODE) == ["tax"]
        assert board.connected(roster_pb2.ROLE_KEY_HOLDER) == ["holder-1"]
        board.suspend(["tax"])
        assert board.connected(roster_pb2.ROLE_NODE) == []
        assert board.suspended("tax")

    asyncio.run(story())


def test_spending_is_counted_on_what_a_department_said() -> None:
    board = Board()
    board.note_spent("tax", "residents", 5)  # nothing was said yet: nothing to count on
    assert board.ledger("tax", "residents") is None
    board.note_ledgers("tax", [work_pb2.LedgerStatus(population="residents", budget_pico_loss=9,
                                                     spent_pico_loss=1)])
    board.note_spent("tax", "residents", 5)
    status = board.ledger("tax", "residents")
    assert status is not None and status.spent_pico_loss == 6
