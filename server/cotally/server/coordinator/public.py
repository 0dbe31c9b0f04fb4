"""What analysts and auditors call: decode, check who calls, hand on, encode."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final

import grpc.aio

from cotally.server.audit import lineage
from cotally.server.audit.log import AuditLog
from cotally.server.rpc.frames import split
from cotally.server.rpc.hello import check_hello, make_hello
from cotally.server.rpc.identity import caller
from cotally.server.wire.federation import Federation
from cotally.v1 import (
    analyst_pb2,
    analyst_pb2_grpc,
    audit_pb2,
    audit_pb2_grpc,
    roster_pb2,
    work_pb2,
)
from cotally.v1.refusals import Refusal, Refused

from .admission import Gate
from .board import Board
from .conduct import Conductor
from .in_force import InForce
from .pricing import Pricing
from .revoking import Revoking
from .rounds import Rounds
from .witnessing import Witnessing

_Context = grpc.aio.ServicerContext[Any, Any]
ENTRIES_PER_PAGE: Final = 500


class AnalystService(analyst_pb2_grpc.AnalystsServicer):
    """Analyst -> coordinator."""

    def __init__(self, in_force: InForce, board: Board, gate: Gate, conductor: Conductor,
                 rounds: Rounds, pricing: Pricing, revoking: Revoking) -> None:
        self._in_force = in_force
        self._board = board
        self._gate = gate
        self._conductor = conductor
        self._rounds = rounds
        self._pricing = pricing
        self._revoking = revoking

    @property
    def _federation(self) -> Federation:
        return self._in_force.federation

    def _caller(self, context: _Context) -> roster_pb2.Member:
        return self._revoking.check_member(
            caller(context, self._federation.charter, roster_pb2.ROLE_ANALYST))

    async def Welcome(  # noqa: N802 - named by the contract
        self, request: analyst_pb2.WelcomeRequest, context: _Context
    ) -> analyst_pb2.WelcomeResponse:
        charter = self._federation.charter
        member = self._caller(context)
        if not request.hello.federation:  # an analyst learns the name from the charter
            request.hello.federation = self._federation.name
        check_hello(request.hello, charter, member)
        return analyst_pb2.WelcomeResponse(
            hello=make_hello(charter, self._federation.coordinator().name), charter=charter,
            connected=sorted(line.member.name for line in self._board.lines()))

    async def Quote(  # noqa: N802
        self, request: analyst_pb2.QuoteRequest, context: _Context
    ) -> analyst_pb2.QuoteResponse:
        member = self._caller(context)
        priced = await self._pricing.price(member.name, request.query)
        here = set(self._board.connected(roster_pb2.ROLE_NODE))
        holders = priced.table.holders
        return analyst_pb2.QuoteResponse(
            plan=priced.message, departments=[h for h in holders if h in here],
            missing=[h for h in holders if h not in here],
            filters=self._gate.filters([priced.table.population], member.name, self._conductor.live(),
                                       request.purpose),
            release=self._conductor.replays.paid(request.query, member.name, request.purpose) or b"")

    async def Ask(  # noqa: N802
        self, request: analyst_pb2.AskRequest, context: _Context
    ) -> AsyncIterator[analyst_pb2.AskResponse]:
        member = self._caller(context)
        if request.envelope.body.analyst != member.name:
            raise Refused(Refusal.CREDENTIALS, f"{member.name} cannot ask in the name of another analyst")
        await self._pricing.price(member.name, request.envelope.body.query)  # kept for all that follows
        round_ = await self._conductor.ask(request.envelope)
        progress = self._conductor.watch(round_)
        if progress is not None:
            async for said in progress.watch():
                yield analyst_pb2.AskResponse(progress=said)
        self._revoking.check_member(member)  # the stream may have been open for long
        for frame in self._bundle(round_):
            yield analyst_pb2.AskResponse(bundle=frame)

    async def Fetch(  # noqa: N802
        self, request: analyst_pb2.FetchRequest, context: _Context
    ) -> AsyncIterator[work_pb2.Frame]:
        member = self._caller(context)
        asked = self._rounds.analyst(request.round) == member.name
        if not asked and not self._gate.has_paid(request.round, member.name):
            raise Refused(Refusal.UNKNOWN_NAME, f"{member.name} has no such release")
        for frame in self._bundle(request.round):
            yield frame

    def _bundle(self, round_: bytes) -> list[work_pb2.Frame]:
        outcome = self._rounds.outcome(round_)
        if outcome is None:
            raise Refused(Refusal.OUT_OF_ORDER, "this round is still in progress; fetch it later")
        if isinstance(outcome, Refused):
            raise outcome
        chain = lineage.links(self._federation.charter)
        at = [link.roster for link in chain].index(outcome.charter.roster)
        outcome.successors.extend(chain[at + 1:])  # for whoever pins one of them
        return list(split(outcome))

    async def Budget(  # noqa: N802
        self, request: analyst_pb2.BudgetRequest, context: _Context
    ) -> analyst_pb2.BudgetResponse:
        member = self._caller(context)
        populations = sorted({t.population for t in self._federation.catalog.tables})
        return analyst_pb2.BudgetResponse(
            filters=self._gate.filters(populations, member.name, self._conductor.live()))


class AuditService(audit_pb2_grpc.AuditServicer):
    """Anybody in the roster -> coordinator, read only."""

    def __init__(self, in_force: InForce, audit: AuditLog, witnessing: Witnessing,
                 revoking: Revoking) -> None:
        self._in_force = in_force
        self._revoking = revoking
        self._audit = audit
        self._witnessing = witnessing
        self._turn = asyncio.Semaphore(1)  # one page at a time for all auditors: rounds need the threads too

    @property
    def _federation(self) -> Federation:
        return self._in_force.federation

    def _check_caller(self, context: _Context) -> None:
        self._revoking.check_member(caller(context, self._federation.charter))

    async def LatestCheckpoint(  # noqa: N802
        self, request: audit_pb2.LatestCheckpointRequest, context: _Context
    ) -> audit_pb2.LatestCheckpointResponse:
        self._check_caller(context)
        return audit_pb2.LatestCheckpointResponse(
            checkpoint=await self._witnessing.witness(self._audit.size))

    async def Entries(  # noqa: N802
        self, request: audit_pb2.EntriesRequest, context: _Context
    ) -> AsyncIterator[work_pb2.Frame]:
        self._check_caller(context)
        for first in range(request.first, request.size, ENTRIES_PER_PAGE):
            async with self._turn:
                frames = await asyncio.to_thread(
                    self._page, first, min(request.size, first + ENTRIES_PER_PAGE))
            for frame in frames:
                yield frame

    def _page(self, first: int, upto: int) -> list[work_pb2.Frame]:
        """Entries, hashed anew, in frames: beside the loop, which must not wait for it."""
        return list(split(work_pb2.Growth(first=first, entries=self._audit.entries(first, upto))))

    async def Inclusion(  # noqa: N802
        self, request: audit_pb2.InclusionRequest, context: _Context
    ) -> audit_pb2.InclusionResponse:
        self._check_caller(context)
        return audit_pb2.InclusionResponse(proof=self._audit.inclusion(request.index, request.size))

    async def Consistency(  # noqa: N802
        self, request: audit_pb2.ConsistencyRequest, context: _Context
    ) -> audit_pb2.ConsistencyResponse:
        self._check_caller(context)
        return audit_pb2.ConsistencyResponse(path=self._audit.consistency(request.first, request.second))
