"""Auditors read the log beside the event loop, one short page at a time: rounds do not wait for them."""

import asyncio
import threading
from typing import Any

import pytest

from cotally.server.coordinator.public import ENTRIES_PER_PAGE, AuditService
from cotally.v1 import audit_pb2, log_pb2, work_pb2

SIZE = 3 * ENTRIES_PER_PAGE + 1


class Shelf:
    """A log that notes who reads it, and how many read at once."""

    def __init__(self) -> None:
        self.threads: set[int] = set()
        self.longest = self.most = self._reading = 0

    def entries(self, first: int, upto: int) -> list[log_pb2.LogEntry]:
        """As many entries, each of another round."""
        self._reading += 1
        self.most = max(self.most, self._reading)
        self.threads.add(threading.get_ident())
        self.longest = max(self.longest, upto - first)
        found = [log_pb2.LogEntry(announcement=log_pb2.AnnouncementLeaf(round=at.to_bytes(4, "big")))
                 for at in range(first, upto)]
        self._reading -= 1
        return found


async def read(service: AuditService, first: int) -> list[log_pb2.LogEntry]:
    """What an auditor gets from *first* on."""
    data = [frame.part async for frame in service.Entries(
        audit_pb2.EntriesRequest(first=first, size=SIZE), None)]  # type: ignore[arg-type]
    return [entry for part in data for entry in work_pb2.Growth.FromString(part).entries]


def test_auditors_keep_nobody_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    shelf: Any = Shelf()
    nothing: Any = None
    monkeypatch.setattr(AuditService, "_check_caller", lambda *_: None)

    async def both() -> tuple[list[log_pb2.LogEntry], list[log_pb2.LogEntry]]:
        service = AuditService(nothing, shelf, nothing, nothing)
        return await asyncio.gather(read(service, 0), read(service, 7))

    everything, rest = asyncio.run(both())
    assert [int.from_bytes(e.announcement.round, "big") for e in everything] == [*range(SIZE)]
    assert rest == everything[7:]
    assert threading.get_ident() not in shelf.threads
    assert (shelf.longest, shelf.most) == (ENTRIES_PER_PAGE, 1)
