"""Conducts each round from announcement to release: posts, waits, and moves on.

    announce -> commitments -> freeze -> reveals -> combine -> witness -> decrypt -> release

Every step is stored before anybody learns of it, so `resume` goes on where a stopped coordinator
was. A round that cannot go on is declared dead in the log; what it reserved stays spent, unless every
key holder swears that it stays closed (`voiding`).
Rounds are announced one at a time: D, by which departments must answer, counts on their machines.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from cotally.server.audit.log import AuditLog
from cotally.server.crypto.signing import SigningKey
from cotally.server.protocol import announcement as announcements
from cotally.server.protocol.reveal import roster_leaf
from cotally.server.rpc.logs import Log
from cotally.server.wire.federation import Federation
from cotally.v1 import analyst_pb2, log_pb2, query_pb2, round_pb2, work_pb2
from cotally.v1.refusals import Refusal, Refused

from .admission import Gate
from .board import Board, Line
from .decrypting import Decrypting
from .in_force import InForce
from .intake import Intake
from .live import Live, LiveRounds
from .mending import Mending
from .progress import Progress
from .replaying import Replays
from .revoking import Revoking
from .rounds import Rounds
from .session import Round
from .voiding import Voiding
from .witnessing import Witnessing

_Step = analyst_pb2.Step
AGAIN_S = 2.0  # until a disk that failed is tried again
RETURN_MS = 6_000  # after a restart, members get this long to come back before a deadline counts


class Conductor:
    """Everything the coordinator does about rounds; the services only decode, call and encode."""

    def __init__(
        self, in_force: InForce, key: SigningKey, rounds: Rounds, audit: AuditLog, board: Board,
        gate: Gate, witnessing: Witnessing, live: LiveRounds, revoking: Revoking, log: Log,
        now_ms: Callable[[], int], random_bytes: Callable[[int], bytes],
    ) -> None:
        self._in_force = in_force
        self._key = key
        self._rounds = rounds
        self._audit = audit
        self._board = board
        self._gate = gate
        self._witnessing = witnessing
        self._log = log
        self._now_ms = now_ms
        self._random_bytes = random_bytes
        self._live = live
        self._revoking = revoking
        self._mending = Mending(rounds, audit, witnessing, log)
        self._tasks: set[asyncio.Task[None]] = set()
        self._decrypting = Decrypting(board)
        self._patient_until_ms = 0  # no deadline counts before
        self._turn = asyncio.Semaphore(1)
        self.intake = Intake(live, rounds, gate, witnessing, log)
        self.replays = Replays(in_force, board, gate, rounds, audit, witnessing, log, now_ms)
        self.voiding = Voiding(in_force, board, rounds, audit, witnessing, log)

    @property
    def _federation(self) -> Federation:
        return self._in_force.federation

    def live(self) -> list[round_pb2.Announcement]:
        """What was announced and has not ended."""
        return self._live.announced()

    # Steps 1 to 3

    async def ask(self, envelope: query_pb2.SignedEnvelope) -> bytes:
        """Announce a round for *envelope*, or return the one that answers it already."""
        announcements.check_envelope(self._federation, envelope)
        if (known := self._known(envelope)) is not None:
            return known
        if (stored := await self.replays.find(envelope)) is not None:
            return stored
        await self._turn.acquire()
        try:
            if (known := self._known(envelope)) is None:  # else another try of it had its turn before
                return self._announce(envelope)
        except BaseException:
            self._turn.release()
            raise
        self._turn.release()
        return known

    def _known(self, envelope: query_pb2.SignedEnvelope) -> bytes | None:
        known = self._rounds.find(envelope.body.query_id)
        if known is not None:
            announced = self._rounds.announcement(known)
            if announced is None or announced.body.envelope != envelope:
                raise Refused(Refusal.REPLAYED, "this query id was used for another question")
        return known

    def _announce(self, envelope: query_pb2.SignedEnvelope) -> bytes:
        now = self._now_ms()
        if envelope.body.expires_ms < now:
            raise Refused(Refusal.EXPIRED, "the question has expired; ask it again")
        self._witnessing.follow()
        admission = self._gate.admit(envelope.body, self.live())
        self._witnessing.require_quorum()
        announced = announcements.announce(
            self._federation, envelope, admission.priced, admission.participants,
            self._random_bytes(announcements.NONCE_BYTES), now, self._key)
        round_ = Round(self._federation, announced)
        self._rounds.open(round_)
        plan = admission.priced.plan
        for node in admission.participants:  # one that spends nothing says so when it declines or is back
            self._board.note_spent(node, plan.population, plan.pico_loss)
        self._start(round_, self._turn)
        return round_.id

    def resume(self) -> None:
        """Go on with the rounds that a stop interrupted; their members come back a little later."""
        self._patient_until_ms = self._now_ms() + RETURN_MS
        self._mending.resume()
        self.voiding.resume()
        for round_ in self._rounds.unfinished(self._federation):
            self._log.event("round_resumed", round=round_.id)
            self._start(round_)

    def stop(self) -> None:
        """Leave every round as it stands, for the next start to resume."""
        for task in self._tasks:
            task.cancel()

    @asynccontextmanager
    async def between_rounds(self) -> AsyncIterator[None]:
        """Inside, no round lives and none is announced: questions wait, and then go on."""
        await self._turn.acquire()
        try:
            while self._tasks:
                await asyncio.wait(self._tasks)
            yield
        finally:
            self._turn.release()

    def _start(self, round_: Round, turn: asyncio.Semaphore | None = None) -> None:
        live = Live(round_, turn)
        self._live.add(live)
        task = asyncio.create_task(self._run(live))
        live.conducted_by(task)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def watch(self, round_: bytes) -> Progress | None:
        """The progress of a live round; None once its outcome is stored."""
        live = self._live.get(round_)
        return live.progress if live else None

    def replay_to(self, line: Line) -> None:
        """Post to a fresh line whatever it may have missed of the live rounds."""
        self.voiding.greet(line)
        for live in self._live:
            owed = live.owed_to(line.member)
            if owed is not None:
                line.post(owed)

    def left(self) -> None:
        """Somebody's line ended: whoever awaits an answer may have to ask another."""
        for live in self._live:
            live.bell.set()

    # The way of a round

    async def _run(self, live: Live) -> None:
        round_ = live.round
        try:
            await self._conduct(live)
        except Refused as refused:
            self._die(live, refused)
        except asyncio.CancelledError:
            if live.halted is None:
                raise
            self._die(live, live.halted)
        except Exception as error:
            self._log.exception("round_failed", error, round=round_.id)
            self._die(live, Refused(Refusal.INTERNAL, "the coordinator failed; its log tells where"))
        finally:
            live.end_turn()
        self._live.end(live)

    async def _conduct(self, live: Live) -> None:
        round_ = live.round
        self._mending.announced(round_.id)
        live.progress.step(_Step.STEP_ANNOUNCED, total=len(round_.participants))
        if round_.frozen is None:
            self._post(round_.participants, work_pb2.NodeWork(announcement=round_.announcement))
            await self._until(live, lambda: round_.everybody_answered,
                              round_.announcement.body.deadline_ms)
            frozen = round_.freeze(self._now_ms(), self._key)
            self._rounds.freeze(round_.id, frozen)
            self._log.event("frozen", round=round_.id, count=len(round_.members))
        self._log_roster(round_)
        live.end_turn()
        live.progress.step(_Step.STEP_FROZEN, done=len(round_.members), total=len(round_.participants))
        await self._collect_reveals(live)
        index = await self._combine(live)
        witnessed = await self._witnessing.witness(index + 1)
        live.progress.step(_Step.STEP_WITNESSED, total=len(witnessed.cosignatures))
        live.evidence = work_pb2.Evidence(
            announcement=round_.announcement, frozen=round_.frozen, index=index, checkpoint=witnessed,
            reveals=[round_.reveals[node] for node in round_.members])
        await self._decrypting.collect(live.evidence, round_, live.refusing_holders, live.bell,
                                       lambda: self._remaining(round_.announcement.body.expires_ms))
        self._release(live, index, witnessed)

    def _log_roster(self, round_: Round) -> None:
        """Log the frozen roster once, also where a stop came between freezing and logging."""
        self._witnessing.follow()
        if round_.frozen is not None and not self._gate.roster_is_logged(round_.id):
            self._witnessing.show(c.body.grant for c in round_.frozen.body.commitments)
            self._audit.append(log_pb2.LogEntry(roster=roster_leaf(round_.frozen)))

    async def _collect_reveals(self, live: Live) -> None:
        round_ = live.round
        self._revoking.check_round(round_)  # a revoked grant's department would not reveal
        if round_.withheld:
            self._post(round_.withheld, work_pb2.NodeWork(frozen=round_.frozen))
        await self._until(live, lambda: not round_.withheld,
                          round_.announcement.body.deadline_ms + self._federation.policy.round_ms)
        if round_.withheld:
            names = ", ".join(round_.withheld)
            self._board.suspend(round_.withheld)
            raise Refused(Refusal.WITHHELD,
                          f"{names} committed and did not reveal; the round is dead and its price stays "
                          "spent until every key holder has voided it")

    async def _combine(self, live: Live) -> int:
        """Multiply, log the transcript once, and return its index."""
        leaf = await asyncio.to_thread(live.round.combine)
        self._witnessing.follow()
        known = self._gate.transcript_index(live.round.id)
        if known is not None:
            return known
        self._revoking.check_round(live.round)  # key holders would not decrypt it: it must not be charged
        return self._audit.append(log_pb2.LogEntry(transcript=leaf))

    def _release(self, live: Live, index: int, witnessed: log_pb2.WitnessedCheckpoint) -> None:
        round_ = live.round
        release = round_.release(self._now_ms(), self._key)
        size = int(witnessed.checkpoint.text.split("\n")[1])
        bundle = log_pb2.Bundle(
            charter=self._federation.charter, announcement=round_.announcement, frozen=round_.frozen,
            transcript=round_.transcript, products=round_.products,
            partials=list(round_.partials.values())[: self._federation.policy.threshold],
            release=release, leaf=round_.combine(), checkpoint=witnessed,
            inclusion=self._audit.inclusion(index, size))
        self._rounds.release(round_.id, bundle)
        self._mending.ended(round_.id)
        round_.forget()
        live.progress.step(_Step.STEP_RELEASED)
        self._log.event("released", round=round_.id, count=len(round_.members))
        self._witnessing.spread()

    def _die(self, live: Live, refused: Refused) -> None:
        """End a round without a release; what the disk does not take now, it gets again later."""
        round_ = live.round
        self._log.warning("round_dead", round=round_.id, refusal=refused.refusal, message=refused.message)
        withheld = round_.withheld if refused.refusal is Refusal.WITHHELD else []
        try:
            died = self._rounds.die(round_.id, refused, withheld)
            self._mending.ended(round_.id)
            if died:
                self.voiding.begin(round_)
            self._witnessing.spread()
        except Exception as error:
            self._log.exception("not_stored", error, round=round_.id)
            asyncio.get_running_loop().call_later(AGAIN_S, self._die, live, refused)

    # Waiting and posting

    async def _until(self, live: Live, done: Callable[[], bool], deadline_ms: int) -> None:
        """Wait for *done*, but not past the deadline."""
        await live.until(done, lambda: self._remaining(max(deadline_ms, self._patient_until_ms)))

    def _remaining(self, until_ms: int) -> float:
        return (until_ms - self._now_ms()) / 1000

    def _post(self, names: list[str], work: work_pb2.NodeWork) -> None:
        for name in names:
            line = self._board.line(name)
            if line is not None:
                line.post(work)


