"""What nodes and key holders call: decode, check who calls, hand on, encode."""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from typing import Any

import grpc.aio

from cotally.server.rpc.frames import receive_one, split
from cotally.server.rpc.hello import check_hello
from cotally.server.rpc.identity import caller
from cotally.server.rpc.logs import Log
from cotally.server.rpc.refusals import from_detail
from cotally.server.wire.federation import Federation
from cotally.v1 import (
    keyholder_pb2_grpc,
    node_pb2_grpc,
    roster_pb2,
    round_pb2,
    work_pb2,
)
from cotally.v1.refusals import Refusal, Refused

from .board import Board
from .conduct import Conductor
from .in_force import InForce
from .revoking import Revoking
from .succession import Successions
from .witnessing import Witnessing

REVEAL_BYTES = 256 * 1024 * 1024
PARTIAL_BYTES = 256 * 1024 * 1024
_Context = grpc.aio.ServicerContext[Any, Any]


class Listening(ABC):
    """What both kinds of dialling roles have in common: a stream of work, and cosignatures."""

    role: "roster_pb2.Role.ValueType"

    def __init__(self, in_force: InForce, board: Board, conductor: Conductor,
                 witnessing: Witnessing, successions: Successions, revoking: Revoking, log: Log) -> None:
        self._in_force = in_force
        self.board = board
        self.conductor = conductor
        self.witnessing = witnessing
        self.successions = successions
        self.revoking = revoking
        self.log = log

    @property
    def federation(self) -> Federation:
        """In force now."""
        return self._in_force.federation

    def caller(self, context: _Context) -> roster_pb2.Member:
        """Whoever calls, in this service's role."""
        return self.revoking.check_member(caller(context, self.federation.charter, self.role))

    async def Listen(  # noqa: N802 - named by the contract
        self, request: work_pb2.ListenRequest, context: _Context
    ) -> AsyncIterator[work_pb2.Frame]:
        member = self.caller(context)
        check_hello(request.hello, self.federation.charter, member)
        if request.log_size > self.witnessing.log_size:
            raise Refused(Refusal.STEPPED_BACK,
                          f"{member.name} has folded {request.log_size} log entries; this coordinator has "
                          f"{self.witnessing.log_size}")
        await context.send_initial_metadata(())
        self.board.note_ledgers(member.name, request.ledgers)
        self.conductor.voiding.returning(member.name, request.log_size)
        line = self.board.join(member, request.log_size, request.hello.roster)
        self.log.event("joined", peer=member.name, size=request.log_size)
        try:
            self.successions.greet(line)  # before the log may switch to it
            self.witnessing.greet(line)
            self.conductor.replay_to(line)
            async for work in line.work():
                for frame in split(work):
                    yield frame
        finally:
            self.board.leave(line)
            self.conductor.left()
            self.log.event("left", peer=member.name)

    async def Decline(  # noqa: N802
        self, request: work_pb2.DeclineRequest, context: _Context
    ) -> work_pb2.DeclineResponse:
        member = self.caller(context)
        self.board.note_ledgers(member.name, request.ledgers)
        if not self._declined_beside_rounds(member.name, request):
            self.conductor.intake.decline(member, request.round, from_detail(request.refusal))
        return work_pb2.DeclineResponse()

    @abstractmethod
    def _declined_beside_rounds(self, name: str, request: work_pb2.DeclineRequest) -> bool:
        """True where what is declined was asked beside a round in progress."""

    async def Cosign(  # noqa: N802
        self, request: work_pb2.CosignRequest, context: _Context
    ) -> work_pb2.CosignResponse:
        self.witnessing.cosign(self.caller(context), request)
        return work_pb2.CosignResponse()

    async def Ready(  # noqa: N802
        self, request: work_pb2.ReadyRequest, context: _Context
    ) -> work_pb2.ReadyResponse:
        self.successions.ready(self.caller(context).name, request.roster)
        return work_pb2.ReadyResponse()


def _own(member: roster_pb2.Member, name: str) -> None:
    if member.name != name:
        raise Refused(Refusal.CREDENTIALS, f"{member.name} speaks in the name of {name!r}")


class NodeService(Listening, node_pb2_grpc.NodesServicer):
    """Node -> coordinator."""

    role = roster_pb2.ROLE_NODE

    def _declined_beside_rounds(self, name: str, request: work_pb2.DeclineRequest) -> bool:
        return self.conductor.replays.decline(name, request.round, from_detail(request.refusal))

    async def Permit(  # noqa: N802
        self, request: work_pb2.PermitRequest, context: _Context
    ) -> work_pb2.PermitResponse:
        self.conductor.replays.permit(self.caller(context), request)
        return work_pb2.PermitResponse()

    async def Revoke(  # noqa: N802
        self, request: work_pb2.RevokeRequest, context: _Context
    ) -> work_pb2.RevokeResponse:
        _own(self.caller(context), request.revocation.body.issuer)
        self.revoking.take(request.revocation)
        return work_pb2.RevokeResponse()

    async def Commit(  # noqa: N802
        self, request: work_pb2.CommitRequest, context: _Context
    ) -> work_pb2.CommitResponse:
        _own(self.caller(context), request.commitment.body.node)
        self.conductor.intake.commit(request.commitment)
        return work_pb2.CommitResponse()

    async def Reveal(  # noqa: N802
        self, request_iterator: AsyncIterator[work_pb2.Frame], context: _Context
    ) -> work_pb2.RevealResponse:
        member = self.caller(context)
        opened = await receive_one(request_iterator, round_pb2.Reveal, REVEAL_BYTES)
        _own(member, opened.body.node)
        await self.conductor.intake.reveal(opened)
        return work_pb2.RevealResponse(round=opened.body.round)


class KeyHolderService(Listening, keyholder_pb2_grpc.KeyHoldersServicer):
    """Key holder -> coordinator."""

    role = roster_pb2.ROLE_KEY_HOLDER

    def _declined_beside_rounds(self, name: str, request: work_pb2.DeclineRequest) -> bool:
        return self.conductor.voiding.decline(name, request.round)

    async def Void(  # noqa: N802
        self, request: work_pb2.VoidRequest, context: _Context
    ) -> work_pb2.VoidResponse:
        _own(self.caller(context), request.statement.body.key_holder)
        self.conductor.voiding.take(request.statement)
        return work_pb2.VoidResponse()

    async def Partial(  # noqa: N802
        self, request_iterator: AsyncIterator[work_pb2.Frame], context: _Context
    ) -> work_pb2.PartialResponse:
        member = self.caller(context)
        partial = await receive_one(request_iterator, round_pb2.Partial, PARTIAL_BYTES)
        _own(member, partial.body.key_holder)
        await self.conductor.intake.partial(partial)
        return work_pb2.PartialResponse(round=partial.body.round)
