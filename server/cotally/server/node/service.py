"""A node at work: receive, hand to the session, measure, answer at D through the one door."""

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
from cotally.server.rpc.hello import make_hello
from cotally.server.rpc.logs import Log
from cotally.server.rpc.refusals import from_error
from cotally.server.settings.party import Party
from cotally.server.settings.succession import Succession
from cotally.server.wire.federation import Federation
from cotally.v1 import log_pb2, query_pb2, round_pb2, work_pb2
from cotally.v1.refusals import Refusal, Refused

from .door import Door
from .folder import Folder
from .measuring import Measuring
from .rounds import Sealed
from .sent import Sent
from .session import Decision, NodeSession

LOOK_S = 0.5  # between two looks at the folder of grants
REVOKE_S = 5.0  # between two tries to have our list of revocations logged


class NodeService:
    """Serves one department until cancelled."""

    def __init__(
        self, session: NodeSession, us: Party, ledger: Ledger, followers: FollowerStore, measuring: Measuring,
        tables: frozenset[str], rehearse: Callable[[Measuring], None], folder: Folder, sent: Sent, log: Log,
    ) -> None:
        self._session = session
        self._succession = Succession(us, session.federation, self._under, self._work_with, log)
        self._rehearse = rehearse
        self._ledger = ledger
        self._followers = followers
        self._measuring = measuring
        self._tables = tables
        self._folder = folder
        self._sent = sent
        self._log = log

    async def serve(self, channel: grpc.aio.Channel, address: str, credentials: Credentials,
                    ready: Callable[[], None]) -> None:
        """Listen for work, and watch what our officer grants and revokes, for ever."""
        door = Door(channel, self._sent)
        watching = asyncio.create_task(self._watch(door, address))
        try:
            await self._listen(door, address, credentials, ready)
        finally:
            watching.cancel()

    async def _listen(self, door: Door, address: str, credentials: Credentials,
                      ready: Callable[[], None]) -> None:
        desks = [Desk(door.decline, self._ledger.status, address, self._log) for _ in range(2)]
        self._permits = Desk(door.decline, self._ledger.status, address, self._log)
        work = keep_listening(
            lambda: door.listen(work_pb2.ListenRequest(
                hello=make_hello(self._session.federation.charter, self._session.name),
                log_size=self._session.follower.size, ledgers=self._ledger.status())),
            work_pb2.NodeWork, address=address, credentials=credentials, log=self._log,
            connected=ready)
        async for item in work:
            try:
                await self._handle(item, door, *desks)
            except grpc.RpcError:
                self._log.debug("not_delivered")  # the stream breaks too, and is dialled again
            except Refused as refused:
                self._log.error("work_refused", refusal=refused.refusal, message=refused.message)
            except Exception as error:  # one bad piece of work does not end a department
                self._log.exception("work_failed", error)

    async def _handle(self, item: work_pb2.NodeWork, door: Door,
                      committing: Desk, revealing: Desk) -> None:
        match item.WhichOneof("work"):
            case "growth":
                await self._cosign(item.growth, door)
            case "announcement":
                announced = item.announcement
                committing.start(round_id(announced), partial(self._take_part, announced, door))
            case "frozen":
                # A desk of its own: the answer to our Commit may still be on its way.
                revealing.start(item.frozen.body.round, partial(self._reveal, item.frozen, door))
            case "permit":
                asked = item.permit
                self._permits.start(asked.envelope.body.query_id, partial(self._permit, asked, door))
            case "successor":
                self._succession.offer(item.successor, door.ready)
            case _:
                self._log.debug("ignored")

    async def _cosign(self, growth: work_pb2.Growth, door: Door) -> None:
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
            await door.cosign(size, cosignature)
        finally:
            for entry in growth.entries:
                self._session.follow(entry)
            self._session.settle()  # also what the disk refused when an earlier entry came

    # What our officer grants and revokes

    async def _watch(self, door: Door, address: str) -> None:
        tried: tuple[query_pb2.SignedRevocation | None, float] = (None, 0.0)
        while True:
            try:
                self._folder.look()
                ours, now = self._session.permissions.unlogged, time.monotonic()
                if ours is not None and (ours != tried[0] or now - tried[1] > REVOKE_S):
                    tried = ours, now
                    await door.revoke(ours)
            except grpc.RpcError as error:  # it counts here already; the log is told again later
                self._log.debug("not_delivered", message=from_error(error, address).message)
            except Exception as error:  # what nobody foresaw must not end the watch
                self._log.exception("watch_failed", error)
            await asyncio.sleep(LOOK_S)

    # Steps 4 to 6

    async def _take_part(self, announcement: round_pb2.SignedAnnouncement,
                         door: Door) -> None:
        received = time.monotonic()
        session, measuring = self._session, self._measuring  # one charter's, whatever comes into force
        record = session.resume(round_id(announcement))
        if record is None:
            decision = session.decide(announcement, time.time_ns() // 1_000_000)
            for name in decision.priced.table.stored:
                if name not in self._tables:
                    raise Refused(Refusal.NOT_ALLOWED, f"{session.name} has no usable snapshot of {name}")
            await asyncio.to_thread(measuring.reach, decision.priced.table)
            clear = session.reserve(decision, self._sent.head())
            sealed = await self._measured(measuring, decision, clear, received)
            commitment = session.commit(clear, sealed)
            self._log.event("ready", round=decision.round, total=announcement.body.plan.answer_ms,
                            milliseconds=round(1000 * (time.monotonic() - received)))
            await asyncio.sleep(_until_answer(decision.announcement, received))
        elif record.commitment is not None:
            commitment = record.commitment
            await self._wait_again(announcement.body)
        await deliver(lambda: door.commit(commitment))
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

    async def _permit(self, asked: work_pb2.PermitWork, door: Door) -> None:
        grant = self._session.permit(asked.envelope, asked.round, time.time_ns() // 1_000_000)
        query_id = asked.envelope.body.query_id
        await deliver(lambda: door.permit(asked.round, query_id, grant))
        self._log.event("permitted", round=asked.round)

    # Step 7

    async def _reveal(self, frozen: round_pb2.SignedFrozenRoster,
                      door: Door) -> None:
        opened = self._session.reveal(frozen, time.time_ns() // 1_000_000)
        await deliver(lambda: door.reveal(opened))
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
