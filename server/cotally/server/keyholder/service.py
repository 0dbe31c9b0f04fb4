"""A key holder at work: receive, hand to the session, answer."""

import asyncio
from collections.abc import Callable
from functools import partial

import grpc.aio

from cotally.server.audit.follower_store import FollowerStore
from cotally.server.protocol.announcement import round_id
from cotally.server.rpc.channel import keep_listening
from cotally.server.rpc.credentials import Credentials
from cotally.server.rpc.dialling import Desk, deliver
from cotally.server.rpc.frames import split
from cotally.server.rpc.hello import make_hello
from cotally.server.rpc.logs import Log
from cotally.server.settings.party import Party
from cotally.server.settings.succession import Succession
from cotally.server.wire.federation import Federation
from cotally.v1 import keyholder_pb2_grpc, log_pb2, round_pb2, work_pb2
from cotally.v1.refusals import Refused

from .session import KeyHolderSession
from .shares import Shares

EVIDENCE_BYTES = 1024 * 1024 * 1024  # every department's ciphertexts of one round


class KeyHolderService:
    """Serves one key share until cancelled."""

    def __init__(self, session: KeyHolderSession, us: Party, shares: Shares, followers: FollowerStore,
                 log: Log) -> None:
        self._session = session
        self._shares = shares
        self._succession = Succession(us, session.federation, self._under, self._work_with, log)
        self._followers = followers
        self._log = log

    async def serve(self, channel: grpc.aio.Channel, address: str, credentials: Credentials,
                    ready: Callable[[], None]) -> None:
        """Listen for work, for ever."""
        stub = keyholder_pb2_grpc.KeyHoldersStub(channel)
        desk = Desk(stub.Decline, list, address, self._log)
        self._voids = Desk(stub.Decline, list, address, self._log)
        work = keep_listening(
            lambda: stub.Listen(work_pb2.ListenRequest(
                hello=make_hello(self._session.federation.charter, self._session.name),
                log_size=self._session.follower.size)),
            work_pb2.KeyHolderWork, address=address, credentials=credentials, log=self._log,
            limit=EVIDENCE_BYTES, connected=ready)
        async for item in work:
            try:
                await self._handle(item, stub, desk)
            except grpc.RpcError:
                self._log.debug("not_delivered")  # the stream breaks too, and is dialled again
            except Exception as error:  # one bad piece of work does not end a key holder
                self._log.exception("work_failed", error)

    async def _handle(self, item: work_pb2.KeyHolderWork,
                      stub: "keyholder_pb2_grpc.KeyHoldersAsyncStub", desk: Desk) -> None:
        match item.WhichOneof("work"):
            case "growth":
                await self._cosign(item.growth, stub)
            case "evidence":
                evidence = item.evidence
                desk.start(round_id(evidence.announcement), partial(self._decrypt, evidence, stub))
            case "void":
                self._voids.start(item.void.round, partial(self._void, item.void.round, stub))
            case "successor":
                self._succession.offer(item.successor,
                                       lambda roster: stub.Ready(work_pb2.ReadyRequest(roster=roster)))
            case _:
                self._log.debug("ignored")

    async def _cosign(self, growth: work_pb2.Growth,
                      stub: "keyholder_pb2_grpc.KeyHoldersAsyncStub") -> None:
        try:
            data = self._followers.extend(self._session.follower, growth.first, growth.entries,
                                          growth.checkpoint)
        except Refused as refused:
            self._log.error("log_refused", refusal=refused.refusal, message=refused.message)
            return
        self._succession.logged(self._session.follower.roster)
        size = self._session.follower.size
        cosignature = log_pb2.Cosignature(witness=self._session.name, signature=self._session.sign(data))
        await stub.Cosign(work_pb2.CosignRequest(size=size, cosignature=cosignature))

    async def _decrypt(self, evidence: work_pb2.Evidence,
                       stub: "keyholder_pb2_grpc.KeyHoldersAsyncStub") -> None:
        answer = await asyncio.to_thread(self._examine_and_decrypt, evidence)
        await deliver(lambda: stub.Partial(split(answer)))
        self._log.event("decrypted", round=answer.body.round)

    def _examine_and_decrypt(self, evidence: work_pb2.Evidence) -> round_pb2.Partial:
        session = self._session
        return session.decrypt(session.examine(evidence))

    async def _void(self, round_: bytes, stub: "keyholder_pb2_grpc.KeyHoldersAsyncStub") -> None:
        statement = self._session.void(round_)
        await deliver(lambda: stub.Void(work_pb2.VoidRequest(statement=statement)))
        self._log.event("voided", round=round_)

    # A successor of the charter

    async def _under(self, federation: Federation) -> KeyHolderSession:
        share = await self._shares.awaited(federation, self._log)
        return self._session.under(federation, share)

    def _work_with(self, session: KeyHolderSession) -> None:
        self._session = session
        self._shares.settle(session.federation)

