"""`cotally query`: ask a question, or only its price."""

import argparse
import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cotally.v1.refusals import Misconfigured, Refused

from .answer import print_release
from .digits import loss
from .errors import Interrupted, Usage
from .output import CSV, JSON, TABLE, add_output, add_profile, print_json, print_lines

if TYPE_CHECKING:
    from ..ask import Ask
    from ..connection import Connection
    from ..explain import Explanation
    from ..release import Release

_LONGEST: Final = 1_000_000  # characters of SQL from standard input; the parser's own limit is far lower

_TEACH: Final = """\
The question: SELECT keys, aggregates FROM table [JOIN table USING (unit)]
  [WHERE ...] [GROUP BY keys] [BOUNDS(c, lower, upper)] WITH PRIVACY (...)

aggregates  COUNT(*)  COUNT(c)  SUM(c)  AVG(c)  VARIANCE(c)  STDDEV(c)  MEDIAN(c)  QUANTILE(c, 0.9)
            HISTOGRAM(c, 20)  CORR(y, x)  COVAR(y, x)  REGR(y, x1, x2)  COUNT(DISTINCT unit)
            WEIGHTED(AVG(c), w)
keys        category columns, BIN(c, 10), YEAR(c), QUARTER(c), MONTH(c)

The privacy clause states one of
  epsilon = 0.5     the privacy loss, at the federation's delta (pure tables: at delta 0)
  rho = 0.02        the same in zero-concentrated terms
  error = 50        half the width of the first statistic's interval; cotally finds the price
and, if you like, confidence = 0.99, mechanism = 'laplace', purpose = 'statistics',
weights = (n = 2), consistent = true, replay = false (new noise at its price, where an equal
question was answered before; that answer costs the departments nothing).
EXPLAIN PRIVACY SELECT ... is --dry-run; SUGGEST BOUNDS FOR c FROM table WITH PRIVACY (...)
asks, for a price, where a column's values lie.

Examples
  cotally query "SELECT sex, COUNT(*) AS n, AVG(income) AS mean FROM people
                 WHERE age >= 18 GROUP BY sex WITH PRIVACY (epsilon = 0.5)"
  cotally query --dry-run "SELECT COUNT(*) FROM people WITH PRIVACY (error = 50)"
  cotally query - < question.sql > answer.json
  cotally query "..." --save answer.release --plot answer.png

Every number is noised; no number is shown before its proofs are checked. The price is spent when a
department has opened its data, whether or not the round comes to an end."""


class QueryCommand:
    """`cotally query SQL`."""

    name = "query"
    help = "ask a question in SQL; get numbers with error bars and their price"

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """SQL, and what to do with the answer."""
        parser.add_argument("sql", metavar="SQL", help="the question; - reads it from standard input")
        parser.add_argument("--dry-run", action="store_true",
                            help="price and expected errors only; spends nothing")
        parser.add_argument("--purpose", metavar="P",
                            help="what the answer is for, as granted (default: the profile's first)")
        parser.add_argument("--save", type=Path, metavar="FILE", help="keep the release with its whole proof")
        parser.add_argument("--plot", type=Path, metavar="FILE.png",
                            help="draw the first statistic with its error bars (png, svg or pdf)")
        add_output(parser, CSV)
        add_profile(parser)
        parser.epilog = _TEACH

    def run(self, args: argparse.Namespace) -> int:
        """Explain, or ask and print."""
        from .session import connected
        _check(args)
        text = _read(args.sql)
        with connected(args.profile) as con:
            ask = con.sql(text, args.purpose)
            if ask.only_price:
                args.dry_run = True
                _check(args)
            if args.dry_run:
                _print_explanation(ask.explain(), args.output)
                return 0
            release = _run(ask, args.output == TABLE)
            _keep(release, args)
            print_release(release, args.output)
            if args.output == TABLE:
                print_lines(_left(con, release))
        return 0


def _check(args: argparse.Namespace) -> None:
    """Refuse before the price is spent what would fail after it."""
    if args.dry_run and args.output == CSV:
        raise Usage("a price has no table: --dry-run prints -o table or -o json", "cotally query")
    if args.dry_run and (args.save or args.plot):
        raise Usage("--dry-run releases nothing that could be saved or drawn", "cotally query")
    for target in (args.save, args.plot):
        if target is not None:
            _check_target(target)
    if args.plot and args.plot.suffix.lower() not in (".png", ".svg", ".pdf"):
        raise Misconfigured(f"{args.plot}: a chart is written as .png, .svg or .pdf")
    if args.plot and find_spec("matplotlib") is None:
        raise Misconfigured("--plot needs matplotlib: pip install 'cotally[plot]'")


def _check_target(target: Path) -> None:
    if target.is_dir():
        raise Misconfigured(f"{target} is a folder; name a file")
    if not target.parent.is_dir():
        raise Misconfigured(f"cannot write {target}: there is no folder {target.parent}")
    if not os.access(target.parent, os.W_OK):
        raise Misconfigured(f"cannot write {target}: the folder {target.parent} is not writable")


def _read(sql: str) -> str:
    if sql != "-":
        return sql
    if sys.stdin.isatty():
        print("Type the question; end it with Ctrl-D.", file=sys.stderr)
    try:
        return sys.stdin.read(_LONGEST)
    except UnicodeDecodeError:
        raise Misconfigured("standard input is not UTF-8 text") from None


def _run(ask: "Ask", people: bool) -> "Release":
    from .progress import watcher
    with watcher(people) as watch:
        try:
            return ask.run(watch)
        except KeyboardInterrupt:
            if not watch.round:
                raise Interrupted("interrupted before the round was announced; if the question had left "
                                  "already, its price may be spent: cotally budget") from None
            raise Interrupted(
                "interrupted; the round goes on without you and its price may be spent. Its release, if it "
                f"comes to one: cotally release show {watch.round.hex()}") from None


def _keep(release: "Release", args: argparse.Namespace) -> None:
    """Write what was asked for. The price is spent: a full disk must not lose the answer too."""
    try:
        if args.save:
            release.save(args.save)
        if args.plot:
            draw(release, args.plot)
    except (Misconfigured, OSError) as error:
        print_release(release, args.output)
        sys.stdout.flush()
        reason = error.message if isinstance(error, Misconfigured) else f"{args.plot}: {error.strerror}"
        raise Misconfigured(f"{reason}; the release is not lost: "
                            f"cotally release save {release.id} FILE") from None


def draw(release: "Release", path: Path) -> None:
    """Write a chart of the first statistic to *path*."""
    import matplotlib
    matplotlib.use("Agg")
    from matplotlib import pyplot
    release.plot()
    pyplot.savefig(path, dpi=150)
    pyplot.close()


def _print_explanation(explanation: "Explanation", output: str) -> None:
    if output == JSON:
        print_json(explanation.to_dict())
        return
    print_lines([*repr(explanation).splitlines(), explanation.verdict])


def _left(con: "Connection", release: "Release") -> list[str]:
    """What the tightest filter has left; nothing where the coordinator does not say."""
    try:
        limited = [f for f in con.filters()
                   if f.population == release.privacy["population"] and f.left is not None]
    except Refused:
        return []
    if not limited:
        return []
    tightest: dict[str, Any] = min(limited, key=lambda f: f.left or 0).to_dict()
    rho = f" (rho {loss(tightest['left_rho'])})" if tightest["delta"] else ""
    return [f"left: epsilon {loss(tightest['left_epsilon'])}{rho} of "
            f"{tightest['filter']} {tightest['name']}, the tightest of {len(limited)} filters"]


command = QueryCommand()
