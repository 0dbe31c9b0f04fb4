"""Who listens now, and the work that is posted to them in order."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field

from google.protobuf.message import Message

from cotally.v1 import roster_pb2, work_pb2

BACKLOG = 1000  # pieces of work that wait for one listener
SUSPENSION_S = 600  # for a department that committed and did not reveal


@dataclass(slots=True, eq=False)
class Line:
    """One open Listen stream."""

    member: roster_pb2.Member
    log_size: int  # entries of the log that were posted to it
    ready_for: set[bytes] = field(default_factory=set)  # digests of rosters that the member can work under
    _queue: "asyncio.Queue[Message | AsyncIterator[Message] | None]" = field(default_factory=asyncio.Queue)

    def post(self, work: Message | AsyncIterator[Message]) -> None:
        """Queue *work* behind what was posted before; whoever is too far behind is hung up on.

        What is too much to hold comes as an iterator, and is made while the listener takes it.
        """
        if self._queue.qsize() >= BACKLOG:
            while not self._queue.empty():
                self._queue.get_nowait()
            self.close()
            return
        self._queue.put_nowait(work)

    def close(self) -> None:
        """End the stream after what is queued."""
        self._queue.put_nowait(None)

    async def work(self) -> AsyncIterator[Message]:
        """Yield posted work until the line closes."""
        while (item := await self._queue.get()) is not None:
            if isinstance(item, Message):
                yield item
            else:
                async for piece in item:
                    yield piece


class Board:
    """The open lines by name, suspended departments, and what departments say of their ledgers."""

    def __init__(self, roster: bytes = b"") -> None:
        self.roster = roster  # digest of the one in force
        self._lines: dict[str, Line] = {}
        self._suspended: dict[str, float] = {}
        self._ledgers: dict[str, dict[str, work_pb2.LedgerStatus]] = {}

    def join(self, member: roster_pb2.Member, log_size: int, roster: bytes = b"") -> Line:
        """Open a line for *member*, who is at *roster*; a former one of the same name ends."""
        former = self._lines.get(member.name)
        if former is not None:
            former.close()
        line = self._lines[member.name] = Line(member, log_size, {roster})
        return line

    def leave(self, line: Line) -> None:
        """Forget *line* unless a newer one took its place."""
        if self._lines.get(line.member.name) is line:
            del self._lines[line.member.name]

    def line(self, name: str) -> Line | None:
        """The open line of *name*."""
        return self._lines.get(name)

    def lines(self) -> list[Line]:
        """Every open line."""
        return list(self._lines.values())

    def ready(self, roster: bytes) -> list[Line]:
        """The open lines of those that can work under *roster*."""
        return [line for line in self._lines.values() if roster in line.ready_for]

    def connected(self, role: "roster_pb2.Role.ValueType") -> list[str]:
        """Names of those in *role* that listen, can work under the roster in force and are not suspended."""
        now = time.monotonic()
        return sorted(line.member.name for line in self.ready(self.roster)
                      if line.member.role == role and self._suspended.get(line.member.name, 0) <= now)

    def suspend(self, names: Iterable[str]) -> None:
        """Ask these departments nothing for ten minutes."""
        for name in names:
            self._suspended[name] = time.monotonic() + SUSPENSION_S

    def suspended(self, name: str) -> bool:
        """True while *name* is suspended."""
        return self._suspended.get(name, 0) > time.monotonic()

    def note_ledgers(self, name: str, statuses: Iterable[work_pb2.LedgerStatus]) -> None:
        """Remember what department *name* says it may still spend."""
        for status in statuses:
            self._ledgers.setdefault(name, {})[status.population] = status

    def note_spent(self, name: str, population: str, pico_loss: int) -> None:
        """Count a reservation that *name* committed to, or, below 0, one that came back."""
        status = self._ledgers.get(name, {}).get(population)
        if status is not None:
            status.spent_pico_loss = max(0, status.spent_pico_loss + pico_loss)

    def ledger(self, name: str, population: str) -> work_pb2.LedgerStatus | None:
        """The last word of *name* on its budget for *population*."""
        return self._ledgers.get(name, {}).get(population)
