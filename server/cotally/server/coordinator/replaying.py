"""Answers a question with the stored release of an equal one, where there is one.

The holdings pay nothing: no data is opened. Whoever paid for the release, for this purpose, gets it
again. Another analyst needs a valid grant of every department in it and pays its first price on his own
filters, by an entry in the log. Where that cannot be had, the question becomes a round like any other.

This is policy and no part of the promise, since the coordinator holds the release already.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from cotally.server.audit.log import AuditLog
from cotally.server.policy.grants import check_grant, least_granted
from cotally.server.protocol.announcement import charge
from cotally.server.rpc.logs import Log
from cotally.server.wire.equal import fingerprint
from cotally.server.wire.federation import Federation
from cotally.v1 import log_pb2, query_pb2, roster_pb2, round_pb2, work_pb2
from cotally.v1.canonical import digest
from cotally.v1.refusals import Refusal, Refused

from .admission import Gate
from .board import Board
from .in_force import InForce
from .rounds import Rounds
from .witnessing import Witnessing

PATIENCE_S: Final = 5.0  # for the departments' word


@dataclass(slots=True)
class _Asked:
    """What the departments of a release answered about one question."""

    envelope: query_pb2.SignedEnvelope
    departments: tuple[str, ...]
    grants: dict[str, query_pb2.SignedGrant] = field(default_factory=dict)
    refused: dict[str, Refused] = field(default_factory=dict)
    bell: asyncio.Event = field(default_factory=asyncio.Event)


class Replays:
    """Finds stored releases, and asks departments whether another analyst may have them."""

    def __init__(self, in_force: InForce, board: Board, gate: Gate, rounds: Rounds, audit: AuditLog,
                 witnessing: Witnessing, log: Log, now_ms: Callable[[], int]) -> None:
        self._in_force = in_force
        self._board = board
        self._gate = gate
        self._rounds = rounds
        self._audit = audit
        self._witnessing = witnessing
        self._log = log
        self._now_ms = now_ms
        self._asked: dict[bytes, _Asked] = {}

    @property
    def _federation(self) -> Federation:
        return self._in_force.federation

    async def find(self, envelope: query_pb2.SignedEnvelope) -> bytes | None:
        """The released round that answers *envelope*, whose signature was checked; None for a new round."""
        body = envelope.body
        if body.fresh:
            return None
        found = self._equal(body.query)
        if body.expires_ms < self._now_ms():
            raise Refused(Refusal.EXPIRED, "the question has expired; ask it again")
        return await self._offer(*found, envelope) if found else None

    def paid(self, query: query_pb2.Query, analyst: str, purpose: str) -> bytes | None:
        """The released round that answers *query*, where *analyst* paid for it and *purpose*: free again."""
        found = self._equal(query)
        self._witnessing.follow()
        return found[0] if found and self._gate.has_paid(found[0], analyst, purpose) else None

    def _equal(self, query: query_pb2.Query) -> tuple[bytes, log_pb2.Bundle] | None:
        """A released round of the same question and data; it lacks no department that is here."""
        priced = self._federation.price(query)  # refuses what is no question
        here = set(self._gate.here(priced.table.holders))
        for round_ in self._rounds.answering(fingerprint(query, self._federation.charter.catalog)):
            stored = self._rounds.outcome(round_)
            if not isinstance(stored, log_pb2.Bundle):
                continue
            about, departments = stored.announcement.body, stored.release.body.departments
            same = (about.catalog, about.vintage) == (self._federation.catalog_digest, priced.table.vintage)
            if same and here <= set(departments):
                return round_, stored
        return None

    async def _offer(self, round_: bytes, stored: log_pb2.Bundle,
                     envelope: query_pb2.SignedEnvelope) -> bytes | None:
        body, departments = envelope.body, tuple(stored.release.body.departments)
        self._witnessing.follow()
        if not self._gate.has_paid(round_, body.analyst, body.purpose):
            try:
                grants = await self._permits(round_, envelope, departments)
                self._witnessing.follow()  # what was logged while they answered may have spent it
                self._gate.check_standing(grants, body.purpose)  # a list may have come while others answered
                self._gate.check_replay(charge(body, stored.announcement.body.plan, grants))
            except Refused as refused:
                self._log.event("not_replayed", round=round_, refusal=refused.refusal)
                return None
            self._witnessing.show(grants)
            self._audit.append(log_pb2.LogEntry(replay=_leaf(round_, stored.announcement.body, body, grants)))
            self._witnessing.follow()
            if not self._gate.has_paid(round_, body.analyst, body.purpose):
                return None
            self._witnessing.spread()
        self._log.event("replayed", round=round_)
        return round_

    async def _permits(self, round_: bytes, envelope: query_pb2.SignedEnvelope,
                       departments: tuple[str, ...]) -> list[query_pb2.SignedGrant]:
        """The valid grants of every department, in order; refuses where one is missing."""
        asked = self._asked[envelope.body.query_id] = _Asked(envelope, departments)
        try:
            for name in departments:
                line = self._board.line(name)
                if line is None:
                    raise Refused(Refusal.TOO_FEW_DEPARTMENTS, f"{name} is not connected")
                line.post(work_pb2.NodeWork(permit=work_pb2.PermitWork(envelope=envelope, round=round_)))
            async with asyncio.timeout(PATIENCE_S):
                await asked.bell.wait()
        except TimeoutError:
            raise Refused(Refusal.TOO_FEW_DEPARTMENTS, "a department did not say in time") from None
        finally:
            self._asked.pop(envelope.body.query_id, None)
        for refused in asked.refused.values():
            raise refused
        return [asked.grants[name] for name in departments]

    def permit(self, member: roster_pb2.Member, request: work_pb2.PermitRequest) -> None:
        """Take one department's grant."""
        asked = self._asked.get(request.query_id)
        if asked is None or member.name not in asked.departments:
            return
        check_grant(request.grant, member, self._federation.name, self._federation.founding,
                    asked.envelope.body, self._now_ms())
        asked.grants[member.name] = request.grant
        if len(asked.grants) == len(asked.departments):
            asked.bell.set()

    def decline(self, name: str, query_id: bytes, refused: Refused) -> bool:
        """Take one department's refusal; False where it was not asked."""
        asked = self._asked.get(query_id)
        if asked is None:
            return False
        asked.refused[name] = refused
        asked.bell.set()
        return True


def _leaf(round_: bytes, about: round_pb2.Announcement, body: query_pb2.Envelope,
          grants: list[query_pb2.SignedGrant]) -> log_pb2.ReplayLeaf:
    return log_pb2.ReplayLeaf(
        round=round_, population=about.plan.population, pico_loss=about.plan.pico_loss, analyst=body.analyst,
        purpose=body.purpose, granted_pico_loss=least_granted(grants, about.plan.population, body.purpose),
        envelope=digest("envelope", body), grants=[digest("grant", grant.body) for grant in grants])
