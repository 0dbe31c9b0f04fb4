"""A federation of real processes on loopback that a test may pause, kill and start again.

Every role runs under the command line that an operator types, in a session of its own, watched by
the sandbox's watchdog: whatever happens to pytest, nothing stays behind. Only the search for
primes is left out (`dealt`): the key's primes are fixed, and public.
"""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

from cotally.client.connection import Connection, connect
from cotally.server.crypto import ceremony as crypto
from cotally.server.ops import folders
from cotally.server.ops.ceremony import hold, keep_passphrases, member_folder, sandbox_arrangement
from cotally.server.ops.sandbox.home import prepare
from cotally.server.ops.sandbox.roles import COMMAND, Role, last_words, role_argv, roles_of
from cotally.server.ops.sandbox.watchdog import Watchdog
from cotally.server.ops.spec import Spec, load_spec
from tests.fixtures.keys import full_dealt

PATIENCE_S = 90.0  # for anything that takes seconds on an idle machine
POLL_S = 0.05


class NeverHappened(AssertionError):
    """What a test waited for did not come true in time."""


def eventually(true: Callable[[], object], what: str, seconds: float = PATIENCE_S) -> None:
    """Return once *true* holds; NeverHappened after *seconds*."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            raise NeverHappened(f"{what}: not within {seconds:.0f} s")
        time.sleep(POLL_S)


def alive(pid: int) -> bool:
    """True while a process of this id runs (a zombie does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def dealt(spec: Spec, into: Path) -> None:
    """Hold a sandbox's ceremony of *spec* into *into*, over the fixed 2048-bit key: about a second."""
    key = full_dealt()
    arrangement = sandbox_arrangement(spec)
    assert (spec.key_bits, spec.key_holders, spec.threshold) == (2048, 3, 2)
    with patch.object(crypto, "deal", lambda *_: key):
        held = hold(spec, into, arrangement, lambda _: None)
    keep_passphrases(held, arrangement.passphrases)


def founded(spec_file: Path, root: Path) -> Path:
    """*root*, holding a dealt sandbox of the spec, as `cotally sandbox --dir` leaves it before it starts."""
    spec = load_spec(spec_file)
    prepare(root, spec, lambda into: dealt(spec, into), lambda _: None)
    return root


def command(*words: str | Path) -> list[str]:
    """The command line of `cotally`."""
    return [*COMMAND, *map(str, words)]


@dataclass(frozen=True, slots=True)
class Ran:
    """How a command ended."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output, which must be one JSON document."""
        return json.loads(self.out)

    @property
    def sentence(self) -> str:
        """What a role said last on standard error, where every line is one JSON object."""
        said = [json.loads(line) for line in self.err.splitlines()]
        return str([line["message"] for line in said if "message" in line][-1])

    @property
    def refusal(self) -> str:
        """The refusal's name in the one JSON object on standard error."""
        return str(json.loads(self.err)["refusal"])

    @property
    def message(self) -> str:
        """The refusal's sentence."""
        return str(json.loads(self.err)["message"])


def run(*words: str | Path, environment: Mapping[str, str] | None = None, seconds: float = PATIENCE_S) -> Ran:
    """Run `cotally *words* ` to its end; its standard output is no terminal."""
    done = subprocess.run(command(*words), env=os.environ | (environment or {}), text=True,
                          stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds, check=False)
    return Ran(done.returncode, done.stdout, done.stderr)


@dataclass
class Running:
    """The processes of one federation, by role name ("coordinator", "keyholder-1", "north", ...)."""

    spec: Spec
    root: Path
    watchdog: Watchdog
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    address: str = ""

    @property
    def roles(self) -> dict[str, Role]:
        """Every role by name."""
        return {r.name: r for r in roles_of(self.spec, self.root)}

    @property
    def nodes(self) -> list[str]:
        """The departments."""
        return [d.name for d in self.spec.departments]

    @property
    def holders(self) -> list[str]:
        """The key holders."""
        return [f"keyholder-{i}" for i in range(1, self.spec.key_holders + 1)]

    # Processes

    def start(self, *names: str) -> None:
        """Start these roles, all that do not run where none is named, and wait until they are ready."""
        wanted = names or tuple(n for n in self.roles if not self.runs(n))
        if "coordinator" in wanted:
            self._spawn("coordinator")
            self._await(["coordinator"])
            coordinator = self.roles["coordinator"]
            if not self.address:
                self.address = (coordinator.state / "address").read_text().strip()
                folders.set_value(coordinator.config, "listen", self.address)
                self._tell_address()
        others = [n for n in wanted if n != "coordinator"]
        for name in others:
            self._spawn(name)
        self._await(others)

    def _tell_address(self) -> None:
        for role in self.roles.values():
            if role.role != "coordinator":
                folders.set_value(role.config, "coordinator", self.address)
        for analyst in self.spec.analysts:
            folders.set_value(self.profile(analyst.name), "coordinator", self.address)

    def _spawn(self, name: str) -> None:
        role = self.roles[name]
        for stale in ("ready", "address"):
            (role.state / stale).unlink(missing_ok=True)
        role.log.parent.mkdir(mode=0o700, exist_ok=True)
        with role.log.open("ab") as log:
            process = subprocess.Popen(
                role_argv(role.role, role.config), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True, cwd=role.config.parent)
        self.processes[name] = process
        self.watchdog.watch(process.pid)

    def _await(self, names: Iterable[str]) -> None:
        for name in names:
            role, process = self.roles[name], self.processes[name]

            def says(role: Role = role, process: subprocess.Popen[bytes] = process) -> bool:
                if process.poll() is not None:
                    raise AssertionError(f"{role} ended with {process.returncode}: {last_words(role.log)}")
                ready = role.state / "ready"
                return ready.exists() and ready.read_text().strip() == str(process.pid)

            eventually(says, f"{role} is ready")

    def runs(self, name: str) -> bool:
        """True while the role's process lives, paused or not."""
        process = self.processes.get(name)
        return process is not None and process.poll() is None

    def pid(self, name: str) -> int:
        """Of the role's process."""
        return self.processes[name].pid

    def kill(self, *names: str) -> None:
        """SIGKILL, and wait until they are gone."""
        for name in names:
            self.processes[name].kill()
        for name in names:
            self.processes[name].wait(PATIENCE_S)
            self.watchdog.forget(self.pid(name))

    def stop(self, *names: str) -> list[int]:
        """SIGTERM (to all, where none is named); return the exit codes."""
        wanted = [n for n in (names or tuple(self.processes)) if self.runs(n)]
        for name in wanted:
            self.processes[name].send_signal(signal.SIGCONT)
            self.processes[name].terminate()
        for name in wanted:
            try:
                self.processes[name].wait(20)
            except subprocess.TimeoutExpired:
                self.kill(name)
            self.watchdog.forget(self.pid(name))
        return [self.processes[name].returncode for name in wanted]

    def pause(self, *names: str) -> None:
        """SIGSTOP."""
        for name in names:
            self.processes[name].send_signal(signal.SIGSTOP)

    def resume(self, *names: str) -> None:
        """SIGCONT."""
        for name in names:
            self.processes[name].send_signal(signal.SIGCONT)

    def heal(self) -> None:
        """Make every role run again, and forget suspensions, whatever a test did."""
        for name, process in self.processes.items():
            if process.poll() is None:
                self.resume(name)
        self.start()
        with self.connect() as con:
            eventually(lambda: set(con._welcome()[1]) >= {*self.nodes, *self.holders}, "all have joined")

    # What they say

    def events(self, name: str) -> list[dict[str, Any]]:
        """Every line of a role's log, all starts together."""
        lines = self.roles[name].log.read_text("utf-8").splitlines()
        return [json.loads(line) for line in lines]

    def said(self, name: str, event: str, **fields: object) -> list[dict[str, Any]]:
        """The role's log lines of this event that carry these fields."""
        return [e for e in self.events(name)
                if e["event"] == event and all(e.get(k) == v for k, v in fields.items())]

    # The analyst

    def profile(self, analyst: str = "analyst") -> Path:
        """Path of an analyst's profile."""
        return member_folder(self.root, "analyst", analyst) / folders.CONFIG["analyst"]

    def connect(self, analyst: str = "analyst") -> Connection:
        """A connection of the SDK."""
        return connect(self.profile(analyst))

    def query(self, sql: str, *words: str, analyst: str = "analyst") -> Ran:
        """`cotally query SQL`, JSON on standard output."""
        return run("query", sql, *words, environment={"COTALLY_PROFILE": str(self.profile(analyst))})

    def spent(self, analyst: str = "analyst") -> dict[tuple[str, str, str], int]:
        """Pico-rho charged so far by (kind, name, population) of filter, rounds under way included."""
        with self.connect(analyst) as con:
            return {(f.kind, f.name, f.population): f.cumulative for f in con.filters()}


@contextmanager
def running(spec_file: Path, root: Path) -> Iterator[Running]:
    """The federation of *spec_file*, founded in *root* and started; stopped at the end.

    Whatever a test does to it, no role may log an error: errors are for what nobody foresaw.
    """
    watchdog = Watchdog()
    federation = Running(load_spec(spec_file), founded(spec_file, root), watchdog)
    try:
        federation.start()
        yield federation
    finally:
        federation.stop()
        watchdog.release()
    unexpected = [e for name in federation.roles for e in federation.events(name) if e["level"] == "error"]
    assert not unexpected, unexpected
