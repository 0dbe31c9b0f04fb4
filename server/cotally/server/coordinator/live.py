"""The rounds in progress, and who watches them."""

import asyncio
from collections.abc import Callable, Iterator

from cotally.v1 import roster_pb2, round_pb2, work_pb2
from cotally.v1.refusals import Refusal, Refused

from .progress import Progress
from .session import Round


class Live:
    """One round in progress, its watchers, and the bell that rings when a party has answered."""

    def __init__(self, round_: Round, turn: asyncio.Semaphore | None = None) -> None:
        self.round = round_
        self._turn = turn
        self._task: asyncio.Task[None] | None = None
        self.progress = Progress(round_.id)
        self.bell = asyncio.Event()
        self.revealed = len(round_.reveals)
        self.evidence: work_pb2.Evidence | None = None
        self.refusing_holders: dict[str, Refused] = {}
        self.halted: Refused | None = None  # why it may not go on, whatever the parties answer

    def conducted_by(self, task: asyncio.Task[None]) -> None:
        """Remember what `halt` has to interrupt."""
        self._task = task

    def owed_to(self, member: roster_pb2.Member) -> work_pb2.NodeWork | work_pb2.KeyHolderWork | None:
        """What *member* has still to answer in this round, or None."""
        name, round_ = member.name, self.round
        if member.role == roster_pb2.ROLE_KEY_HOLDER:
            if self.evidence is not None and name not in round_.partials:
                return work_pb2.KeyHolderWork(evidence=self.evidence)
        elif round_.frozen is not None:
            if name in round_.members and name not in round_.reveals:
                return work_pb2.NodeWork(frozen=round_.frozen)
        elif name in round_.participants and name not in round_.commitments:
            return work_pb2.NodeWork(announcement=round_.announcement)
        return None

    def halt(self, refused: Refused) -> None:
        """Let the round die of *refused*, wherever it stands; nothing after its release."""
        if self.halted is None and self._task is not None and not self._task.done():
            self.halted = refused
            asyncio.get_running_loop().call_soon(self._task.cancel)  # its first step goes before: it must run

    async def until(self, done: Callable[[], bool], left: Callable[[], float]) -> None:
        """Wait for *done*, looking again whenever a party answers, while seconds are *left*."""
        while not done() and (seconds := left()) > 0:
            self.bell.clear()
            try:
                async with asyncio.timeout(seconds):  # wait_for may swallow a cancellation
                    await self.bell.wait()
            except TimeoutError:
                return

    def end_turn(self) -> None:
        """Let the next round be announced: departments are done measuring. Safe to call twice."""
        if self._turn is not None:
            self._turn.release()
            self._turn = None


class LiveRounds:
    """All rounds that were announced and have not ended."""

    def __init__(self) -> None:
        self._rounds: dict[bytes, Live] = {}

    def __iter__(self) -> Iterator[Live]:
        return iter(list(self._rounds.values()))

    def add(self, live: Live) -> None:
        """A round begins, or goes on after a restart."""
        self._rounds[live.round.id] = live

    def end(self, live: Live) -> None:
        """Its outcome is stored."""
        self._rounds.pop(live.round.id, None)
        live.progress.end()

    def get(self, round_: bytes) -> Live | None:
        """The round, if it is in progress."""
        return self._rounds.get(round_)

    def of(self, round_: bytes) -> Live:
        """The round; OUT_OF_ORDER if it is not in progress."""
        live = self._rounds.get(round_)
        if live is None:
            raise Refused(Refusal.OUT_OF_ORDER, "this round is over, or was never announced")
        return live

    def announced(self) -> list[round_pb2.Announcement]:
        """What was announced of each."""
        return [live.round.announcement.body for live in self]
