"""How long an auditor takes for a long log: `python -m benchmarks.audit [--entries N] [--processes N]`.

The log is synthetic and valid (tests/fixtures/long_log.py): three departments, rounds of four entries with
all ledger links, one round in ten dead and then void by three signed statements, as many replays, a policy,
grants and a list of revocations once in a thousand rounds, a checkpoint with six cosignatures after every
10,000 entries. What is timed is the whole check of the file, from its path to every budget; the second row is
the most memory that one process held, the file's pages included.
"""

import argparse
import resource
import sys
import tempfile
import time
from pathlib import Path

from cotally.client.audit.verifier import verify_file
from cotally.server.ops.bench.rows import Row
from tests.fixtures.long_log import LongLog

from .program import say

EVERY = 10_000


def main() -> int:
    """Write the log, check it, print two rows."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.audit")
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--processes", type=int, default=2)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path, log = Path(folder) / "long.audit", LongLog(asked.entries)
        log.write(path, EVERY)
        started = time.perf_counter()
        audited = verify_file(path, log.pin, asked.processes)
        seconds = time.perf_counter() - started
    assert (audited.head.size, audited.found) == (asked.entries, 0)
    say(Row(row="audit_verify", seconds=seconds, rate=asked.entries / seconds, unit="entries"))
    held = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    say(Row(row="audit_memory", mebibytes=held / 1024))
    return 0


if __name__ == "__main__":
    sys.exit(main())
