"""`cotally bench SUITE`: one row per measurement."""

import argparse
import sys
from pathlib import Path

from . import federation
from .rounds import SUITE
from .rows import BACKEND, LATER, ROWS, Row, missing, table


class BenchCommand:
    """`cotally bench crypto|noise|engine|federation`."""

    name = "bench"
    help = "time the cryptography, the noise, the engine or a whole round"

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """SUITE and how to run it."""
        parser.add_argument("suite", choices=tuple(ROWS), metavar="SUITE", help=", ".join(ROWS))
        parser.add_argument("-o", "--output", choices=("text", "json"),
                            help="json: one object per line; the default where output is no terminal")
        parser.add_argument("--backend", choices=(BACKEND,), default=BACKEND,
                            help="the big-integer arithmetic")
        only = parser.add_argument_group("federation")
        only.add_argument("--rounds", type=_positive, default=15, metavar="N",
                          help="rounds that are timed, after 2 that are not (15)")
        only.add_argument("--key-bits", type=int, choices=(2048, 3072, 4096), default=3072,
                          help="bits of the Paillier modulus (3072)")
        only.add_argument("--dir", type=Path, metavar="DIR",
                          help="keep the federation here, for the next run")
        parser.epilog = ("federation: five departments of 10,000 people, 100 groups of count, sum and mean,\n"
                         "on loopback. A minute or two. Rows with `missing` say why; they are no failure.\n\n"
                         "    cotally bench federation -o json")

    def run(self, args: argparse.Namespace) -> int:
        """Measure and print; 0 also where rows are missing."""
        rows = (federation.measure(args.rounds, 2, args.key_bits, args.dir)
                if args.suite == SUITE else missing(args.suite, LATER))
        _print(rows, args.output or ("text" if sys.stdout.isatty() else "json"))
        return 0


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


def _print(rows: list[Row], output: str) -> None:
    print(table(rows) if output == "text" else "\n".join(row.to_json() for row in rows), flush=True)


command = BenchCommand()
