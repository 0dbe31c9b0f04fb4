"""Cosignatures: the log grows, its witnesses fold it, and a quorum of them signs what they saw."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field

from google.protobuf.message import Message

from cotally.server.audit.checkpoint import cosign_bytes, quorum, text
from cotally.server.audit.follower import Follower
from cotally.server.audit.log import AuditLog
from cotally.server.audit.stages import grant_leaf
from cotally.server.crypto import signing
from cotally.server.wire.federation import Federation
from cotally.v1 import log_pb2, query_pb2, roster_pb2, work_pb2
from cotally.v1.refusals import Refusal, Refused

from .board import Board, Line

TIMEOUT_S = 15.0
SPREAD_S = 1.0
ENTRIES_PER_GROWTH = 500  # more are read and hashed beside the loop


@dataclass(slots=True)
class _Collection:
    size: int
    checkpoint: log_pb2.Checkpoint
    signatures: dict[str, bytes] = field(default_factory=dict)
    complete: asyncio.Event = field(default_factory=asyncio.Event)


class Witnessing:
    """Collects one checkpoint's cosignatures at a time."""

    def __init__(self, federation: Federation, log: AuditLog, follower: Follower, board: Board,
                 key: signing.SigningKey) -> None:
        self._federation = federation
        self._log = log
        self._follower = follower
        self._board = board
        self._key = key
        self._lock = asyncio.Lock()
        self._turn = asyncio.Semaphore(1)  # one page at a time for all newcomers: rounds need the threads too
        self._collecting: _Collection | None = None
        self._latest_growth = work_pb2.Growth()
        self.latest = log.checkpoint()
        witnesses = federation.members(roster_pb2.ROLE_NODE, roster_pb2.ROLE_KEY_HOLDER)
        policy = federation.policy
        self.quorum = quorum(len(witnesses), policy.colluding + policy.threshold - 1)

    @property
    def log_size(self) -> int:
        """Entries of the log so far."""
        return self._log.size

    def require_quorum(self) -> None:
        """Refuse to start what could not be witnessed."""
        here = len(self._board.ready(self._board.roster))
        if here < self.quorum:
            raise Refused(Refusal.TOO_FEW_WITNESSES,
                          f"connected departments and key holders: {here}; a log entry needs the "
                          f"cosignatures of {self.quorum}")

    def checkpoint(self, size: int) -> log_pb2.Checkpoint:
        """The coordinator's own signature under the first *size* entries."""
        words = text(self._federation.name, size, self._log.root(size))
        return log_pb2.Checkpoint(text=words, signature=self._key.sign(words.encode()))

    def catch_up(self, line: Line) -> None:
        """Post to *line* what the log has and it has not, up to the checkpoint that is collected now."""
        collecting = self._collecting
        size = self._log.size if collecting is None else collecting.size
        if size - line.log_size > ENTRIES_PER_GROWTH:
            first, line.log_size = line.log_size, size - ENTRIES_PER_GROWTH
            line.post(self._history(line.member.role, first, line.log_size))
        if line.log_size < size:
            self._post(line, size)

    def greet(self, line: Line) -> None:
        """Post at least one growth to a fresh *line*, an empty one where it knows everything.

        It tells the line that it is heard, and asks for its cosignature where one is collected now.
        """
        before = line.log_size
        self.catch_up(line)
        if line.log_size == before:
            self._post(line, before)

    def spread(self) -> None:
        """Let everybody know what was logged, soon: nobody waits for it while an analyst checks a release.

        Where another round follows at once, its own growth carries it before, and saves everybody one.
        """
        asyncio.get_running_loop().call_later(SPREAD_S, self._spread, self._log.size)

    def _spread(self, size: int) -> None:
        for line in self._board.lines():
            if line.log_size < size:
                self.catch_up(line)

    def _post(self, line: Line, upto: int) -> None:
        growth = self._growth(line.log_size, upto)
        line.log_size = upto
        line.post(_work(line.member.role, growth))

    async def _history(
        self, role: "roster_pb2.Role.ValueType", first: int, upto: int
    ) -> AsyncIterator[Message]:
        """Pages of a long log: whoever claims to know none of it must not stop the loop for all others."""
        for start in range(first, upto, ENTRIES_PER_GROWTH):
            end = min(upto, start + ENTRIES_PER_GROWTH)
            async with self._turn:
                entries = await asyncio.to_thread(self._log.entries, start, end)
            yield _work(role, work_pb2.Growth(first=start, entries=entries, checkpoint=self.checkpoint(end)))

    def _growth(self, first: int, upto: int) -> work_pb2.Growth:
        """The entries from *first* up to *upto* under a checkpoint; mostly the same for every line."""
        checkpoint = self._checkpoint_at(upto)
        latest = self._latest_growth
        if (latest.first, latest.first + len(latest.entries), latest.checkpoint) != (first, upto, checkpoint):
            self._latest_growth = latest = work_pb2.Growth(
                first=first, entries=self._log.entries(first, upto), checkpoint=checkpoint)
        return latest

    def _checkpoint_at(self, size: int) -> log_pb2.Checkpoint:
        collecting = self._collecting
        if collecting is not None and collecting.size == size:
            return collecting.checkpoint
        return self.checkpoint(size)

    def follow(self) -> None:
        """Fold our own log, so that filters are known before a round is announced."""
        if self._follower.size < self._log.size:
            self._follower.fold(self._log.entries(self._follower.size, self._log.size))

    def show(self, grants: Iterable[query_pb2.SignedGrant]) -> None:
        """Log the public fields of those grants that the log does not show yet."""
        self.follow()
        for signed in grants:
            if not self._follower.shows_grant(signed.body):
                self._log.append(log_pb2.LogEntry(grant=grant_leaf(signed.body)))
                self.follow()

    def is_announced(self, round_: bytes) -> bool:
        """True iff the log that we folded holds the round's announcement."""
        return self._follower.is_announced(round_)

    def has_ended(self, round_: bytes) -> bool:
        """True iff the log that we folded holds the round's release, or its death."""
        return self._follower.is_released(round_) or self._follower.is_dead(round_)

    def is_void(self, round_: bytes) -> bool:
        """True iff the log that we folded holds the round's void leaf."""
        return self._follower.is_void(round_)

    def voided_since(self, size: int) -> list[bytes]:
        """Rounds whose void leaf who has folded *size* entries does not know."""
        return self._follower.voided_since(size)

    async def witness(self, size: int) -> log_pb2.WitnessedCheckpoint:
        """Return a checkpoint of at least *size* entries with its quorum; TOO_FEW_WITNESSES after 15 s."""
        async with self._lock:
            if self.latest is not None and _size(self.latest) >= size:
                return self.latest
            self.follow()
            now = self._log.size
            self._collecting = _Collection(now, self.checkpoint(now))
            try:
                for line in self._board.lines():
                    if line.log_size < now:
                        self.catch_up(line)
                    else:
                        self._post(line, now)  # it cosigned before anybody collected: ask again
                async with asyncio.timeout(TIMEOUT_S):
                    await self._collecting.complete.wait()
                self.latest = self._witnessed(self._collecting)
            except TimeoutError:
                raise Refused(Refusal.TOO_FEW_WITNESSES,
                              f"{len(self._collecting.signatures)} of {self.quorum} witnesses cosigned the "
                              "log in time") from None
            finally:
                self._collecting = None
            self._log.save_checkpoint(self.latest)
            return self.latest

    def cosign(self, member: roster_pb2.Member, request: work_pb2.CosignRequest) -> None:
        """Take *member*'s cosignature; one for another size than is collected now is of no use."""
        collecting = self._collecting
        if collecting is None or request.size != collecting.size:
            return
        if not signing.verify(member.signing_key, cosign_bytes(collecting.checkpoint.text),
                              request.cosignature.signature):
            raise Refused(Refusal.EQUIVOCATION, f"{member.name} cosigned another log")
        collecting.signatures[member.name] = request.cosignature.signature
        if len(collecting.signatures) >= self.quorum:
            collecting.complete.set()

    def _witnessed(self, collected: _Collection) -> log_pb2.WitnessedCheckpoint:
        return log_pb2.WitnessedCheckpoint(
            checkpoint=collected.checkpoint,
            cosignatures=[log_pb2.Cosignature(witness=name, signature=signature)
                          for name, signature in sorted(collected.signatures.items())])


def _work(role: "roster_pb2.Role.ValueType", growth: work_pb2.Growth) -> Message:
    if role == roster_pb2.ROLE_NODE:
        return work_pb2.NodeWork(growth=growth)
    return work_pb2.KeyHolderWork(growth=growth)


def _size(witnessed: log_pb2.WitnessedCheckpoint) -> int:
    return int(witnessed.checkpoint.text.split("\n")[1])
