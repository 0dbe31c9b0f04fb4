"""The one door out of a department: whatever its node sends is noted, durably, and then sent.

Nothing else of the node holds the stub or the channel.
"""

from typing import TYPE_CHECKING, Any

import grpc.aio
from google.protobuf.message import Message

from cotally.server.rpc.frames import split
from cotally.v1 import log_pb2, node_pb2_grpc, query_pb2, round_pb2, work_pb2
from cotally.v1.canonical import digest

from .sent import Sent

if TYPE_CHECKING:
    Call = grpc.aio.UnaryStreamCall[Any, work_pb2.Frame]


class Door:
    """Every call of a node, over one channel. The kinds in *sent* are the names of the calls."""

    def __init__(self, channel: grpc.aio.Channel, sent: Sent) -> None:
        self._stub: node_pb2_grpc.NodesAsyncStub = node_pb2_grpc.NodesStub(channel)
        self._sent = sent

    def listen(self, request: work_pb2.ListenRequest) -> "Call":
        """Say hello, and start to listen."""
        self._note("Listen", b"", request)
        return self._stub.Listen(request)

    async def commit(self, commitment: round_pb2.Commitment) -> None:
        """Send a commitment; its digest here is the one that the frozen roster holds."""
        self._sent.note("Commit", commitment.body.round, commitment.ByteSize(),
                        digest("commitment", commitment.body))
        await self._stub.Commit(work_pb2.CommitRequest(commitment=commitment))

    async def reveal(self, opened: round_pb2.Reveal) -> None:
        """Send a reveal, in frames; its digest here is the one that the transcript holds."""
        self._sent.note("Reveal", opened.body.round, opened.ByteSize(), digest("reveal", opened.body))
        await self._stub.Reveal(split(opened))

    async def decline(self, request: work_pb2.DeclineRequest) -> None:
        """Send a refusal instead."""
        self._note("Decline", request.round, request)
        await self._stub.Decline(request)

    async def permit(self, round_: bytes, query_id: bytes, grant: query_pb2.SignedGrant) -> None:
        """Send the grant under which an analyst may have the release of *round_*."""
        request = work_pb2.PermitRequest(query_id=query_id, grant=grant)
        self._note("Permit", round_, request)
        await self._stub.Permit(request)

    async def cosign(self, size: int, cosignature: log_pb2.Cosignature) -> None:
        """Send our cosignature under the log's first *size* entries."""
        request = work_pb2.CosignRequest(size=size, cosignature=cosignature)
        self._note("Cosign", b"", request)
        await self._stub.Cosign(request)

    async def ready(self, roster: bytes) -> None:
        """Say that we can work under the roster with this digest."""
        request = work_pb2.ReadyRequest(roster=roster)
        self._note("Ready", b"", request)
        await self._stub.Ready(request)

    async def revoke(self, signed: query_pb2.SignedRevocation) -> None:
        """Send our list of revocations, for the log."""
        request = work_pb2.RevokeRequest(revocation=signed)
        self._note("Revoke", b"", request)
        await self._stub.Revoke(request)

    def _note(self, kind: str, round_: bytes, message: Message) -> None:
        self._sent.note(kind, round_, message.ByteSize(), digest("sent", message))
