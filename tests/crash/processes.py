"""Every role's real `main`, as processes that share one thread, one clock and one wire, and may die.

Left out are sockets, certificates, the passphrase of a key share and the engine that reads records: what
it would return is known (`founding.exact`), so that it can be searched for.
"""

import asyncio
import os
import random
import shutil
import sqlite3
import sys
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final, NoReturn

import pytest

from cotally.server.coordinator import main as coordinator
from cotally.server.keyholder import main as keyholder
from cotally.server.node import main as node
from cotally.server.rpc.logs import Log
from cotally.server.settings import config, party
from tests.fixtures.keys import small_dealt

from . import clock, faults, wire
from .clock import Loop
from .faults import RUNNING, Fault, Killed, Kind
from .founding import HOLDERS, Founded, exact

RESTART_S: Final = 0.3  # on the clock, from a death to the next start
STARTS: Final = 8       # of one role, at most: a role that dies at every start is a fault of its own


@dataclass(eq=False)
class Process:
    """One role, through all its starts."""

    name: str
    sweep: "Sweep"
    state: Path
    alive: bool = False
    writes: list[str] = field(default_factory=list)  # points of every durable write, over all starts
    connections: list[sqlite3.Connection] = field(default_factory=list)
    tasks: dict["asyncio.Task[Any]", None] = field(default_factory=dict)  # in the order of their beginning
    locks: list[int] = field(default_factory=list)
    starts: list[float] = field(default_factory=list)  # seconds of real time until it served

    def next_fault(self, point: str) -> Kind | None:
        """Count one durable write, at a *point* of the program; return what is to happen at it."""
        self.writes.append(point)
        kind = self.sweep.faults.pop((self.name, len(self.writes) - 1), None)
        if kind is not None:
            self.sweep.struck.append((self.name, point, kind))
        return kind

    def die(self, torn: Callable[[Path], None] = lambda _: None) -> NoReturn:
        """Leave the state folder as it is at this moment to the next start."""
        self.alive = False
        following = faults.copied(self.state)
        torn(following)
        asyncio.get_running_loop().call_soon(self._bury, following)
        raise Killed

    def _bury(self, following: Path) -> None:
        """Let go of all that the dead process held, and start it again a little later."""
        if self.name == "coordinator":
            self.sweep.wire.server = None
        for task in [*self.tasks]:
            task.cancel()
        for connection in self.connections:
            connection.close()
        for lock in self.locks:
            os.close(lock)
        self.connections, self.tasks, self.locks = [], {}, []
        self.state = following
        self.sweep.loop.call_later(RESTART_S, self.start)

    def start(self) -> None:
        """Run the role's main."""
        assert len(self.starts) < STARTS, f"{self.name} does not come up again"
        self.alive = True
        token = RUNNING.set(self)
        try:
            task = asyncio.get_running_loop().create_task(self._main())
        finally:
            RUNNING.reset(token)
        task.add_done_callback(self._ended)

    async def _main(self) -> None:
        mains = {"coordinator": coordinator._serve, **dict.fromkeys(HOLDERS, keyholder._serve)}
        serve: Callable[..., Coroutine[Any, Any, None]] = mains.get(self.name, node._serve)
        began = time.perf_counter()
        self.starts.append(float("inf"))

        def ready() -> None:
            self.starts[-1] = time.perf_counter() - began

        await serve(self.sweep.founded.folder / f"{self.name}.toml", Log("main", self.name), ready)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        """A main that gave up by itself (an I/O error at its start) is started again by its operator."""
        if not task.cancelled():
            self.sweep.ends.append((self.name, task.exception()))
        if self.alive and not self.sweep.over:
            self.alive = False
            self._bury(faults.copied(self.state))


@dataclass
class Sweep:
    """One federation under one schedule of faults."""

    founded: Founded
    folder: Path
    loop: Loop
    faults: dict[tuple[str, int], Kind]
    wire: wire.Wire
    processes: dict[str, Process] = field(default_factory=dict)
    log: StringIO = field(default_factory=StringIO)
    ends: list[tuple[str, BaseException | None]] = field(default_factory=list)
    struck: list[tuple[str, str, Kind]] = field(default_factory=list)  # what happened: role, point, how
    measured: list[str] = field(default_factory=list)  # departments, each time that one opened its data
    over: bool = False

    def start(self) -> None:
        """Start every role."""
        for name in self.founded.roles:
            process = self.processes[name] = Process(name, self, self.folder / name / "state")
            process.start()

    def stop(self) -> None:
        """Kill them all."""
        self.over = True
        for process in self.processes.values():
            process.alive = False
            for task in [*process.tasks]:
                task.cancel()

    def close(self) -> None:
        """Let go of the files of what was stopped."""
        for process in self.processes.values():
            for connection in process.connections:
                connection.close()
            for lock in process.locks:
                os.close(lock)


class _Engine:
    """A holding whose totals are known."""

    def __init__(self, *_: object) -> None:
        process = RUNNING.get()
        assert isinstance(process, Process)
        self._process = process

    def open(self, _: object) -> None:
        """Ready."""

    def measure(self, *_: object) -> list[int]:
        """The un-noised vector; for every time, there must be a reservation on disk."""
        name, sweep = self._process.name, self._process.sweep
        sweep.measured.append(name)
        path = self._process.state / "ledger.db"
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as disk:
            [reserved] = disk.execute("SELECT COUNT(*) FROM ledger WHERE kind = 2").fetchone()
        disk.close()
        assert reserved >= sweep.measured.count(name), f"{name} opened its data before it paid"
        return exact(name)


class _Shares:
    """A key holder's share, without its file."""

    def __init__(self, *_: object) -> None:
        """Nothing to open."""

    def open(self, _: object) -> object:
        """The share of whoever runs."""
        process = RUNNING.get()
        assert process is not None
        return small_dealt().shares[HOLDERS.index(process.name)]

    def settle(self, _: object) -> None:
        """Nothing lies beside it."""


class _Credentials:
    def check(self, _: object) -> None:
        """Valid for ever."""


def _process() -> Process:
    process = RUNNING.get()
    assert isinstance(process, Process)
    return process


def _configured(read: Callable[[Path], Any]) -> Callable[[Path], Any]:
    """The configuration of whoever runs, over the state folder of its present start."""
    def config(path: Path) -> Any:
        settings = read(path)
        return replace(settings, common=replace(settings.common, state=_process().state))
    return config


def _connect(*_: object) -> wire.Channel:
    process = _process()
    return wire.Channel(process.sweep.wire, process.name)


async def _served(_: str, __: object, register: Callable[[Any], None], log: Log,
                  *_limits: object) -> wire.Server:
    server = wire.Server(_process().sweep.wire, log)
    register(server)
    return server.start()


_hold = party._hold


def _held(state: Path) -> int:
    lock = _hold(state)
    _process().locks.append(lock)
    return lock


def _register(loop: asyncio.AbstractEventLoop, coroutine: Any, **context: Any) -> "asyncio.Task[Any]":
    """Remember each task under the process that it belongs to."""
    given = context.get("context")
    process = given.get(RUNNING) if given is not None else RUNNING.get()
    task: asyncio.Task[Any] = asyncio.Task(coroutine, loop=loop, **context)
    if process is not None:
        process.tasks[task] = None
        task.add_done_callback(lambda done: process.tasks.pop(done, None))
    return task


_PATCHES: Final[Sequence[tuple[str, Any]]] = (
    ("cotally.server.settings.config.coordinator", _configured(config.coordinator)),
    ("cotally.server.settings.config.node", _configured(config.node)),
    ("cotally.server.settings.config.keyholder", _configured(config.keyholder)),
    ("cotally.server.crypto.ceremony.check_public", lambda *_: None),  # the key is too short, and is known
    ("cotally.server.settings.party._hold", _held),
    ("cotally.server.settings.party.gc", SimpleNamespace(collect=int, freeze=int, unfreeze=int)),
    ("cotally.server.rpc.credentials.load", lambda *_: _Credentials()),
    ("cotally.server.rpc.channel.connect", _connect),
    ("cotally.server.coordinator.main.serve", _served),
    ("cotally.server.coordinator.main.SWITCH_S", sys.getswitchinterval()),
    ("cotally.server.coordinator.service.caller", wire.caller),
    ("cotally.server.coordinator.public.caller", wire.caller),
    ("cotally.server.keyholder.main.Shares", _Shares),
    ("cotally.server.keyholder.main.passphrase", lambda _: b""),
    ("cotally.server.node.main.Holding", _Engine),
    ("cotally.server.node.main._snapshots", lambda *_: frozenset({"people"})),
    ("cotally.server.node.main._rehearse", lambda *_, **__: None),
)


@contextmanager
def sweeping(founded: Founded, folder: Path, schedule: Sequence[Fault], seed: int) -> Iterator[Sweep]:
    """A federation, stopped at the end, over state folders below *folder*, which is removed."""
    random.seed(f"pauses {seed}")  # how long who lost its line waits before it dials again
    loop = Loop()
    loop.set_task_factory(_register)
    loop.set_exception_handler(lambda *_: None)  # what a dead process left unawaited
    sweep = Sweep(founded, folder, loop, {(f.role, f.index): f.kind for f in schedule},
                  wire.Wire(random.Random(f"latencies {seed}")))
    with pytest.MonkeyPatch.context() as patch:
        for target, value in (*_PATCHES, *faults.patches(), *clock.patches(loop), ("sys.stderr", sweep.log)):
            patch.setattr(target, value)
        try:
            yield sweep
        finally:
            sweep.stop()
            loop.run_until_complete(asyncio.sleep(1))
            loop.run_until_complete(loop.shutdown_asyncgens())
            sweep.close()
            loop.close()
            shutil.rmtree(folder, ignore_errors=True)
