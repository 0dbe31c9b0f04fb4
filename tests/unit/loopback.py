"""A small federation's certificates and roster, and a coordinator of straw, for tests over real TLS."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any

import grpc.aio

from cotally.server.ops import pki
from cotally.server.rpc import credentials, server
from cotally.server.rpc.entrance import Entrance
from cotally.server.rpc.frames import receive_one, split
from cotally.server.rpc.hello import check_hello
from cotally.server.rpc.identity import caller
from cotally.server.rpc.logs import Level, Log
from cotally.v1 import node_pb2_grpc, roster_pb2, round_pb2, work_pb2

ROLES = {
    pki.Role.COORDINATOR: roster_pb2.ROLE_COORDINATOR, pki.Role.NODE: roster_pb2.ROLE_NODE,
    pki.Role.KEY_HOLDER: roster_pb2.ROLE_KEY_HOLDER, pki.Role.ANALYST: roster_pb2.ROLE_ANALYST,
}
LONG_AGO = pki.Validity(datetime(2020, 1, 1, tzinfo=UTC), datetime(2021, 1, 1, tzinfo=UTC))


@dataclass
class Federation:
    """A CA, members' files, and the charter that lists their keys."""

    folder: Path
    authority: pki.Authority
    files: dict[str, pki.Files] = field(default_factory=dict)
    charter: roster_pb2.Charter = field(default_factory=roster_pb2.Charter)

    @classmethod
    def create(cls, folder: Path, name: str = "test") -> "Federation":
        """A federation with coordinator, node `north`, key holder `k1` and analyst `ann`."""
        made = cls(folder, pki.create_authority(folder, name))
        made.charter.roster.federation = name
        made.charter.roster.version = 1
        made.enrol("coordinator", pki.Role.COORDINATOR)
        made.enrol("north", pki.Role.NODE)
        made.enrol("k1", pki.Role.KEY_HOLDER)
        made.enrol("ann", pki.Role.ANALYST)
        return made

    @property
    def ca(self) -> Path:
        """The CA certificate's file."""
        return self.folder / "ca.pem"

    def enrol(self, name: str, role: pki.Role, validity: pki.Validity | None = None) -> pki.Files:
        """Issue files and enter the key in the roster."""
        files = self.issue(name, role, validity)
        self.charter.roster.members.add(name=name, role=ROLES[role], tls_key=files.tls_key)
        return files

    def issue(self, name: str, role: pki.Role, validity: pki.Validity | None = None) -> pki.Files:
        """Issue files that the roster does not know."""
        self.files[name] = pki.issue_files(self.authority, self.folder, name, role, validity=validity)
        return self.files[name]

    def load(self, name: str) -> credentials.Credentials:
        """The member's checked credentials."""
        files = self.files[name]
        return credentials.load(self.ca, files.certificate, files.key)

    def load_unchecked(self, name: str, ca: Path | None = None) -> credentials.Credentials:
        """The member's credentials as a hostile program would use them: nothing is checked."""
        files = self.files[name]
        chain = files.certificate.read_bytes()
        return credentials.Credentials(
            files.certificate, credentials.parse_certificates(files.certificate, chain)[0], chain,
            (ca or self.ca).read_bytes(), files.key.read_bytes())


class Straw(node_pb2_grpc.NodesServicer):
    """Answers nodes: Commit fails as told, Listen posts a Growth per wish, Reveal takes one message."""

    def __init__(self, charter: roster_pb2.Charter, clock: credentials.Clock = credentials.utc_now) -> None:
        self.charter = charter
        self.clock = clock
        self.error: Exception | None = None
        self.post: list[work_pb2.NodeWork] = []
        self.cancelled = asyncio.Event()
        self.revealed: list[round_pb2.Reveal] = []
        self.listened = 0

    def entrance(self, **limits: Any) -> Entrance:
        """Lets in whom the charter knows, by this clock."""
        return Entrance(lambda: self.charter, lambda: self.clock(), **limits)

    def _who(self, context: Any) -> roster_pb2.Member:
        return caller(context, self.charter, roster_pb2.ROLE_NODE, clock=self.clock)

    async def Commit(  # noqa: N802
        self, request: work_pb2.CommitRequest, context: Any) -> work_pb2.CommitResponse:
        self._who(context)
        if self.error:
            raise self.error
        return work_pb2.CommitResponse()

    async def Listen(  # noqa: N802
        self, request: work_pb2.ListenRequest, context: Any) -> AsyncIterator[work_pb2.Frame]:
        check_hello(request.hello, self.charter, self._who(context))
        self.listened += 1
        await context.send_initial_metadata(())
        try:
            for work in self.post:
                for frame in split(work):
                    yield frame
            if self.error:
                raise self.error
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            self.cancelled.set()
            raise

    async def Reveal(  # noqa: N802
        self, request_iterator: AsyncIterator[work_pb2.Frame], context: Any) -> work_pb2.RevealResponse:
        self._who(context)
        reveal = await receive_one(request_iterator, round_pb2.Reveal)
        self.revealed.append(reveal)
        return work_pb2.RevealResponse(round=reveal.body.round)

    async def Decline(self, request: Any, context: Any) -> Any:  # noqa: N802
        await context.abort(grpc.StatusCode.INTERNAL, "never called")

    async def Permit(self, request: Any, context: Any) -> Any:  # noqa: N802
        return await self.Decline(request, context)

    async def Revoke(self, request: Any, context: Any) -> Any:  # noqa: N802
        return await self.Decline(request, context)

    async def Ready(self, request: Any, context: Any) -> Any:  # noqa: N802
        return await self.Decline(request, context)

    async def Cosign(self, request: Any, context: Any) -> Any:  # noqa: N802
        return "no message, so that encoding it fails"


@asynccontextmanager
async def coordinator(
    federation: Federation, straw: Straw, log: Log | None = None, address: str = "127.0.0.1:0",
    shown: Callable[[], credentials.Credentials] | None = None, entrance: Entrance | None = None,
) -> AsyncIterator[str]:
    """Serve *straw* on a free port for the length of the block; yields the address."""
    own = shown() if shown else federation.load("coordinator")
    serving = await server.serve(
        address, own, lambda s: node_pb2_grpc.add_NodesServicer_to_server(straw, s),
        log or Log("coordinator", "coordinator", stream=StringIO(), least=Level.OFF),
        entrance or straw.entrance())
    try:
        yield str(serving.address)
    finally:
        await serving.stop(0)
