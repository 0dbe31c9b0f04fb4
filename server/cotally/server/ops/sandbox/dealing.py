"""Holds a sandbox's ceremony in a process of its own, which forgets the key by ending.

    python -m cotally.server.ops.sandbox.dealing SPEC DIR

It also keeps Ctrl-C quick: a search for primes does not listen to signals.
"""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from cotally.server.ops.ceremony import hold, keep_passphrases, sandbox_arrangement
from cotally.server.ops.spec import load_spec
from cotally.v1.refusals import Misconfigured

from .roles import SandboxFailed
from .watchdog import Watchdog, send

_POLL_S = 0.02


def deal_apart(spec: Path, into: Path, watchdog: Watchdog, pulse: Callable[[], None]) -> None:
    """Hold the ceremony of *spec* into *into*; progress goes to standard error. *pulse* may interrupt."""
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "cotally.server.ops.sandbox.dealing", str(spec), str(into)],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True)
    watchdog.watch(process.pid)
    try:
        while process.poll() is None:
            pulse()
            time.sleep(_POLL_S)
    finally:
        if process.poll() is None:
            send(process.pid, signal.SIGKILL)
            process.wait()
        watchdog.forget(process.pid)
    if process.returncode:
        raise SandboxFailed("the ceremony could not be held")


def main(argv: list[str]) -> int:
    """Hold the ceremony; 3 with a sentence where spec or folder are wrong."""
    try:
        spec, into = load_spec(Path(argv[0])), Path(argv[1])
        arrangement = sandbox_arrangement(spec)
        held = hold(spec, into, arrangement, lambda line: print(f"sandbox: {line}", file=sys.stderr))
        keep_passphrases(held, arrangement.passphrases)
    except Misconfigured as reason:
        print(f"sandbox: {reason.message}", file=sys.stderr)
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
