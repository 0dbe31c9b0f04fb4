"""Who watches a round: every watcher sees each step, and late ones see where it stands."""

import asyncio
from collections.abc import AsyncIterator

from cotally.v1 import analyst_pb2


class Progress:
    """The steps of one round so far, and the queues of those who watch."""

    def __init__(self, round_: bytes) -> None:
        self._round = round_
        self._steps: list[analyst_pb2.Progress] = []
        self._watchers: set[asyncio.Queue[analyst_pb2.Progress | None]] = set()
        self._over = False

    def step(self, step: "analyst_pb2.Step.ValueType", party: str = "", done: int = 0,
             total: int = 0) -> None:
        """Tell everybody that *step* was taken, *done* of *total* times."""
        said = analyst_pb2.Progress(step=step, party=party, done=done, total=total, round=self._round)
        self._steps.append(said)
        for queue in self._watchers:
            queue.put_nowait(said)

    def end(self) -> None:
        """No more steps follow; the outcome is stored."""
        self._over = True
        for queue in self._watchers:
            queue.put_nowait(None)

    async def watch(self) -> AsyncIterator[analyst_pb2.Progress]:
        """Yield every step, from the first, until the round is over."""
        queue: asyncio.Queue[analyst_pb2.Progress | None] = asyncio.Queue()
        for past in self._steps:
            queue.put_nowait(past)
        if self._over:
            queue.put_nowait(None)
        self._watchers.add(queue)
        try:
            while (said := await queue.get()) is not None:
                yield said
        finally:
            self._watchers.discard(queue)
