"""Whoever storms the coordinator's port hurts himself: an honest analyst's questions go on being answered."""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.running import Running, running
from tests.system.storms import STORMS

EVERY_S = 2.0  # an honest question
CALM = 6  # questions before, and after
STORMY = 6  # questions during each storm
MAY_GROW = 96 << 20  # bytes of memory that one storm may cost the coordinator

_SPEC = """\
[federation]
name = "harbour"
key_bits = 2048
min_departments = 3
delta = 1e-6
round_seconds = 30
tick_ms = 500

[[tables]]
name = "people"
unit = "pid"
max_people = 10000
columns = [
  { name = "age", type = "integer", lower = 0, upper = 100, nullable = false },
  { name = "c1", type = "integer", lower = 0, upper = 100 },
  { name = "c2", type = "integer", lower = 0, upper = 100 },
  { name = "c3", type = "integer", lower = 0, upper = 100 },
  { name = "c4", type = "integer", lower = 0, upper = 100 },
  { name = "c5", type = "integer", lower = 0, upper = 100 },
  { name = "c6", type = "integer", lower = 0, upper = 100 },
  { name = "c7", type = "integer", lower = 0, upper = 100 },
  { name = "c8", type = "integer", lower = 0, upper = 100 },
]

[[departments]]
name = "east"
data = { people = "people.csv" }
budget = { rho = 50 }
[[departments]]
name = "north"
data = { people = "people.csv" }
budget = { rho = 50 }
[[departments]]
name = "south"
data = { people = "people.csv" }
budget = { rho = 50 }

[[analysts]]
name = "analyst"
[[analysts]]
name = "mallory"
"""


@pytest.fixture(scope="module")
def harbour(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Three departments, all of them needed; an analyst, and mallory."""
    folder = tmp_path_factory.mktemp("harbour")
    header = "pid,age," + ",".join(f"c{i}" for i in range(1, 9)) + "\n"
    rows = [f"{i},{i % 100}" + 8 * f",{i % 7}" + "\n" for i in range(300)]
    (folder / "people.csv").write_text(header + "".join(rows))
    (folder / "SPEC.toml").write_text(_SPEC)
    with running(folder / "SPEC.toml", folder / "federation") as federation:
        federation.heal()
        yield federation


class Honest:
    """Asks a question that was never asked before, every two seconds, and takes the time."""

    def __init__(self, federation: Running) -> None:
        self._connection = federation.connect()
        self._asked = 0

    def ask(self, table: str = "people") -> float:
        """Seconds until a release is verified; any refusal fails the test."""
        self._asked += 1
        start = time.monotonic()
        release = self._connection.sql(
            f"SELECT COUNT(*) AS n FROM {table} WHERE age < {self._asked % 100} "
            "WITH PRIVACY (rho = 0.001, replay = false)").run()
        assert release.id
        return time.monotonic() - start

    def ask_every(self, count: int) -> list[float]:
        """The seconds of *count* questions, one every two seconds."""
        taken = []
        for _ in range(count):
            began = time.monotonic()
            taken.append(self.ask())
            time.sleep(max(0.0, began + EVERY_S - time.monotonic()))
        return taken


def start_storm(federation: Running, name: str, seconds: float, analyst: str) -> "subprocess.Popen[str]":
    """The storm as a process of its own."""
    words = [sys.executable, "-m", "tests.system.storms", name, str(federation.profile(analyst)),
             str(seconds)]
    return subprocess.Popen(words, cwd=Path(__file__).parents[2], stdout=subprocess.PIPE, text=True,
                            stdin=subprocess.DEVNULL, stderr=subprocess.PIPE,
                            env=os.environ | {"GRPC_VERBOSITY": "NONE"})


def end_of(storm: "subprocess.Popen[str]") -> dict[str, int]:
    """How the strikes of a storm ended."""
    out, err = storm.communicate(timeout=90)
    assert storm.returncode == 0, err
    ends: dict[str, int] = json.loads(out)
    return ends


def memory(federation: Running) -> int:
    """Bytes of the coordinator's process that are in memory."""
    pages = Path(f"/proc/{federation.pid('coordinator')}/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


# How a strike may end where its limit holds; a storm that found nothing to refuse proves nothing.
ENDS = {
    "silence": {"connected"}, "strangers": {"hung up", "SSLError", "ConnectionResetError", "BrokenPipeError"},
    "oversized": {"RESOURCE_EXHAUSTED"}, "bombs": {"UNIMPLEMENTED"},
    "nesting": {"INVALID_ARGUMENT", "NOT_FOUND"},
    "slow": {"RESOURCE_EXHAUSTED", "waits still"},
    "abandoned": {"given up", "left open", "RESOURCE_EXHAUSTED"},
    "reconnects": {"answered", "RESOURCE_EXHAUSTED"}, "calls": {"answered", "RESOURCE_EXHAUSTED"},
    "costly": {"answered", "RESOURCE_EXHAUSTED", "waits still"},
}


def test_every_storm_at_once_and_an_honest_question(federation: Running) -> None:
    before = memory(federation)
    storms = {name: start_storm(federation, name, 2.0, "poor") for name in STORMS}
    Honest(federation).ask()
    for name, storm in storms.items():
        ends = end_of(storm)  # together they fill the one share that they have
        assert ends and set(ends) <= ENDS[name] | {"RESOURCE_EXHAUSTED"}, (name, ends)
    assert memory(federation) - before < MAY_GROW
    Honest(federation).ask()


@pytest.mark.slow
def test_honest_questions_take_at_most_three_times_as_long_in_any_storm(harbour: Running) -> None:
    honest = Honest(harbour)
    honest.ask_every(2)  # whatever is built at first use
    calm = honest.ask_every(CALM)
    usual = statistics.median(calm)
    told = [f"calm: median {usual:.2f} s, longest {max(calm):.2f} s"]
    worst = {}
    for name in STORMS:
        before = memory(harbour)
        storm = start_storm(harbour, name, EVERY_S * STORMY, "mallory")
        stormy = honest.ask_every(STORMY)
        ends = end_of(storm)
        grown = memory(harbour) - before
        told.append(f"{name}: longest {max(stormy):.2f} s, median {statistics.median(stormy):.2f} s, "
                    f"{grown / 2**20:+.0f} MiB, {ends}")
        assert ends and set(ends) <= ENDS[name], told[-1]
        assert grown < MAY_GROW, told[-1]
        worst[name] = max(stormy)
    print("\n" + "\n".join(told))
    assert max(worst.values()) <= 3 * usual, told
