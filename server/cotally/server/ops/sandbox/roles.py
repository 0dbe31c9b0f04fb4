"""Starts the roles of a federation as processes, waits until they are ready, and stops them.

Every role runs in a session of its own, so that Ctrl-C reaches the sandbox alone, which then stops
them in order. A role says that it is ready by writing its pid to `state/ready`; the coordinator
also writes the address that it bound to `state/address`.
"""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cotally.server.ops import folders
from cotally.server.ops.ceremony import LOOPBACK, member_folder
from cotally.server.ops.spec import Spec

from .watchdog import Watchdog, send

READY_S: Final = 600.0
REPORT_S: Final = 10.0  # how often to say what is awaited
GRACE_S: Final = 10.0
_POLL_S: Final = 0.02
_TAIL_LINES: Final = 5
COMMAND: Final = (sys.executable, "-P", "-m", "cotally.client.cli.main")

Argv = Callable[[str, Path], Sequence[str]]


class SandboxFailed(Exception):
    """The sandbox itself could not do its work (exit code 125); one sentence, and what a log says."""


@dataclass(frozen=True, slots=True)
class Role:
    """One role of a sandbox, and where its things lie."""

    role: str
    name: str
    config: Path
    log: Path

    def __str__(self) -> str:
        return self.name if self.name.startswith(self.role) else f"{self.role} {self.name}"

    @property
    def state(self) -> Path:
        """Where it says that it is ready."""
        return self.config.parent / "state"


def roles_of(spec: Spec, root: Path) -> list[Role]:
    """Every role of *spec* under *root*, the coordinator first."""
    names = [("coordinator", "coordinator"),
             *(("keyholder", f"keyholder-{i}") for i in range(1, spec.key_holders + 1)),
             *(("node", d.name) for d in spec.departments)]
    return [Role(role, name, member_folder(root, role, name) / folders.CONFIG[role],
                 root / "logs" / f"{name if name.startswith(role) else f'{role}-{name}'}.log")
            for role, name in names]


def role_argv(role: str, config: Path) -> Sequence[str]:
    """The command line of a role: the one that an operator types."""
    return (*COMMAND, role, "run", str(config))


class Roles:
    """The running roles. `start` in order, `stop` in any state."""

    def __init__(self, roles: Sequence[Role], watchdog: Watchdog, pulse: Callable[[], None],
                 argv: Argv = role_argv) -> None:
        self._roles = roles
        self._watchdog = watchdog
        self._pulse = pulse  # called while waiting; raises when it is time to stop
        self._argv = argv
        self._running: dict[Role, subprocess.Popen[bytes]] = {}
        self._told: set[Role] = set()
        self.address = ""

    def start(self, progress: Callable[[str], None]) -> None:
        """Start every role and return when all are ready; SandboxFailed if one dies or hangs."""
        coordinator, *others = self._roles
        folders.set_value(coordinator.config, "listen", LOOPBACK)
        progress("starting the coordinator")
        self._spawn(coordinator)
        self._await([coordinator], "address", progress)
        self.address = (coordinator.state / "address").read_text("utf-8").strip()
        folders.set_value(coordinator.config, "listen", self.address)  # a restart finds its members again
        for role in others:
            folders.set_value(role.config, "coordinator", self.address)
        progress(f"starting {len(others)} members at {self.address}")
        for role in others:
            self._spawn(role)
        self._await(self._roles, "ready", progress)

    def describe(self) -> list[dict[str, object]]:
        """One entry per role for sandbox.json; members dial out and have no port."""
        port = int(self.address.rpartition(":")[2])
        return [{"role": r.role, "name": r.name, "pid": self._running[r].pid,
                 "port": port if r.role == "coordinator" else None,
                 "config": str(r.config), "log": str(r.log)}
                for r in self._roles]

    def ended(self) -> list[str]:
        """A sentence for each role that ended since the last call."""
        sentences = []
        for role, process in self._running.items():
            if role not in self._told and process.poll() is not None:
                self._told.add(role)
                self._watchdog.forget(process.pid)
                sentences.append(f"{role} ended with status {process.returncode}; see {role.log}")
        return sentences

    def stop(self) -> None:
        """SIGTERM to all, SIGKILL to those that are left after the grace. Safe to call twice."""
        for process in self._running.values():
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + GRACE_S
        for process in self._running.values():
            try:
                process.wait(max(deadline - time.monotonic(), 0))
            except subprocess.TimeoutExpired:
                send(process.pid, signal.SIGKILL)
                process.wait()
            self._watchdog.forget(process.pid)
        self._running.clear()

    def _spawn(self, role: Role) -> None:
        for stale in ("ready", "address"):
            (role.state / stale).unlink(missing_ok=True)
        role.log.parent.mkdir(mode=0o700, exist_ok=True)
        with role.log.open("ab") as log:
            process = subprocess.Popen(
                self._argv(role.role, role.config), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True, cwd=role.config.parent)
        self._running[role] = process
        self._watchdog.watch(process.pid)

    def _await(self, roles: Sequence[Role], file: str, progress: Callable[[str], None]) -> None:
        begin = told = time.monotonic()
        waiting = list(roles)
        while waiting:
            for role, process in self._running.items():
                if process.poll() is not None:
                    raise SandboxFailed(f"{role} ended with status {process.returncode} before it was ready: "
                                        f"{last_words(role.log)}")
            waiting = [r for r in waiting if not _says(r.state / file)]
            if waiting and time.monotonic() > begin + READY_S:
                raise SandboxFailed(
                    f"{waiting[0]} was not ready after {READY_S:.0f} s; see {waiting[0].log}")
            if waiting and time.monotonic() > told + REPORT_S:
                told = time.monotonic()
                progress(f"still waiting for {', '.join(map(str, waiting))}")
            self._pulse()
            time.sleep(_POLL_S if waiting else 0)


def _says(file: Path) -> bool:
    """True where *file* holds something: it may exist a moment before it is written."""
    try:
        return bool(file.read_text("utf-8").strip())
    except OSError:
        return False


def last_words(log: Path) -> str:
    """Why a role ended: the sentence of its last logged error, or else its last lines as they are."""
    lines = log.read_text("utf-8", errors="replace").splitlines() if log.exists() else []
    for line in reversed(lines):
        try:
            entry = json.loads(line)
        except json.JSONDecodeError:
            continue
        if isinstance(entry, dict) and entry.get("level") == "error":
            if message := entry.get("message"):
                return str(message)
            return f"{entry.get('event')} ({entry.get('exception', 'no exception')}); see {log}"
    said = " / ".join(line.strip() for line in lines[-_TAIL_LINES:] if line.strip())
    return said or f"it said nothing; see {log}"
