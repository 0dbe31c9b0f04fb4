"""What a running round is doing, on standard error: one live line at a terminal, else a line per step."""

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, Self, TextIO

from cotally.v1 import analyst_pb2

from .plain import plain

if TYPE_CHECKING:
    from rich.status import Status

_SAID: Final[Mapping[int, str]] = {
    analyst_pb2.STEP_ANNOUNCED: "announced to {total} departments",
    analyst_pb2.STEP_COMMITTED: "committed {done}/{total}",
    analyst_pb2.STEP_FROZEN: "frozen with {total} departments",
    analyst_pb2.STEP_REVEALED: "revealed {done}/{total}",
    analyst_pb2.STEP_WITNESSED: "witnessed in the audit log",
    analyst_pb2.STEP_DECRYPTED: "decrypted {done}/{total}",
    analyst_pb2.STEP_RELEASED: "released; checking it",
}


def sentence(progress: analyst_pb2.Progress) -> str:
    """Return the step in a few words."""
    said = _SAID.get(progress.step, "under way").format(done=progress.done, total=progress.total)
    return f"{said} ({plain(progress.party)})" if progress.party else said


class Silent:
    """A watcher that shows nothing; it remembers the round, for when the wait is interrupted."""

    def __init__(self) -> None:
        self.round = b""

    def __call__(self, progress: analyst_pb2.Progress) -> None:
        """Take note of one step."""
        self.round = progress.round or self.round
        self.show(sentence(progress))

    def show(self, text: str) -> None:
        """Show *text* as where the round stands."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Stop showing."""


class Lines(Silent):
    """Prints each step on a line of its own."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream

    def show(self, text: str) -> None:
        """Print *text*."""
        print(f"round: {text}", file=self._stream, flush=True)


class Live(Silent):
    """Shows the latest step on one line with a spinner, gone when the round is over."""

    def __init__(self) -> None:
        super().__init__()
        from rich.console import Console
        self._console = Console(stderr=True, markup=False, highlight=False)
        self._status: Status = self._console.status("asking", spinner="dots")

    def show(self, text: str) -> None:
        """Replace the line by *text*."""
        self._status.update(text)

    def __enter__(self) -> Self:
        self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._status.stop()


def watcher(people: bool) -> Silent:
    """How to watch: live at a terminal; lines where *people* read a file; nothing beside JSON."""
    if sys.stderr.isatty():
        return Live()
    return Lines(sys.stderr) if people else Silent()
