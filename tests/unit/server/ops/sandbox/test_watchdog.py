"""Nothing is left behind by a sandbox that was killed outright."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from cotally.server.ops.sandbox.watchdog import Watchdog

# Stands for a sandbox: starts two children, lets go of the second, says their pids, and waits.
SANDBOX = """
import pathlib, subprocess, sys, time
from cotally.server.ops.sandbox.watchdog import Watchdog
dog = Watchdog()
argv = [sys.executable, "-c", "import signal, sys, time; signal.signal(15, signal.SIG_IGN); time.sleep(60)"]
kept, let_go = (subprocess.Popen(argv, start_new_session=True, stdout=subprocess.DEVNULL) for _ in range(2))
dog.watch(kept.pid)
dog.watch(let_go.pid)
dog.forget(let_go.pid)
dog.remove(pathlib.Path(sys.argv[1]))
print(kept.pid, let_go.pid, flush=True)
time.sleep(60)
"""


def gone(pid: int, within: float = 15) -> bool:
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        if Path(f"/proc/{pid}/stat").exists() and " Z " in Path(f"/proc/{pid}/stat").read_text():
            return True
        time.sleep(0.05)
    return False


def test_children_and_folders_go_with_a_killed_sandbox(tmp_path: Path) -> None:
    folder = tmp_path / "temporary with a space"
    (folder / "inner").mkdir(parents=True)
    argv = [sys.executable, "-c", SANDBOX, str(folder)]
    sandbox = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
    assert sandbox.stdout is not None
    kept, let_go = map(int, sandbox.stdout.readline().split())
    try:
        sandbox.kill()
        sandbox.wait()
        assert gone(kept)
        assert not gone(let_go, within=0.1)
        deadline = time.monotonic() + 10
        while folder.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not folder.exists()
    finally:
        sandbox.stdout.close()
        for pid in (kept, let_go):
            if not gone(pid, within=0.1):
                os.kill(pid, signal.SIGKILL)


def test_a_released_watchdog_does_nothing(tmp_path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
    dog = Watchdog()
    dog.watch(child.pid)
    dog.remove(tmp_path)
    dog.release()
    time.sleep(0.3)
    assert child.poll() is None
    assert tmp_path.exists()
    child.kill()
    child.wait()
