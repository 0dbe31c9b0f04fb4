"""A clock that only waiting moves: a federation's minutes pass in no time, and the same way every time."""

import asyncio
import selectors
from collections.abc import Callable
from typing import Any, Final, ParamSpec, TypeVar

START_NS: Final = 1_900_000_000 * 10**9  # Unix time at which every run begins

P = ParamSpec("P")
T = TypeVar("T")


class _Jumping(selectors.SelectSelector):
    """Never sleeps: where nothing is left to do before a timer, the clock jumps to that timer."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """What is ready now; else let *timeout* pass on the clock."""
        ready = super().select(0)
        if not ready:
            if timeout is None:
                raise AssertionError("everybody waits for ever")
            self.now += timeout
        return ready


class Loop(asyncio.SelectorEventLoop):
    """An event loop under that clock."""

    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)

    def time(self) -> float:
        """Seconds since the run began."""
        return self._jumping.now

    def time_ns(self) -> int:
        """Unix time on the clock."""
        return START_NS + round(self._jumping.now * 1e9)


async def inline(function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """`asyncio.to_thread` without a thread: everything happens in one order."""
    await asyncio.sleep(0)
    return function(*args, **kwargs)


def patches(loop: Loop) -> list[tuple[str, Any]]:
    """What stands in for the machine's clock and threads while *loop* runs."""
    return [("time.monotonic", loop.time), ("time.time_ns", loop.time_ns), ("asyncio.to_thread", inline)]
