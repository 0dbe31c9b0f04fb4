"""A node at work: receive, hand to the session, measure, answer at D."""

import asyncio
import time
from collections.abc import Callable
from functools import partial

import grpc.aio

from cotally.server.audit.follower_store import FollowerStore
from cotally.server.ledger.ledger import Ledger
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
from cotally.v1 import log_pb2, node_pb2_grpc, round_pb2, work_pb2
from cotally.v1.refusals import Refusal, Refused

from .measuring import Measuring
from .rounds import Sealed
from .session import Decision, NodeSession


class NodeService:
    """Serves one department until cancelled."""

    def __init__(
        self, session: NodeSession, us: Party, ledger: Ledger, followers: FollowerStore, measuring: Measuring,
        tables: frozenset[str], rehearse: Callable[[Measuring], None], log: Log,
    ) -> None:
        self._session = session
        self._succession = Succession(us, session.federation, self._under, self._work_with, log)
        self._rehearse = rehearse
        self._ledger = ledger
        self._followers = followers
        self._measuring = measuring
        self._tables = tables
        self._log = log

    async def serve(self, channel: grpc.aio.Channel, address: str, credentials: Credentials,
                    ready: Callable[[], None]) -> None:
        """Listen for work, for ever."""
        stub = node_pb2_grpc.NodesStub(channel)
        desks = [Desk(stub.Decline, self._ledger.status, address, self._log) for _ in range(2)]
        self._permits = Desk(stub.Decline, self._ledger.status, address, self._log)
        work = keep_listening(
            lambda: stub.Listen(work_pb2.ListenRequest(
                hello=make_hello(self._session.federation.charter, self._session.name),
                log_size=self._session.follower.size, ledgers=self._ledger.status())),
            work_pb2.NodeWork, address=address, credentials=credentials, log=self._log,
            connected=ready)
        async for item in work:
            try:
                await self._handle(item, stub, *desks)
            except grpc.RpcError:
                self._log.debug("not_delivered")  # the stream breaks too, and is dialled again
            except Refused as refused:
                self._log.error("work_refused", refusal=refused.refusal, message=refused.message)
            except Exception as error:  # one bad piece of work does not end a department
                self._log.exception("work_failed", error)

    async def _handle(self, item: work_pb2.NodeWork, stub: "node_pb2_grpc.NodesAsyncStub",
                      committing: Desk, revealing: Desk) -> None:
        match item.WhichOneof("work"):
            case "growth":
                await self._cosign(item.growth, stub)
            case "announcement":
                announced = item.announcement
                committing.start(round_id(announced), partial(self._take_part, announced, stub))
            case "frozen":
                # A desk of its own: the answer to our Commit may still be on its way.
                revealing.start(item.frozen.body.round, partial(self._reveal, item.frozen, stub))
            case "permit":
                asked = item.permit
                self._permits.start(asked.envelope.body.query_id, partial(self._permit, asked, stub))
            case "successor":
                self._succession.offer(item.successor,
                                       lambda roster: stub.Ready(work_pb2.ReadyRequest(roster=roster)))
            case _:
                self._log.debug("ignored")

    async def _cosign(self, growth: work_pb2.Growth, stub: "node_pb2_grpc.NodesAsyncStub") -> None:
        try:
            data = self._followers.extend(self._session.follower, growth.first, growth.entries,
                                          growth.checkpoint)
        except Refused as refused:
            self._log.error("log_refused", refusal=refused.refusal, message=refused.message)
            return
        self._succession.logged(self._session.follower.roster)
        size = self._session.follower.size
        cosignature = log_pb2.Cosignature(witness=self._session.name, signature=self._session.sign(data))
        try:  # before anything else: a round may wait for it
            await stub.Cosign(work_pb2.CosignRequest(size=size, cosignature=cosignature))
        finally:
            for entry in growth.entries:
                self._session.follow(entry)

    # Steps 4 to 6

    async def _take_part(self, announcement: round_pb2.SignedAnnouncement,
                         stub: "node_pb2_grpc.NodesAsyncStub") -> None:
        received = time.monotonic()
        session, measuring = self._session, self._measuring  # one charter's, whatever comes into force
        record = session.resume(round_id(announcement))
        if record is None:
            decision = session.decide(announcement, time.time_ns() // 1_000_000)
            for name in decision.priced.table.stored:
                if name not in self._tables:
                    raise Refused(Refusal.NOT_ALLOWED, f"{session.name} has no usable snapshot of {name}")
            await asyncio.to_thread(measuring.reach, decision.priced.table)
            clear = session.reserve(decision)
            sealed = await self._measured(measuring, decision, clear, received)
            commitment = session.commit(clear, sealed)
            self._log.event("ready", round=decision.round, total=announcement.body.plan.answer_ms,
                            milliseconds=round(1000 * (time.monotonic() - received)))
            await asyncio.sleep(_until_answer(decision.announcement, received))
        elif record.commitment is not None:
            commitment = record.commitment
            await self._wait_again(announcement.body)
        await deliver(lambda: stub.Commit(work_pb2.CommitRequest(commitment=commitment)))
        self._log.event("committed", round=commitment.body.round)

    async def _wait_again(self, body: round_pb2.Announcement) -> None:
        """Send a stored commitment again, no earlier than D; whether it is too late, the freeze decides."""
        now = time.time_ns() // 1_000_000
        await asyncio.sleep(max(0, body.announced_ms + body.plan.answer_ms - now) / 1000)

    async def _measured(self, measuring: Measuring, decision: Decision, clear: round_pb2.CommitmentBody,
                        received: float) -> Sealed:
        """Measure, or drop out at D exactly: how much longer it would have taken is nobody's business."""
        work = asyncio.ensure_future(asyncio.to_thread(measuring.seal, decision.priced, clear))
        done, _ = await asyncio.wait({work}, timeout=_until_answer(decision.announcement, received))
        if not done:
            work.add_done_callback(lambda late: late.cancelled() or late.exception())  # nobody awaits it
            self._log.warning("too_slow", round=decision.round)
        elif (broken := work.exception()) is None:
            return work.result()
        elif isinstance(broken, Refused):
            raise broken  # of the plan alone
        else:  # an engine that broke down may have done so over a record: it looks like one that was slow
            self._log.exception("measuring_failed", broken, round=decision.round)
            await asyncio.sleep(_until_answer(decision.announcement, received))
        raise Refused(Refusal.OUT_OF_ORDER,
                      f"{self._session.name} was not ready at the time that the plan allows")

    # Step 2, of an equal question

    async def _permit(self, asked: work_pb2.PermitWork, stub: "node_pb2_grpc.NodesAsyncStub") -> None:
        grant = self._session.permit(asked.envelope, asked.round, time.time_ns() // 1_000_000)
        query_id = asked.envelope.body.query_id
        await deliver(lambda: stub.Permit(work_pb2.PermitRequest(query_id=query_id, grant=grant)))
        self._log.event("permitted", round=asked.round)

    # Step 7

    async def _reveal(self, frozen: round_pb2.SignedFrozenRoster,
                      stub: "node_pb2_grpc.NodesAsyncStub") -> None:
        opened = self._session.reveal(frozen)
        await deliver(lambda: stub.Reveal(split(opened)))
        self._log.event("revealed", round=frozen.body.round)

    # A successor of the charter

    async def _under(self, federation: Federation) -> tuple[NodeSession, Measuring]:
        measuring = self._measuring.under(federation)
        await asyncio.to_thread(self._rehearse, measuring)
        return self._session.under(federation), measuring

    def _work_with(self, work: tuple[NodeSession, Measuring]) -> None:
        self._session, self._measuring = work


def _until_answer(announcement: round_pb2.SignedAnnouncement, received: float) -> float:
    """Seconds until a node that *received* the announcement (monotonic) answers: D, less what has passed."""
    return max(0.0, received + announcement.body.plan.answer_ms / 1000 - time.monotonic())
