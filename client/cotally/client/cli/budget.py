"""`cotally budget`: what each filter allows, has spent and has left."""

import argparse
from typing import Any

from .digits import loss
from .output import JSON, add_output, add_profile, cell, new_table, print_json, print_lines, print_table


class BudgetCommand:
    """`cotally budget`."""

    name = "budget"
    help = "show what each privacy filter allows, has spent and has left"

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """Only how to print, and the profile."""
        add_output(parser)
        add_profile(parser)
        parser.epilog = (
            "Example\n  cotally budget\n\n"
            "A question is answered only if every filter of its population can pay: each department's\n"
            "own, the population's over all departments, and yours. rho adds up from question to\n"
            "question; epsilon (at the federation's delta) is the same loss in other words and does not.")

    def run(self, args: argparse.Namespace) -> int:
        """Print one line per filter."""
        from .session import connected
        with connected(args.profile) as con:
            filters = [each.to_dict() for each in con.filters()]
        if args.output == JSON:
            for each in filters:
                print_json(each)
            return 0
        _print(filters)
        if filters:
            print_lines(["", f"rho adds up; epsilon is the same loss at delta {filters[0]['delta']:g}"])
        return 0


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
