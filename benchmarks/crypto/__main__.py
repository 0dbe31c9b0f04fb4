"""The workloads of `cotally bench crypto`.

    python -m benchmarks.crypto [--key-bits 3072] [--values 10000] [--rounds N]
"""

import argparse
import sys
from dataclasses import asdict

from cotally.server.ops.bench.timing import ROUNDS

from ..program import work_through
from . import add, ciphertext, combine, decrypt, encrypt, floor, partial, proof, threads
from .setting import Setting

MODULES = (encrypt, ciphertext, decrypt, add, partial, proof, combine, threads, floor)


def main() -> int:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--key-bits", type=int, choices=(2048, 3072, 4096), default=3072)
    parser.add_argument("--values", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--departments", type=int, default=6_000, help="for the sum; 6,000 by name")
    args = parser.parse_args()
    workloads = [each for module in MODULES for each in module.WORKLOADS]
    setting = Setting(args.key_bits, args.values, args.rounds, args.departments)
    return work_through(workloads, setting, **asdict(setting))


if __name__ == "__main__":
    sys.exit(main())
