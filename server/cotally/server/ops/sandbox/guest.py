"""Runs the command that a sandbox was made for, and passes on how it ended."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from .roles import SandboxFailed
from .signals import Stopped
from .watchdog import Watchdog

GRACE_S = 5.0
_POLL_S = 0.02


def run_guest(argv: Sequence[str], environment: Mapping[str, str], watchdog: Watchdog,
              pulse: Callable[[], None]) -> int:
    """Run *argv* to its end; return its exit status, 128 + n where signal n ended it.

    At a terminal it shares the sandbox's process group, so that it may read from the terminal and
    hears Ctrl-C itself; elsewhere it leads a group of its own, which ends as a whole. It finds this
    very installation's `cotally` last on its PATH.
    """
    own_group = not sys.stdin.isatty()
    try:
        process = subprocess.Popen(argv, env=os.environ | {"PATH": _path(), **environment},
                                   process_group=0 if own_group else None)
    except OSError as reason:
        raise SandboxFailed(f"{argv[0]} cannot be run: {reason.strerror}") from None
    if own_group:
        watchdog.watch(process.pid)
    try:
        while process.poll() is None:
            pulse()
            time.sleep(_POLL_S)
    except Stopped as stopped:
        _end(process, stopped.number, own_group)
        raise
    finally:
        if process.poll() is None:
            _end(process, signal.SIGTERM, own_group)
        watchdog.forget(process.pid)
    return process.returncode if process.returncode >= 0 else 128 - process.returncode


def check_guest(argv: Sequence[str]) -> None:
    """Raise SandboxFailed where nothing of that name can be run, before anything is started for it."""
    if argv and shutil.which(argv[0], path=_path()) is None:
        raise SandboxFailed(f"{argv[0]} cannot be run: there is no such command")


def _path() -> str:
    return os.pathsep.join([os.environ.get("PATH", os.defpath), str(Path(sys.executable).parent)])


def _end(process: subprocess.Popen[bytes], number: signal.Signals, own_group: bool) -> None:
    """Pass *number* on, then SIGTERM, then SIGKILL, with a grace after each."""
    for step in (number, signal.SIGTERM, signal.SIGKILL):
        shared_interrupt = step is signal.SIGINT and not own_group  # the terminal has sent it already
        if not shared_interrupt:
            _send(process, step, own_group)
        try:
            process.wait(GRACE_S)
            break
        except subprocess.TimeoutExpired:
            continue


def _send(process: subprocess.Popen[bytes], number: signal.Signals, own_group: bool) -> None:
    try:
        if own_group:
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)
    except ProcessLookupError:
        pass
