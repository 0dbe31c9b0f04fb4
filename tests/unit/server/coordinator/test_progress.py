"""Every watcher of a round sees every step, whenever it came."""

import asyncio

from cotally.server.coordinator.progress import Progress
from cotally.v1 import analyst_pb2


def test_early_and_late_watchers_see_the_same_steps() -> None:
    async def story() -> None:
        progress = Progress(b"r")
        early = asyncio.create_task(collected(progress))
        await asyncio.sleep(0)
        progress.step(analyst_pb2.STEP_ANNOUNCED, total=3)
        await asyncio.sleep(0)
        late = asyncio.create_task(collected(progress))
        progress.step(analyst_pb2.STEP_COMMITTED, "tax", 1, 3)
        progress.end()
        after = await collected(progress)
        assert await early == await late == after
        assert [(p.step, p.party, p.done, p.total, p.round) for p in after] == [
            (analyst_pb2.STEP_ANNOUNCED, "", 0, 3, b"r"), (analyst_pb2.STEP_COMMITTED, "tax", 1, 3, b"r")]

    asyncio.run(asyncio.wait_for(story(), 10))


async def collected(progress: Progress) -> list[analyst_pb2.Progress]:
    return [said async for said in progress.watch()]
