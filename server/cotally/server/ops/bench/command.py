"""`cotally bench SUITE`: one row per measurement."""

import argparse
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from cotally.server.crypto import backend
from cotally.v1.refusals import Misconfigured

from . import federation, plot, suite, tables
from .rows import ROWS, Row, Run, missing, read

_EPILOG: Final = """\
One core, rounds that alternate between cotally and its peer, medians with the least and the
greatest round. A peer that is not installed leaves its rows missing; that is no failure.

  crypto      encryption, decryption, addition, aggregation against phe, SecretFlow HEU, pypaillier
  noise       exact discrete Laplace and Gaussian noise against OpenDP
  engine      bounding in DuckDB against the same query without it
  federation  five departments, 100 groups of count, sum and mean, on loopback

    cotally bench crypto
    cotally bench crypto --backend gmpy2 -o json --plot crypto.png > crypto.jsonl
    cotally bench crypto --read crypto.jsonl -o markdown"""


class BenchCommand:
    """`cotally bench crypto|noise|engine|federation`."""

    name = "bench"
    help = "time the cryptography, the noise, the engine or a whole round"

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """SUITE, how to run it and how to show it."""
        parser.add_argument("suite", choices=tuple(ROWS), metavar="SUITE", help=", ".join(ROWS))
        parser.add_argument("-o", "--output", choices=("text", "json", "markdown"),
                            help="json: one object per line; the default where output is no terminal")
        parser.add_argument("--backend", choices=("ifma", "gmpy2"),
                            help="the big-integer arithmetic (default: the fastest here)")
        parser.add_argument("--plot", type=Path, metavar="FILE", help="draw a chart as well, a PNG")
        parser.add_argument("--read", type=Path, metavar="FILE", action="append",
                            help="measure nothing: show what an earlier run printed as json; repeat it "
                                 "to put runs side by side in markdown")
        parser.add_argument("--rounds", type=_positive, metavar="N",
                            help="rounds that are timed (7; federation: 15, after 2 that are not)")
        parser.add_argument("--key-bits", type=int, choices=(2048, 3072, 4096), default=3072,
                            help="crypto, federation: bits of the Paillier modulus (3072)")
        parser.add_argument("--values", type=_positive, metavar="N",
                            help="crypto: values in a vector (10,000); noise: values a draw (100,000)")
        parser.add_argument("--rows", type=_positive, metavar="N",
                            help="engine: rows, of a fifth as many people (10,000,000)")
        parser.add_argument("--dir", type=Path, metavar="DIR",
                            help="federation, engine: keep what was made here, for the next run")
        parser.epilog = _EPILOG

    def run(self, args: argparse.Namespace) -> int:
        """Measure and print; 0 also where rows are missing, 1 where a workload broke."""
        output = args.output or ("text" if sys.stdout.isatty() else "json")
        if args.plot is not None:
            plot.check()
        if args.dir is not None:
            _make(args.dir)
        if args.read:
            runs, status = [_read(path, args.suite) for path in args.read], 0
        else:
            measured, status = _measure(args, output)
            runs = [measured]
        if output == "text":
            print("\n\n".join(map(tables.text, runs)), flush=True)
        elif output == "markdown":
            print(tables.markdown(runs), flush=True)
        elif args.read:
            print("\n".join(line for run in runs for line in tables.jsonl(run)), flush=True)
        if args.plot is not None:
            plot.write(runs[0], args.plot)
        return status


def _measure(args: argparse.Namespace, output: str) -> tuple[Run, int]:
    """The run, printed row by row where *output* is for programs, and the exit status."""
    if args.backend:
        os.environ[backend.VARIABLE] = args.backend  # for us and for everything that we start
    status: list[int] = []
    try:
        chosen = backend.name()
        rows = _rows(args, status)
    except Misconfigured as error:
        if not args.backend:  # a variable that names nothing is a mistake
            raise
        chosen, rows = args.backend, iter(missing(args.suite, error.message))
    shown = []
    for row in rows:
        shown.append(row)
        if output == "json":
            print(row.to_json(suite=args.suite, backend=chosen), flush=True)
        elif sys.stderr.isatty():
            print(f"  {row.row}", file=sys.stderr, flush=True)
    return Run(args.suite, chosen, tuple(shown)), int(any(status))


def _rows(args: argparse.Namespace, status: list[int]) -> Iterator[Row]:
    if args.suite == "federation":
        return iter(federation.measure(args.rounds or 15, 2, args.key_bits, args.dir))
    given = {"--rounds": args.rounds}
    if args.suite == "crypto":
        given |= {"--key-bits": args.key_bits, "--values": args.values}
    elif args.suite == "noise":
        given |= {"--values": args.values}
    else:
        given |= {"--rows": args.rows, "--dir": args.dir}
    words = [word for name, value in given.items() if value is not None for word in (name, value)]
    return suite.rows(args.suite, words, status)


def _read(path: Path, wanted: str) -> Run:
    try:
        run = read(path.read_text("utf-8").splitlines())
    except OSError as error:
        raise Misconfigured(f"{path}: {error.strerror}") from None
    except ValueError:
        raise Misconfigured(f"{path} does not hold what `cotally bench -o json` prints") from None
    if run.suite != wanted:
        raise Misconfigured(f"{path} holds the suite {run.suite}, not {wanted}")
    return run


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as reason:
        raise Misconfigured(f"--dir {folder} cannot be made: {reason.strerror}") from None


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


command = BenchCommand()
