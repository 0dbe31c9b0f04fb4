"""Real processes of which one runs with `fault.c` preloaded: its Nth durable system call strikes it."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread
from typing import Final
from unittest.mock import patch

import pytest

from cotally.client.release import Release
from cotally.server.ops.sandbox.watchdog import Watchdog
from cotally.server.ops.spec import load_spec
from cotally.v1.refusals import Refused
from tests.system.holdings import RHO
from tests.system.running import POLL_S, Running, eventually, founded

SOURCE: Final = Path(__file__).with_name("fault.c")
CANARY: Final = b"wxyzzy"  # a cell of a record that no declaration foresees
_COUNT: Final = "SELECT sex, COUNT(*) AS n FROM {} GROUP BY sex WITH PRIVACY (rho = " + RHO + ", replay = {})"
SCRIPT: Final = tuple(_COUNT.format(table, replay) for table, replay in (
    ("people", "false"), ("odd", "false"), ("people", "true")))


@dataclass(frozen=True, slots=True)
class Strike:
    """What happens to *role* at its durable system call *index* since its start."""

    role: str
    index: int
    kind: str  # before, after, io, full; none

    def __str__(self) -> str:
        return f"{self.role}: {self.kind} at durable call {self.index}"


def library(folder: Path) -> Path:
    """`fault.c`, compiled; skips where there is no compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler here")
    made = folder / "fault.so"
    subprocess.run([compiler, "-O1", "-shared", "-fPIC", "-o", made, SOURCE, "-ldl"], check=True)
    return made


@contextmanager
def federation(spec_file: Path, root: Path) -> Iterator[Running]:
    """A running federation whose roles may log errors: disks that fail are logged."""
    watchdog = Watchdog()
    started = Running(load_spec(spec_file), founded(spec_file, root), watchdog)
    try:
        started.start()
        yield started
    finally:
        started.stop()
        watchdog.release()


@dataclass
class Asked:
    """What three questions came to."""

    releases: list[Release] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    calls: int = 0  # durable ones of the role that was watched
    restarts: list[float] = field(default_factory=list)  # seconds until it served again


def ask_under(running: Running, strike: Strike, fault: Path, trace: Path) -> Asked:
    """Start the role under *strike*, ask the script, and start it again whenever it is gone."""
    running.kill(strike.role)
    trace.unlink(missing_ok=True)
    environment = {"LD_PRELOAD": str(fault), "COTALLY_FAULT": f"{strike.index} {strike.kind}",
                   "COTALLY_FAULT_TRACE": str(trace),
                   "COTALLY_FAULT_DIR": str(running.roles[strike.role].state)}
    with patch.dict(os.environ, environment):
        running._spawn(strike.role)
    asked = Asked()
    with _nursed(running, strike.role, asked.restarts):
        for sql in SCRIPT:
            together(running)
            try:
                with running.connect() as con:
                    asked.releases.append(con.sql(sql).run())
            except Refused as refused:
                asked.refused.append(refused)
        together(running)
    asked.calls = trace.stat().st_size if trace.exists() else 0
    return asked


def together(running: Running) -> None:
    """Return once every role is connected."""
    def all_here() -> bool:
        try:
            with running.connect() as con:
                return set(con.connected) >= {*running.nodes, *running.holders}
        except Refused:
            return False
    eventually(all_here, "all have joined")


@contextmanager
def _nursed(running: Running, name: str, restarts: list[float]) -> Iterator[None]:
    """Start the role again, without any fault, as soon as it has ended."""
    over = Event()

    def nurse() -> None:
        while not over.wait(POLL_S):
            if not running.runs(name):
                running.kill(name)  # it is dead: forget it
                began = time.monotonic()
                running.start(name)
                restarts.append(time.monotonic() - began)

    nursing = Thread(target=nurse, daemon=True)
    nursing.start()
    try:
        yield
    finally:
        over.set()
        nursing.join()


def holding_canary(root: Path) -> list[Path]:
    """Files below *root* that hold the canary and are not a department's own data."""
    return [path for path in root.rglob("*")
            if path.is_file() and "snapshot" not in str(path) and path.suffix not in (".csv", ".duckdb")
            and CANARY in path.read_bytes()]
