"""Prices questions beside everything else: in a thread, one of each analyst at a time.

Planning a large question takes seconds of a processor. Meanwhile others are served; an analyst who asks
for more than a few prices at once waits for himself, and then is refused.
"""

import asyncio
from dataclasses import dataclass, field
from typing import Final

from cotally.server.wire.federation import Priced
from cotally.v1 import query_pb2
from cotally.v1.refusals import Refusal, Refused

from .in_force import InForce

WAITING: Final = 8  # questions of one analyst that may wait for their price


@dataclass(slots=True)
class _Desk:
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    waiting: int = 0


class Pricing:
    """The federation's prices, as `Federation.price` computes and keeps them."""

    def __init__(self, in_force: InForce) -> None:
        self._in_force = in_force
        self._desks: dict[str, _Desk] = {}

    async def price(self, analyst: str, query: query_pb2.Query) -> Priced:
        """Return the price of *query*; OVERLOADED, by name, where too many of *analyst* wait already."""
        desk = self._desks.setdefault(analyst, _Desk())
        if desk.waiting > WAITING:  # one of them is being priced
            raise Refused(Refusal.OVERLOADED,
                          f"{WAITING} questions of {analyst} wait for their price already; ask again when "
                          "some have it")
        desk.waiting += 1
        try:
            async with desk.turn:
                return await asyncio.to_thread(self._in_force.federation.price, query)
        finally:
            desk.waiting -= 1
            if not desk.waiting:
                self._desks.pop(analyst, None)
