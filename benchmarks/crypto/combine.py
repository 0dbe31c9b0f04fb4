"""The sum of 6,000 departments' encrypted vectors of 1,000 values, read from a file by a process of its own.

    python -m benchmarks.crypto.combine FILE BITS CIPHERTEXTS ROUNDS    sums FILE, prints seconds and memory

Seconds: the median; opening the file and checking every ciphertext are part of it, the file is in
the system's page cache. Mebibytes: what the process's resident memory grows by at most, the file's
own pages, which are mapped and touched before, not counted.
"""

import json
import mmap
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import numpy as np

from cotally.server.crypto.aggregation import Stored, multiply
from cotally.server.model.encryption import Encryption
from cotally.server.ops.bench import suite
from cotally.server.ops.bench.rows import Row
from cotally.server.ops.bench.timing import Work, duration

from .. import processes
from ..program import Workload
from . import key
from .setting import Setting

VALUES: Final = 1_000


def _measure(setting: Setting) -> Iterable[Row]:
    count = setting.packing(VALUES).ciphertexts
    with tempfile.TemporaryDirectory(prefix="cotally-bench-") as folder:
        path = Path(folder) / "departments"
        _write(path, setting, count)
        done = subprocess.run(suite.argv("crypto.combine", path, setting.bits, count, setting.rounds),
                              stdout=subprocess.PIPE, text=True, env=suite.environment(), check=True)
    said = json.loads(done.stdout)
    yield Row(row="combine_6000x1000", seconds=said["seconds"], low=said["low"], high=said["high"],
              rounds=setting.rounds, mebibytes=said["mebibytes"])


def _write(path: Path, setting: Setting, count: int) -> None:
    """Numbers below N^2, all distinct; what they encrypt makes no difference to their product's cost."""
    width = key.public(setting.bits, Encryption.DJN).ciphertext_bytes
    random = np.random.default_rng(1)
    with path.open("wb") as file:
        for _ in range(setting.departments):
            vector = random.integers(0, 256, (count, width), np.uint8)
            vector[:, 0] = 0  # below N^2, whose first byte is not
            vector[:, 1] |= 1
            file.write(vector.tobytes())


def _sum(path: Path, bits: int, count: int, rounds: int) -> dict[str, float | None]:
    """Sum the file's vectors again and again; memory is looked at the first time."""
    public = key.public(bits, Encryption.DJN)

    def product_of(mapped: mmap.mmap) -> bytes:
        with memoryview(mapped) as view:
            return multiply(Stored(view, count * public.ciphertext_bytes), count, public)

    def once() -> bytes:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            return product_of(mapped)

    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        sum(mapped[k] for k in range(0, len(mapped), mmap.PAGESIZE))  # now the input is resident
        grown = processes.grown(lambda: product_of(mapped))
    timed = duration(Work(once), rounds)
    return {"seconds": timed.seconds, "low": timed.low, "high": timed.high, "mebibytes": grown}


WORKLOADS = (Workload(("combine_6000x1000",), _measure),)

if __name__ == "__main__":
    print(json.dumps(_sum(Path(sys.argv[1]), *map(int, sys.argv[2:5]))))
