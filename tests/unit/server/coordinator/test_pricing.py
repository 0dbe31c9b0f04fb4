"""Prices are made beside the event loop, one of each analyst at a time, and not without end."""

import asyncio
import threading
from types import SimpleNamespace
from typing import Any, cast

import pytest

from cotally.server.coordinator.in_force import InForce
from cotally.server.coordinator.pricing import WAITING, Pricing
from cotally.v1 import query_pb2
from cotally.v1.refusals import Refusal, Refused


class Planner:
    """Takes as long for a price as the test likes, and knows how many it makes at once."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.now = self.most = 0
        self.threads: set[int] = set()
        self._lock = threading.Lock()

    def price(self, query: query_pb2.Query) -> str:
        with self._lock:
            self.now += 1
            self.most = max(self.most, self.now)
            self.threads.add(threading.get_ident())
        assert self.go.wait(30)
        with self._lock:
            self.now -= 1
        if query.table == "nothing":
            raise Refused(Refusal.UNKNOWN_NAME, "there is no such table")
        return query.table


@pytest.fixture
def planner() -> Planner:
    return Planner()


def desk(planner: Planner) -> Pricing:
    return Pricing(cast(InForce, SimpleNamespace(federation=planner)))


def of(table: str) -> query_pb2.Query:
    return query_pb2.Query(table=table)


def test_one_analyst_waits_for_himself_and_is_refused_by_name_when_too_many_do(planner: Planner) -> None:
    pricing = desk(planner)

    async def play() -> None:
        mine = [asyncio.create_task(pricing.price("ada", of(str(i)))) for i in range(WAITING + 1)]
        await asyncio.sleep(0.05)  # the loop turns while a price is made
        with pytest.raises(Refused, match="ada") as caught:
            await pricing.price("ada", of("more"))
        assert caught.value.refusal is Refusal.OVERLOADED
        theirs = asyncio.create_task(pricing.price("eve", of("hers")))
        await asyncio.sleep(0.05)
        assert planner.now == 2  # one of each
        planner.go.set()
        assert cast(Any, await theirs) == "hers"
        assert [cast(Any, await each) for each in mine] == [str(i) for i in range(WAITING + 1)]
        assert cast(Any, await pricing.price("ada", of("again"))) == "again"
    asyncio.run(play())
    assert planner.most == 2 and threading.get_ident() not in planner.threads


def test_a_refused_or_abandoned_question_gives_its_place_back(planner: Planner) -> None:
    pricing = desk(planner)

    async def play() -> None:
        gone = [asyncio.create_task(pricing.price("ada", of("x"))) for _ in range(WAITING + 1)]
        await asyncio.sleep(0.05)
        for each in gone:
            each.cancel()
        await asyncio.gather(*gone, return_exceptions=True)
        planner.go.set()
        with pytest.raises(Refused, match="no such table"):
            await pricing.price("ada", of("nothing"))
        assert not pricing._desks
    asyncio.run(play())
