"""How a dialling role gets from one charter to the next: made ready beside its work, switched by its log.

What it works with under a charter (its session, its tables, an opened share) is built anew for the
successor and never mixed: the caller gets the whole of it once the log it folded puts the successor
in force, and not before.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import grpc

from cotally.server.rpc.logs import Log
from cotally.server.wire.federation import Federation
from cotally.server.wire.succession import check_successor
from cotally.v1 import roster_pb2
from cotally.v1.canonical import NotCanonical, digest
from cotally.v1.refusals import Misconfigured, Refused

from .party import Party

Work = TypeVar("Work")
Say = Callable[[bytes], Awaitable[object]]


class Succession(Generic[Work]):
    """The successor that a role was offered, and what it built for it.

    *build* returns what the role works with under a federation, and raises Misconfigured or Refused
    where it cannot; *put_in_force* is called once with that, when the time has come.
    """

    def __init__(self, us: Party, federation: Federation, build: Callable[[Federation], Awaitable[Work]],
                 put_in_force: Callable[[Work], None], log: Log) -> None:
        self._us = us
        self._federation = federation
        self._build = build
        self._put_in_force = put_in_force
        self._log = log
        self._offered = b""
        self._task: asyncio.Task[None] | None = None
        self._ready: tuple[Federation, Work] | None = None
        self._logged = federation.roster

    def offer(self, charter: roster_pb2.Charter, say: Say) -> None:
        """Make ready for *charter* beside other work, then *say* so; once for one charter."""
        try:
            roster = digest("roster", charter.roster)
        except NotCanonical:
            roster = b""
        if self._task is not None and not self._task.done():
            if roster == self._offered:
                return
            self._task.cancel()
        self._offered = roster
        self._task = asyncio.create_task(self._make_ready(charter, roster, say))

    async def _make_ready(self, charter: roster_pb2.Charter, roster: bytes, say: Say) -> None:
        try:
            if roster != self._federation.roster and (self._ready is None or self._ready[0].roster != roster):
                successor = await asyncio.to_thread(check_successor, self._federation, charter)
                self._us.keep(charter)
                self._ready = successor, await self._build(successor)
                self._log.event("ready_for_successor", message=f"epoch {charter.roster.epoch}")
            self.logged(self._logged)
            await say(roster)
        except (Refused, Misconfigured) as reason:
            self._log.warning("successor_refused", message=reason.message)
        except grpc.RpcError:
            self._log.debug("not_delivered")  # it is offered again when the line is back
        except Exception as error:
            self._log.exception("succession_failed", error)

    def logged(self, roster: bytes) -> None:
        """The log that we folded puts *roster* in force: switch, if that is what we are ready for."""
        self._logged = roster
        if self._ready is None or self._ready[0].roster != roster:
            return
        federation, work = self._ready
        self._us.adopt(federation.charter)
        self._put_in_force(work)
        self._federation, self._ready = federation, None
        self._log.event("succeeded", message=f"epoch {federation.charter.roster.epoch} is in force")
