"""Switches the federation to a successor of its charter while questions keep being answered.

  1. An approved successor is laid beside coordinator.toml as `successor.bin`; we check it and keep it.
  2. Between two rounds, everybody who listens gets it, makes ready and says so. Questions wait for
     that, a few seconds at most: making ready is work, which would make departments late in a round.
  3. Who needs longer goes on beside rounds. When all are ready, or after a while as many as rounds
     need, we wait between two rounds again.
  4. Its leaf goes into the log. That is the switch: every party works under the roster that the log
     it folded puts in force, and a restart asks its own log.
  5. Rounds go on under the successor, with whoever is ready for it; the others catch up.

A crash before 4 leaves the old charter in force and starts over at 1; after 4, the new one.
"""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from google.protobuf.message import DecodeError

from cotally.server.audit import lineage
from cotally.server.audit.log import AuditLog
from cotally.server.crypto.keys import PublicKey
from cotally.server.rpc.logs import Log
from cotally.server.wire.federation import Federation
from cotally.server.wire.succession import check_successor
from cotally.v1 import log_pb2, roster_pb2, work_pb2
from cotally.v1.refusals import Misconfigured, Refused

from .board import Board, Line
from .conduct import Conductor
from .in_force import InForce
from .witnessing import Witnessing

POLL_S: Final = 0.5
PAUSE_S: Final = 6.0  # that questions wait at most for members to make ready
PATIENCE_S: Final = 60.0  # for members that are connected and not ready yet


class Successions:
    """Watches *inbox* for a successor, and carries it through. *keep* and *adopt* are `party.Party`'s."""

    def __init__(self, in_force: InForce, inbox: Path, board: Board, conductor: Conductor,
                 witnessing: Witnessing, audit: AuditLog, log: Log,
                 keep: Callable[[roster_pb2.Charter], None], adopt: Callable[[roster_pb2.Charter], None],
                 warm: Callable[[PublicKey], None]) -> None:
        self._in_force = in_force
        self._inbox = inbox
        self._board = board
        self._conductor = conductor
        self._witnessing = witnessing
        self._audit = audit
        self._log = log
        self._keep = keep
        self._adopt = adopt
        self._warm = warm
        self._next: Federation | None = None
        self._since = float("inf")  # monotonic time of the offer
        self._seen: bytes | None = None  # content of the inbox that was judged

    def greet(self, line: Line) -> None:
        """Tell *line* of the charter that it lags behind; once it is ready, of the one that may come."""
        owed = [federation for federation in (self._in_force.federation, self._next)
                if federation is not None and federation.roster not in line.ready_for]
        if owed:  # a second offer would end work on the first
            _offer(line, owed[0])

    def ready(self, name: str, roster: bytes) -> None:
        """Note that *name* can work under *roster*."""
        line = self._board.line(name)
        if line is not None:
            line.ready_for.add(roster)
            self._log.event("ready_for_successor", peer=name)
            self.greet(line)

    async def run(self) -> None:
        """Watch and switch, for ever."""
        while True:
            try:
                await self._look()
                if self._next is not None and self._enough(self._next):
                    async with self._conductor.between_rounds():
                        await self._switch(self._next)
            except Exception as error:  # what nobody foresaw must not end the coordinator's successions
                self._log.exception("succession_failed", error)
            await asyncio.sleep(POLL_S)

    async def _look(self) -> None:
        try:
            data = self._inbox.read_bytes()
        except OSError:
            return
        if data == self._seen:
            return
        self._seen = data
        try:
            charter = roster_pb2.Charter.FromString(data)
            if charter.roster == self._in_force.federation.charter.roster:
                self._inbox.unlink()  # a stop came between the switch and this
                return
            successor = await asyncio.to_thread(self._check, charter)
        except (Refused, Misconfigured) as reason:
            self._log.warning("successor_refused", message=reason.message)
            return
        except DecodeError:
            self._log.warning("successor_refused", message=f"{self._inbox} is not a charter, or is damaged")
            return
        self._keep(charter)
        self._next = successor
        self._log.event("successor", message=f"epoch {charter.roster.epoch}; waiting for members")
        async with self._conductor.between_rounds():
            self._since = time.monotonic()
            for line in self._board.lines():
                self.greet(line)
            while not self._enough(successor) and time.monotonic() < self._since + PAUSE_S:
                await asyncio.sleep(POLL_S / 10)
            await self._switch(successor)

    def _check(self, charter: roster_pb2.Charter) -> Federation:
        successor = check_successor(self._in_force.federation, charter)
        self._warm(successor.key)
        return successor

    def _enough(self, successor: Federation) -> bool:
        """True when all who listen are ready, or long enough after, as many as rounds need."""
        ready = self._board.ready(successor.roster)
        nodes = sum(line.member.role == roster_pb2.ROLE_NODE for line in ready)
        needed = (len(ready) >= self._witnessing.quorum and nodes >= successor.policy.min_departments
                  and len(ready) - nodes >= successor.policy.threshold)
        everybody = len(ready) == len(self._board.lines())
        return needed and (everybody or time.monotonic() - self._since > PATIENCE_S)

    async def _switch(self, successor: Federation) -> None:
        """Put *successor* in force between two rounds, unless too few are ready by now."""
        if not self._enough(successor):
            return
        leaf = log_pb2.SuccessionLeaf(succession=lineage.own_link(successor.charter))
        self._audit.append(log_pb2.LogEntry(succession=leaf))
        self._in_force.federation = successor
        self._board.roster = successor.roster
        self._next = None
        self._adopt(successor.charter)
        self._inbox.unlink(missing_ok=True)
        self._log.event("succeeded", message=f"epoch {successor.charter.roster.epoch} is in force")
        try:  # rounds go on once a quorum has folded the leaf
            await self._witnessing.witness(self._audit.size)
        except Refused as refused:
            self._log.warning("not_witnessed", refusal=refused.refusal, message=refused.message)


def _offer(line: Line, successor: Federation) -> None:
    if line.member.role == roster_pb2.ROLE_NODE:
        line.post(work_pb2.NodeWork(successor=successor.charter))
    else:
        line.post(work_pb2.KeyHolderWork(successor=successor.charter))
