"""Ends what a sandbox started when the sandbox itself is gone, however it went.

Runs as a process of its own, in a session of its own. The sandbox holds the write end of its
standard input and never closes it while it lives; end of file means that it is dead.

    +PGID     a process group to end            -PGID     it has ended by itself
    =PATH     a temporary folder to remove
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

GRACE_S: Final = 3.0


class Watchdog:
    """The sandbox's end: start it first, tell it what was started, `release` it at the end."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "cotally.server.ops.sandbox.watchdog"],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=True, cwd="/")

    def watch(self, group: int) -> None:
        """End process group *group* if the sandbox dies."""
        self._tell(f"+{group}")

    def forget(self, group: int) -> None:
        """*group* is over: its number may be another's soon."""
        self._tell(f"-{group}")

    def remove(self, folder: Path) -> None:
        """Remove *folder* if the sandbox dies."""
        self._tell(f"={folder}")

    def release(self) -> None:
        """Nothing is left to guard: end without doing anything."""
        self._process.kill()
        self._process.communicate()

    def _tell(self, line: str) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(os.fsencode(line) + b"\n")
            self._process.stdin.flush()


def main() -> None:
    """Read until the sandbox is gone, then end and remove what is left."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    groups: set[int] = set()
    folders: list[Path] = []
    for line in sys.stdin.buffer:
        mark, rest = line[:1], line[1:].rstrip(b"\n")
        if mark == b"=":
            folders.append(Path(os.fsdecode(rest)))
        elif mark == b"+":
            groups.add(int(rest))
        else:
            groups.discard(int(rest))
    end_groups(groups)
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


def end_groups(groups: set[int]) -> None:
    """SIGTERM to every group, SIGKILL after a grace to those that are still there."""
    alive = {g for g in groups if send(g, signal.SIGTERM)}
    deadline = time.monotonic() + GRACE_S
    while alive and time.monotonic() < deadline:
        time.sleep(0.05)
        alive = {g for g in alive if send(g, 0)}
    for group in alive:
        send(group, signal.SIGKILL)


def send(group: int, number: int) -> bool:
    """Send signal *number* to a process group; False where nobody is in it."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


if __name__ == "__main__":
    main()
