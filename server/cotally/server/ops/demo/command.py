"""`cotally demo`: invents a country, runs its federation as a sandbox, and gives a tour of it.

  1. Five departments' files are written to a folder, with a SPEC.toml beside them.
  2. `cotally sandbox SPEC.toml --dir ... -- TOUR` starts the federation, as anybody would.
  3. The tour asks as an analyst, knowing also the true answers.
  4. Everything is stopped; a temporary folder is removed.
"""

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

from cotally.server.ops.sandbox.guest import run_guest
from cotally.server.ops.sandbox.roles import COMMAND, SandboxFailed
from cotally.server.ops.sandbox.signals import Signals, Stopped
from cotally.server.ops.sandbox.watchdog import Watchdog

from .federation import LEAST_PEOPLE, MOST_PEOPLE
from .folder import DemoFolder

FAILED: Final = 125
SEED: Final = 2026
_SUMMARY: Final = "summary.json"
TOUR: Final = (sys.executable, "-P", "-m", "cotally.client.tour")

_EPILOG: Final = """\
Nothing in it is real: the people are drawn by a seeded generator. The tour leaves two files in the
current folder, cotally-demo.release and cotally-demo.png; everything else is removed, or kept:

    cotally demo --keep mydemo               the same, and keep the federation
    cotally demo --keep mydemo               again: the same federation goes on, budgets and all
    cotally sandbox mydemo/demo.toml --dir mydemo/federation
                                             let it run, and ask it whatever you like
"""


class DemoCommand:
    """`cotally demo [--people N] [--seed N] [--keep DIR] [-o json]`."""

    name = "demo"
    help = "see five departments answer three questions together, in a minute"

    def __init__(self, cotally: Sequence[str] = COMMAND) -> None:
        """*cotally* is the command line to start the sandbox with."""
        self._cotally = cotally

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """--people, --seed, --keep, -o."""
        parser.add_argument("--people", type=_people, default=LEAST_PEOPLE, metavar="N",
                            help=f"how many people to invent (default and least: {LEAST_PEOPLE:,})")
        parser.add_argument("--seed", type=_seed, default=SEED, metavar="N",
                            help=f"another seed, another country (default: {SEED})")
        parser.add_argument("--keep", type=Path, metavar="DIR",
                            help="keep the country and its federation in DIR, or go on with those there")
        parser.add_argument("-o", "--output", choices=("table", "json"), default="table",
                            help="json: one object with answers, truths, checks and seconds")
        parser.epilog = _EPILOG

    def run(self, args: argparse.Namespace) -> int:
        """Invent, run, tell how long it took; return the sandbox's status."""
        started = time.monotonic()
        try:
            with Signals() as signals, ExitStack() as stack:
                watchdog = Watchdog()
                stack.callback(watchdog.release)
                own = _own_folder(stack, watchdog)
                demo = DemoFolder(args.keep.absolute() if args.keep else own / "demo")
                demo.fill(args.people, args.seed, _say)
                signals.check()
                invented = time.monotonic() - started
                _say(f"five departments have their files after {invented:.1f} s; now the federation: a key "
                     "(some seconds, by luck), certificates, nine processes")
                argv = [*self._cotally, "sandbox", str(demo.spec), "--dir", str(demo.federation), "--",
                        *_tour(demo, own / _SUMMARY, args)]
                status = run_guest(argv, {}, watchdog, signals.check)
                signals.check()
                report = _read(own / _SUMMARY)
        except Stopped as stopped:
            return stopped.status
        except SandboxFailed as reason:
            print(f"demo: {reason}", file=sys.stderr)
            return FAILED
        _tell(args.output, report, status, invented, time.monotonic() - started)
        return status


def _tour(demo: DemoFolder, summary: Path, args: argparse.Namespace) -> list[str]:
    kept = ["--kept"] if args.keep else []
    quiet = ["--quiet"] if args.output == "json" else []
    return [*TOUR, "--script", str(demo.script), "--summary", str(summary), "--home", str(demo.root),
            "--cotally", _typed(), *kept, *quiet]


def _typed() -> str:
    """How `cotally` is typed in this shell. (In a sandbox it is always on the PATH.)"""
    if shutil.which("cotally"):
        return "cotally"
    beside = Path(sys.executable).with_name("cotally")
    if not beside.exists():
        return f"{sys.executable} -m cotally.client.cli.main"
    here = Path.cwd()
    return str(beside.relative_to(here) if beside.is_relative_to(here) else beside)


def _tell(output: str, report: dict[str, Any], status: int, invented: float, seconds: float) -> None:
    """The last word: how long everything took."""
    if output == "json":
        if report:
            told = float(report["seconds"]["tour"])
            spent = {"invent": invented, "federation": seconds - invented - told, "tour": told,
                     "total": seconds}
            report["seconds"] = {phase: round(value, 2) for phase, value in spent.items()}
            print(json.dumps(report, allow_nan=False))
    elif status == 0:
        print(f"\nAll of it, from inventing the country to stopping the federation, took {seconds:.0f} s.",
              flush=True)


def _read(summary: Path) -> dict[str, Any]:
    """What the tour reported; nothing where it did not come that far."""
    try:
        report: dict[str, Any] = json.loads(summary.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return report


def _own_folder(stack: ExitStack, watchdog: Watchdog) -> Path:
    """A temporary folder that goes with us, however we go."""
    folder = Path(tempfile.mkdtemp(prefix="cotally-demo-")).resolve()
    stack.callback(shutil.rmtree, folder, ignore_errors=True)
    watchdog.remove(folder)
    return folder


def _say(line: str) -> None:
    print(f"demo: {line}", file=sys.stderr, flush=True)


def _bounded(what: str, least: int, most: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        digits = text.replace("_", "").replace(",", "")
        if not (digits.isascii() and digits.isdecimal() and least <= int(digits[:20]) <= most):
            raise argparse.ArgumentTypeError(f"{what} is a whole number from {least:,} to {most:,}, "
                                             f"not {text!r}")
        return int(digits)
    return parse


_people = _bounded("the number of people", LEAST_PEOPLE, MOST_PEOPLE)
_seed = _bounded("a seed", 0, 2**32 - 1)

command = DemoCommand()
