"""The workload of `cotally bench federation`: five departments, 100 groups of count, sum and mean.

    python -m benchmarks.federation write FOLDER             makes spec.toml and a CSV per department
    python -m benchmarks.federation measure SANDBOX.json     runs inside the sandbox, as an analyst would

`measure` prints one JSON object per line: first one per round, then one with the memory of each role.
A round's clock starts when `q.run()` is called and stops when it has returned a verified release.
"""

import argparse
import csv
import json
import os
import random
import sys
import time
from pathlib import Path
from typing import Any

from cotally.client import connect
from cotally.v1 import analyst_pb2
from cotally.v1.refusals import Refused

from . import processes, sockets

DEPARTMENTS = 5
ROWS = 10_000  # people per department, one row each
GROUPS = 100

SQL = ("SELECT district, COUNT(*) AS n, SUM(income) AS total, AVG(income) AS mean FROM people "
       "GROUP BY district WITH PRIVACY (epsilon = {epsilon})")

SPEC = """\
[federation]
name = "bench"
key_bits = {key_bits}
key_holders = 3
threshold = 2
min_departments = 3
colluding = 1
delta = 1e-6
round_seconds = 20
tick_ms = 50
answer_base_ms = 100

[[tables]]
name = "people"
population = "residents"
unit = "pid"
overlap = 1
max_rows_per_person = 1
max_groups_per_person = 1
expected_people = {expected}
max_people = {rows}
columns = [
  {{ name = "district", type = "category", codes = [{codes}], nullable = false }},
  {{ name = "income", type = "integer", lower = 0, upper = 200000, nullable = false }},
]

"""

# What a step of the progress stream ends. The clock between two of them is the share of the later one.
PHASES = {
    analyst_pb2.STEP_ANNOUNCED: "announce",    # from q.run(): question, price, announcement
    analyst_pb2.STEP_FROZEN: "commit",         # nodes decide, spend, measure, answer at D; freeze
    analyst_pb2.STEP_REVEALED: "reveal",       # openings arrive; the coordinator checks every proof
    analyst_pb2.STEP_WITNESSED: "combine",     # product, transcript, cosigned checkpoint
    analyst_pb2.STEP_DECRYPTED: "decrypt",     # key holders check everything again, two partials
    analyst_pb2.STEP_RELEASED: "release",      # opened, signed, stored
}


def write(folder: Path, key_bits: int) -> None:
    """Write spec.toml and the departments' records into *folder*; the same records every time."""
    codes = [f"{code:03}" for code in range(GROUPS)]
    spec = SPEC.format(key_bits=key_bits, expected=DEPARTMENTS * ROWS, rows=ROWS,
                       codes=", ".join(f'"{code}"' for code in codes))
    for department in range(DEPARTMENTS):
        name = f"department-{department + 1}"
        rng = random.Random(name)
        with (folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
            out = csv.writer(file)
            out.writerow(("pid", "district", "income"))
            out.writerows((f"{name}-{i}", rng.choice(codes), int(rng.lognormvariate(10.3, 0.7)))
                          for i in range(ROWS))
        spec += (f'[[departments]]\nname = "{name}"\nbudget = {{ rho = 10000 }}\n'
                 f'data = {{ people = "{name}.csv" }}\n\n')
    (folder / "spec.toml").write_text(spec, "utf-8")


def measure(sandbox: Path, rounds: int, warm_up: int) -> None:
    """Ask *warm_up* + *rounds* distinct questions and print what each of the latter took."""
    roles = json.loads(sandbox.read_text("utf-8"))["roles"]
    port = next(role["port"] for role in roles if role["role"] == "coordinator")
    pids = {role["name"]: role["pid"] for role in roles} | {"analyst": os.getpid()}
    with connect() as connection:
        for number in range(warm_up + rounds):
            # No two questions are equal, so that no stored release can answer one.
            fresh = time.time_ns() // 1000 % 10**6 + 1
            question = connection.sql(SQL.format(epsilon=f"{1 + fresh / 10**7:.7f}"))
            ends: dict[str, float] = {}

            def note(said: analyst_pb2.Progress, ends: dict[str, float] = ends) -> None:
                if said.step in PHASES:
                    ends[PHASES[said.step]] = time.perf_counter()

            moved, busy = sockets.moved(port), processes.cpu_seconds(pids)
            start = time.perf_counter()
            try:
                release = question.run(note)
            except Refused as refused:
                _say({"refused": refused.message})
                continue
            end = time.perf_counter()
            if release.missing:
                _say({"refused": f"released without {', '.join(release.missing)}"})
                continue
            after, spent = sockets.moved(port), processes.cpu_seconds(pids)
            if number >= warm_up:
                _say({
                    "seconds": end - start,
                    "phases": _phases(start, ends | {"verify": end}),
                    "bytes": after - moved if after is not None and moved is not None else None,
                    "cpu": {name: spent[name] - busy[name] for name in pids},
                    "load": os.getloadavg()[0],
                })
    _say({"memory": {name: processes.memory(pid) for name, pid in pids.items()}})


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
    measuring = below.add_parser("measure", help="ask and time, inside the sandbox")
    measuring.add_argument("sandbox", type=Path)
    measuring.add_argument("--rounds", type=int, default=15)
    measuring.add_argument("--warm-up", type=int, default=2)
    args = parser.parse_args()
    if args.do == "write":
        write(args.folder, args.key_bits)
    else:
        measure(args.sandbox, args.rounds, args.warm_up)
    return 0


if __name__ == "__main__":
    sys.exit(main())
