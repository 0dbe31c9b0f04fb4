"""`cotally budget`: what each filter allows, has spent and has left, and what a question would do to it."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cotally.v1.refusals import Misconfigured

from .accounts import print_accounts, print_after
from .kept import told_of
from .output import JSON, add_output, add_profile, print_json, print_lines
from .pins import add_roster, pin
from .processors import processes

if TYPE_CHECKING:
    from ..ask import Ask
    from ..budget import Filter
    from ..connection import Connection

_UNAFFORDABLE: Final = 5  # the exit status of a spent budget
_FETCHED: Final = Path()  # what --log means without a file


class BudgetCommand:
    """`cotally budget`."""

    name = "budget"
    help = "show what each privacy filter allows, has spent and has left"

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """Where the amounts come from, and which questions to price, if any."""
        what = parser.add_mutually_exclusive_group()
        what.add_argument("--query", metavar="SQL", help="what this question would do to each filter")
        what.add_argument("--queries", metavar="FILE",
                          help="price these questions together (each ends with ;, - reads standard input)")
        what.add_argument("--log", metavar="FILE", type=Path, nargs="?", const=_FETCHED,
                          help="add up the amounts from the audit log instead of asking the coordinator: "
                               "from a file of `cotally audit save`, or fetched and verified")
        add_roster(parser)
        add_output(parser)
        add_profile(parser)
        parser.epilog = (
            "Examples\n  cotally budget\n  cotally budget --query 'SELECT COUNT(*) ...'\n"
            "  cotally budget --queries study.sql    # can I afford my study?\n  cotally budget --log\n\n"
            "A question is answered only if every filter of its population can pay: each department's\n"
            "own, the population's over all departments, yours, and the purpose's (over all analysts and\n"
            "of each). rho adds up from question to question; epsilon (at the federation's delta) is the\n"
            "same loss in other words and does not. Of a population that is pure, epsilon itself adds up,\n"
            "at delta 0. Nothing is spent here.")

    def run(self, args: argparse.Namespace) -> int:
        """Print one line per filter, or what becomes of it."""
        if args.log is not None and args.log != _FETCHED:
            from ..audit.verifier import verify_file
            fingerprint = pin(args)
            with told_of(args.log):
                audited = verify_file(args.log, fingerprint, processes())
                audited.check()
            return _show(audited.accounts, args.output)
        from .session import connected
        with connected(args.profile) as con:
            if args.query:
                return _effect(con.sql(args.query), args.output)
            if args.queries:
                return _afford(con, _read(args.queries), args.output)
            if args.log is None:
                return _show(con.filters(), args.output)
            audited = con.audit(processes=processes())
        audited.check()
        return _show(audited.accounts, args.output)


def _read(path: str) -> list[str]:
    """The questions in the file *path*; Misconfigured where there are none."""
    from ..sql.several import questions
    try:
        text = sys.stdin.read() if path == "-" else Path(path).read_text("utf-8")
    except OSError as error:
        raise Misconfigured(f"cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise Misconfigured(f"{path} is not UTF-8 text") from None
    found = questions(text)
    if not found:
        raise Misconfigured(f"{path} holds no question")
    return found


def _show(filters: "Sequence[Filter]", output: str) -> int:
    told = [each.to_dict() for each in filters]
    if output == JSON:
        for each in told:
            print_json(each)
    else:
        print_accounts(told)
    return 0


def _afford(con: "Connection", texts: list[str], output: str) -> int:
    """Price *texts* together and print what fits; the status is 5 where something does not."""
    study = con.afford(texts)
    if output == JSON:
        print_json(study.to_dict())
    else:
        print_lines([*repr(study).splitlines(), "nothing is spent: these were only the prices"])
    return 0 if study.affordable else _UNAFFORDABLE


def _effect(ask: "Ask", output: str) -> int:
    """Print what *ask* would do to every filter; the status is 5 where one cannot pay."""
    explanation = ask.explain()
    effects = explanation.effects()
    if output == JSON:
        print_json({"rho": explanation.rho, "privacy": explanation.privacy,
                    "affordable": explanation.affordable, "equal_release": explanation.again,
                    "filters": effects})
    else:
        print_after(effects)
        pays = "every filter can pay" if explanation.affordable else "not every filter can pay"
        price = explanation.account.short(explanation.due)
        print_lines(["", f"{price}: {pays}; {explanation.verdict}"])
    return 0 if explanation.affordable else _UNAFFORDABLE


command = BudgetCommand()
