"""Turns SIGINT, SIGTERM and SIGHUP into an exception at places of the sandbox's choice."""

import signal
from types import FrameType
from typing import Any, Final, Self

CAUGHT: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(Exception):
    """A signal asked the sandbox to end."""

    def __init__(self, number: signal.Signals) -> None:
        super().__init__(number.name)
        self.number = number

    @property
    def status(self) -> int:
        """The exit status that says so: 130 for Ctrl-C."""
        return 128 + self.number


class Signals:
    """Remembers the first signal while entered; `check` raises it.

    A handler that raised at once could do so between a process's start and its bookkeeping, and
    leave that process behind.
    """

    def __init__(self) -> None:
        self._first: signal.Signals | None = None
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        for number in CAUGHT:
            self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def check(self) -> None:
        """Raise Stopped if a signal came."""
        if self._first is not None:
            raise Stopped(self._first)

    def _note(self, number: int, _: FrameType | None) -> None:
        if self._first is None:
            self._first = signal.Signals(number)
