"""Runs the federation's workload in a sandbox, like anybody's command, and sums up what it measured.

The workload lies in the source tree (`benchmarks/federation.py`): it asks through the SDK, which the
server does not import.
"""

import json
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from cotally.server.crypto import backend
from cotally.server.model.pace import Pace
from cotally.server.ops.sandbox.home import SUMMARY
from cotally.server.ops.sandbox.roles import COMMAND
from cotally.v1.refusals import Misconfigured

from . import machine, suite
from .rounds import SUITE, Measured, sum_up
from .rows import Row, missing

PACE: Final = {True: Pace.KERNEL, False: Pace.PORTABLE}  # with the compiled kernel, and without


def measure(rounds: int, warm_up: int, key_bits: int, kept: Path | None) -> list[Row]:
    """The suite's rows; a folder in *kept* keeps the federation, so that the next run need not deal a key."""
    if not suite.there(SUITE):
        return missing(SUITE, suite.NOT_THERE)
    facts = machine.facts(None, bits=key_bits, rounds=rounds)
    with ExitStack() as stack:
        folder = kept or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cotally-bench-")))
        folder.mkdir(parents=True, exist_ok=True)
        fast = backend.name() == "ifma"
        _run(suite.argv(SUITE, "write", folder, "--key-bits", key_bits, "--pace", PACE[fast].spelling))
        sandbox = folder.absolute() / "sandbox"
        summary = sandbox / SUMMARY
        asking = suite.argv(SUITE, "measure", summary, "--rounds", rounds, "--warm-up", warm_up,
                            *([] if fast else ["--small"]))
        said = _run([*COMMAND, "sandbox", str(folder / "spec.toml"), "--dir", str(sandbox), "--", *asking])
        kinds = {role["name"]: role["role"] for role in json.loads(summary.read_text("utf-8"))["roles"]}
    return [facts, *sum_up(Measured.of(said.splitlines()), kinds | {"analyst": "analyst"})]


def _run(argv: Sequence[str]) -> str:
    """Standard output of *argv*; progress and errors go where ours go."""
    done = subprocess.run(argv, stdout=subprocess.PIPE, text=True, env=suite.environment(), check=False)
    if done.returncode != 0:
        raise Misconfigured(f"the benchmark ended with status {done.returncode}; what it said stands above")
    return done.stdout
