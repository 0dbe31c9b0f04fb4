"""The workloads of `cotally bench federation`: five departments on loopback, small questions and large ones.

    python -m benchmarks.federation write FOLDER             makes spec.toml and a CSV per department
    python -m benchmarks.federation measure SANDBOX.json     runs inside the sandbox, as an analyst would

`measure` prints one JSON object per line: one per round with the question that it asked, at the end one
with the memory of each role. What each question is for, and what its clock covers, stands in QUESTIONS.
"""

import argparse
import csv
import json
import os
import random
import sys
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cotally.client import connect
from cotally.client.connection import Connection
from cotally.v1 import analyst_pb2
from cotally.v1.refusals import Refused

from . import processes, sockets
from .node_log import seconds_added

DEPARTMENTS: Final = 5
ROWS: Final = 10_000  # people per department, one row each
GROUPS: Final = 100

SPEC = """\
[federation]
name = "bench"
key_bits = {key_bits}
key_holders = 3
threshold = 2
min_departments = 3
colluding = 1
delta = 1e-6
round_seconds = 60
tick_ms = 50
answer_base_ms = 150
answer_pace = "{pace}"
"""

TABLE = """
[[tables]]
name = "{name}"
population = "residents"
unit = "pid"
overlap = 1
max_rows_per_person = 1
max_groups_per_person = 1
expected_people = {expected}
max_people = {rows}
columns = [
  {{ name = "district", type = "category", codes = [{codes}], nullable = false }},
  {{ name = "trade", type = "category", codes = [{codes}], nullable = false }},
  {{ name = "age", type = "integer", lower = 0, upper = 99, nullable = false }},
  {{ name = "income", type = "integer", lower = 0, upper = 200000, nullable = false }},
]
"""

ALONE: Final = "department-1"  # holds the table `register`, which is its part of `people`, by itself


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of *table*, grouped by *keys*, and how many rounds of it are timed."""

    table: str
    keys: str
    statistics: str
    rounds: int | None = None  # None: as many as the command line says

    def sql(self, epsilon: str) -> str:
        """The text at this price."""
        return (f"SELECT {self.keys}, {self.statistics} FROM {self.table} GROUP BY {self.keys} "
                f"WITH PRIVACY (epsilon = {epsilon})")


# Seconds are those from `q.run()` to a verified release and, of `federation_*_cells`, its DataFrame;
# of `node_path_*`, those that the one department's node needs from announcement to commitment less
# those of its engine, in its own process, while nobody else has anything to do.
QUESTIONS: Final[Mapping[str, Question]] = {
    "federation": Question("people", "district", "COUNT(*) AS n, SUM(income) AS total, AVG(income) AS mean"),
    "federation_10000_cells": Question("people", "district, trade", "COUNT(*) AS n, SUM(income) AS total", 7),
    "federation_100000_cells": Question(
        "people", "district, trade, BIN(age, 10)", "COUNT(*) AS n, SUM(income) AS total", 3),
    "node_path_100": Question(
        "register", "district", "COUNT(*) AS n, SUM(income) AS total, AVG(income) AS mean", 7),
    "node_path_100000": Question(
        "register", "district, trade, BIN(age, 10)", "COUNT(*) AS n, SUM(income) AS total", 3),
}

# What a step of the progress stream ends. The clock between two of them is the share of the later one.
PHASES = {
    analyst_pb2.STEP_ANNOUNCED: "announce",    # from q.run(): question, price, announcement
    analyst_pb2.STEP_FROZEN: "commit",         # nodes decide, spend, measure, answer at D; freeze
    analyst_pb2.STEP_REVEALED: "reveal",       # openings arrive; the coordinator checks every proof
    analyst_pb2.STEP_WITNESSED: "combine",     # product, transcript, cosigned checkpoint
    analyst_pb2.STEP_DECRYPTED: "decrypt",     # key holders check everything again, two partials
    analyst_pb2.STEP_RELEASED: "release",      # opened, signed, stored
}


def write(folder: Path, key_bits: int, pace: str) -> None:
    """Write spec.toml and the departments' records into *folder*; the same records every time."""
    codes = [f"{code:03}" for code in range(GROUPS)]
    listed = ", ".join(f'"{code}"' for code in codes)
    spec = SPEC.format(key_bits=key_bits, pace=pace)
    spec += TABLE.format(name="people", expected=DEPARTMENTS * ROWS, rows=ROWS, codes=listed)
    spec += TABLE.format(name="register", expected=ROWS, rows=ROWS, codes=listed)
    for department in range(DEPARTMENTS):
        name = f"department-{department + 1}"
        rng = random.Random(name)
        with (folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
            out = csv.writer(file)
            out.writerow(("pid", "district", "trade", "age", "income"))
            out.writerows((f"{name}-{i}", rng.choice(codes), rng.choice(codes), rng.randrange(100),
                           int(rng.lognormvariate(10.3, 0.7))) for i in range(ROWS))
        data = f'people = "{name}.csv"' + (f', register = "{name}.csv"' if name == ALONE else "")
        spec += (f'\n[[departments]]\nname = "{name}"\nbudget = {{ rho = 10000 }}\nnoise = "exact"\n'
                 f'data = {{ {data} }}\n')
    (folder / "spec.toml").write_text(spec, "utf-8")


def measure(sandbox: Path, rounds: int, warm_up: int, names: Collection[str]) -> None:
    """Ask the questions of these names, *warm_up* times and then as often as each says; print the rounds."""
    roles = json.loads(sandbox.read_text("utf-8"))["roles"]
    pids = {role["name"]: role["pid"] for role in roles} | {"analyst": os.getpid()}
    with connect() as connection:
        for name, question in QUESTIONS.items():
            if name in names:
                times = question.rounds or rounds
                for number in range(-min(warm_up, times // 3 + 1), times):
                    said = {"question": name, **_round(connection, name, question, roles, pids)}
                    if number >= 0 or "refused" in said:
                        _say(said)
    _say({"memory": {name: processes.memory(pid) for name, pid in pids.items()}})


def _round(connection: Connection, name: str, question: Question, roles: list[dict[str, Any]],
           pids: Mapping[str, int]) -> dict[str, Any]:
    """Ask once and say what it took."""
    port = next(role["port"] for role in roles if role["role"] == "coordinator")
    # No two questions are equal, so that no stored release can answer one.
    fresh = time.time_ns() // 1000 % 10**6 + 1
    asked = connection.sql(question.sql(f"{1 + fresh / 10**7:.7f}"))
    ends: dict[str, float] = {}

    def note(said: analyst_pb2.Progress) -> None:
        if said.step in PHASES:
            ends[PHASES[said.step]] = time.perf_counter()

    moved, busy = sockets.moved(port), processes.cpu_seconds(pids)
    start = time.perf_counter()
    try:
        release = asked.run(note)
    except Refused as refused:
        return {"refused": refused.message}
    end = time.perf_counter()
    ends["verify"] = end
    if name.endswith("_cells"):
        release.df()
        ends["frame"] = end = time.perf_counter()
    if release.missing:
        return {"refused": f"released without {', '.join(release.missing)}"}
    after, spent = sockets.moved(port), processes.cpu_seconds(pids)
    seconds = end - start
    if name.startswith("node_path"):
        log = next(Path(role["log"]) for role in roles if role["name"] == ALONE)
        seconds = seconds_added(log, release.id)
    return {
        "seconds": seconds,
        "phases": _phases(start, ends),
        "bytes": after - moved if after is not None and moved is not None else None,
        "cpu": {name: spent[name] - busy[name] for name in pids},
        "load": os.getloadavg()[0],
    }


def _phases(start: float, ends: dict[str, float]) -> dict[str, float]:
    """Seconds of each phase: from the end of the one before."""
    durations = {}
    for name, end in ends.items():
        durations[name] = end - start
        start = end
    return durations


def _say(line: dict[str, Any]) -> None:
    print(json.dumps(line), flush=True)


def main() -> int:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    below = parser.add_subparsers(dest="do", required=True)
    making = below.add_parser("write", help="make the spec and the records")
    making.add_argument("folder", type=Path)
    making.add_argument("--key-bits", type=int, default=3072)
    making.add_argument("--pace", choices=("portable", "kernel"), default="kernel")
    measuring = below.add_parser("measure", help="ask and time, inside the sandbox")
    measuring.add_argument("sandbox", type=Path)
    measuring.add_argument("--rounds", type=int, default=15)
    measuring.add_argument("--warm-up", type=int, default=2)
    measuring.add_argument("--only", choices=tuple(QUESTIONS))
    measuring.add_argument("--small", action="store_true",
                           help="leave out 100,000 cells: key holders without the kernel take minutes")
    args = parser.parse_args()
    if args.do == "write":
        write(args.folder, args.key_bits, args.pace)
    else:
        names = {args.only} if args.only else {n for n in QUESTIONS if not (args.small and "100000" in n)}
        measure(args.sandbox, args.rounds, args.warm_up, names)
    return 0


if __name__ == "__main__":
    sys.exit(main())
