"""Lists of revocations at the coordinator: logged, and heeded in calls, streams and rounds at once.

A department sends its own list; the operator's lies beside coordinator.toml as `revocations.bin`. Once a
list is in the log, a revoked member's calls are refused, its stream ends, and rounds under a revoked grant
die where they stand. Nothing rests on this: departments heed their own lists, and key holders the log's.
"""

import asyncio
from pathlib import Path
from typing import Final

from google.protobuf.message import DecodeError

from cotally.server.audit.follower import Follower
from cotally.server.audit.log import AuditLog
from cotally.server.rpc.logs import Log
from cotally.v1 import log_pb2, query_pb2, roster_pb2
from cotally.v1.refusals import Refusal, Refused

from .board import Board
from .in_force import InForce
from .live import LiveRounds
from .session import Round
from .witnessing import Witnessing

POLL_S: Final = 0.5


class Revoking:
    """Takes lists, and watches *inbox* for the operator's."""

    def __init__(self, in_force: InForce, inbox: Path, follower: Follower, witnessing: Witnessing,
                 audit: AuditLog, board: Board, live: LiveRounds, log: Log) -> None:
        self._in_force = in_force
        self._inbox = inbox
        self._follower = follower
        self._witnessing = witnessing
        self._audit = audit
        self._board = board
        self._live = live
        self._log = log
        self._seen: bytes | None = None  # content of the inbox that was judged

    def take(self, signed: query_pb2.SignedRevocation) -> None:
        """Log its issuer's next list, once, and let it count.

        The one in force may come again: where a disk said that it failed and had not, it has yet to count.
        """
        self._witnessing.follow()
        issuer = signed.body.issuer
        if signed == self._follower.revocations.last(issuer):
            self._apply()
            return
        self._follower.revocations.check(self._in_force.federation.first, signed)
        self._audit.append(log_pb2.LogEntry(revocation=log_pb2.RevocationLeaf(revocation=signed)))
        self._witnessing.follow()
        self._log.event("revocations", peer=issuer, message=f"serial {signed.body.serial} counts")
        self._apply()
        self._witnessing.spread()

    def check_member(self, member: roster_pb2.Member) -> roster_pb2.Member:
        """Return *member*; refuse CREDENTIALS one that the operator has revoked."""
        self._follower.revocations.check_member(member.name)
        return member

    def check_round(self, round_: Round) -> None:
        """Refuse a round whose analyst, or the grant of one of whose departments, is revoked."""
        envelope = round_.announcement.body.envelope.body
        self._follower.revocations.check_member(envelope.analyst)
        for commitment in round_.commitments.values():
            self._follower.revocations.check_standing(commitment.body.grant.body, envelope.purpose)

    def _apply(self) -> None:
        for line in self._board.lines():
            try:
                self.check_member(line.member)
            except Refused:
                line.close()
                self._board.leave(line)
        for live in self._live:
            try:
                self.check_round(live.round)
            except Refused as refused:
                live.halt(refused)

    async def run(self) -> None:
        """Watch the inbox, for ever."""
        while True:
            try:
                self.look()
            except Exception as error:  # what nobody foresaw must not end the watch
                self._log.exception("revoking_failed", error)
            await asyncio.sleep(POLL_S)

    def look(self) -> None:
        """Take the list in the inbox, unless it was judged before."""
        try:
            data = self._inbox.read_bytes()
        except OSError:
            return
        if data == self._seen:
            return
        try:
            signed = query_pb2.SignedRevocation.FromString(data)
            if signed.body.issuer != self._in_force.federation.coordinator().name:
                raise Refused(Refusal.NOT_ALLOWED, f"{self._inbox} holds another issuer's list")
            self.take(signed)
        except (Refused, DecodeError) as reason:
            message = reason.message if isinstance(reason, Refused) else f"{self._inbox} is damaged"
            self._log.warning("revocations_refused", message=message)
        self._seen = data  # not before: a disk that failed is asked again
