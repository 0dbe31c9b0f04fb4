"""`cotally budget`: what each filter allows, has spent and has left."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cotally.v1.refusals import Misconfigured

from .digits import loss
from .output import JSON, add_output, add_profile, cell, new_table, print_json, print_lines, print_table

if TYPE_CHECKING:
    from ..connection import Connection

_UNAFFORDABLE: Final = 5  # the exit status of a spent budget


class BudgetCommand:
    """`cotally budget`."""

    name = "budget"
    help = "show what each privacy filter allows, has spent and has left"

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """Which questions to price together, if any."""
        parser.add_argument("--queries", metavar="FILE",
                            help="price these questions together (each ends with ;, - reads standard input)")
        add_output(parser)
        add_profile(parser)
        parser.epilog = (
            "Examples\n  cotally budget\n  cotally budget --queries study.sql    # can I afford my study?\n\n"
            "A question is answered only if every filter of its population can pay: each department's\n"
            "own, the population's over all departments, and yours. rho adds up from question to\n"
            "question; epsilon (at the federation's delta) is the same loss in other words and does not.")

    def run(self, args: argparse.Namespace) -> int:
        """Print one line per filter."""
        from .session import connected
        with connected(args.profile) as con:
            if args.queries:
                return _afford(con, _read(args.queries), args.output)
            filters = [each.to_dict() for each in con.filters()]
        if args.output == JSON:
            for each in filters:
                print_json(each)
            return 0
        _print(filters)
        if filters:
            print_lines(["", f"rho adds up; epsilon is the same loss at delta {filters[0]['delta']:g}"])
        return 0


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


def _afford(con: "Connection", texts: list[str], output: str) -> int:
    """Price *texts* together and print what fits; the status is 5 where something does not."""
    study = con.afford(texts)
    if output == JSON:
        print_json(study.to_dict())
    else:
        print_lines([*repr(study).splitlines(), "nothing is spent: these were only the prices"])
    return 0 if study.affordable else _UNAFFORDABLE


def _print(filters: list[dict[str, Any]]) -> None:
    table = new_table(left=("filter", "name", "population"),
                      right=("budget ε", "spent ε", "left ε", "budget ρ", "spent ρ", "left ρ"))
    for each in filters:
        spent_out = each["left_rho"] == "0"
        amounts = [loss(each[f"{what}_{unit}"]) for unit in ("epsilon", "rho")
                   for what in ("budget", "spent", "left")]
        table.add_row(cell(each["filter"]), cell(each["name"]), cell(each["population"]),
                      *(cell(amount, "red" if spent_out and at in (2, 5) else "")
                        for at, amount in enumerate(amounts)))
    print_table(table)


command = BudgetCommand()
