"""Lets calls in: known callers only, each within its share of the coordinator.

Nothing of a request is read before its caller is known and has room for it.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import grpc.aio

from cotally.v1 import roster_pb2
from cotally.v1.refusals import Refusal, Refused

from .credentials import Clock, utc_now
from .identity import caller
from .limits import LONGEST_WAIT_S, METHODS, NOTHING, SHARES, UNLISTED, Bounds, Share
from .pace import Pace

Context = grpc.aio.ServicerContext[Any, Any]
Charter = Callable[[], roster_pb2.Charter]
Standing = Callable[[roster_pb2.Member], roster_pb2.Member]  # refuses whom somebody has revoked


class _Use:
    """What one member takes up now, of its share."""

    def __init__(self, share: Share) -> None:
        self.calls: Counter[str] = Counter()  # by method
        self.held_bytes = 0
        self.pace = Pace(share.per_second, share.burst)


class Visit:
    """One call that was let in."""

    def __init__(self, name: str, method: str, bounds: Bounds, share: Share, use: _Use) -> None:
        self.seconds = bounds.seconds
        self._name = name
        self._method = method
        self._bounds = bounds
        self._share = share
        self._use = use
        self._held = 0

    async def turn(self) -> None:
        """Wait until the member's pace admits one more call; OVERLOADED where that takes too long."""
        now = asyncio.get_running_loop().time()
        if self._use.pace.debt(now) > LONGEST_WAIT_S:  # calls that were given up have had their turn too
            raise Refused(Refusal.OVERLOADED, f"{self._name} calls more often than "
                                              f"{self._share.per_second} times a second; ask again later")
        await asyncio.sleep(self._use.pace.wait(now))

    def take(self, data: bytes) -> bytes:
        """*data*, a message of the request, counted until the call ends; OVERLOADED where it is too long."""
        if len(data) > self._bounds.message_bytes:
            raise Refused(Refusal.OVERLOADED,
                          f"a message of {self._method} is longer than {self._bounds.message_bytes} bytes")
        if self._use.held_bytes + len(data) > self._share.held_bytes:
            raise Refused(Refusal.OVERLOADED,
                          f"the open calls of {self._name} hold {self._use.held_bytes} bytes already; "
                          "wait until one of them is over")
        self._held += len(data)
        self._use.held_bytes += len(data)
        return data

    def leave(self) -> None:
        """Give back what the call took up."""
        self._use.held_bytes -= self._held
        self._use.calls[self._method] -= 1


class Entrance:
    """Knows the charter in force, and what each of its members takes up, over all connections."""

    def __init__(self, charter: Charter, clock: Clock = utc_now, standing: Standing = lambda member: member,
                 shares: "Mapping[roster_pb2.Role.ValueType, Share]" = SHARES,
                 methods: Mapping[str, Bounds] = METHODS) -> None:
        self._charter = charter
        self._clock = clock
        self._standing = standing
        self._shares = shares
        self._methods = methods
        self._uses: dict[str, _Use] = {}  # by name: no more than the rosters so far have had

    def identify(self, context: Context) -> roster_pb2.Member:
        """Who calls; CREDENTIALS for an expired certificate, a stranger, a revoked member."""
        return self._standing(caller(context, self._charter(), clock=self._clock))

    @contextmanager
    def visit(self, member: roster_pb2.Member, method: str) -> Iterator[Visit]:
        """Room for one call of *member*, within the block; OVERLOADED where there is none."""
        bounds = self._methods.get(method, UNLISTED)
        share = self._shares.get(member.role, NOTHING)
        use = self._uses.setdefault(member.name, _Use(share))
        if use.calls[method] >= bounds.at_once or use.calls.total() >= share.calls:
            raise Refused(Refusal.OVERLOADED,
                          f"{member.name} has {use.calls[method]} calls of {method} open, and "
                          f"{use.calls.total()} in all; wait until one of them is over")
        use.calls[method] += 1
        visit = Visit(member.name, method, bounds, share, use)
        try:
            yield visit
        finally:
            visit.leave()
