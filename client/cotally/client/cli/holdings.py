"""`cotally ls`: the tables of the federation."""

import argparse
from typing import TYPE_CHECKING, Any

from .digits import number
from .output import JSON, add_output, add_profile, cell, new_table, print_json, print_lines, print_table

if TYPE_CHECKING:
    from cotally.v1.catalog_pb2 import Table

    from ..connection import Connection


class LsCommand:
    """`cotally ls`."""

    name = "ls"
    help = "list the tables that can be asked about"

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """Only how to print, and the profile."""
        add_output(parser)
        add_profile(parser)
        parser.epilog = ("Example\n  cotally ls\n  cotally ls -o json | jq -r .table\n\n"
                         "Then `cotally describe TABLE` shows what a table holds.")

    def run(self, args: argparse.Namespace) -> int:
        """Print one line per table."""
        from .session import connected
        with connected(args.profile) as con:
            tables = [holding(table, con.connected) for table in con.catalog.tables]
            if args.output == JSON:
                for table in tables:
                    print_json(table)
                return 0
            _print(tables)
            print_lines(_foot(con))
        return 0


def unit_of(table: "Table") -> str:
    """The privacy unit in words: event-level where one row is one unit."""
    return f"person ({table.unit_column})" if table.unit_column else "row (event-level)"


def holding(table: "Table", connected: tuple[str, ...]) -> dict[str, Any]:
    """Plain values about *table*; `unit` is "row" for event-level tables."""
    return {
        "table": table.name, "population": table.population, "unit": table.unit_column or "row",
        "level": "person" if table.unit_column else "event", "pure": table.pure,
        "departments": list(table.holders), "connected": [h for h in table.holders if h in connected],
        "min_departments": table.min_departments, "expected_people": table.expected_people,
        "max_people": table.max_people, "overlap": table.overlap, "rows_per_person": table.rows_per_person,
        "groups_per_person": table.groups_per_person, "vintage": table.vintage,
    } | {"columns": [column.name for column in table.columns]}


def _print(tables: list[dict[str, Any]]) -> None:
    shown = new_table(left=("table", "population", "unit", "connected"), right=("expected people",))
    shown.add_column("vintage", no_wrap=True)
    shown.add_column("columns", overflow="fold")
    for table in tables:
        unit = f"person ({table['unit']})" if table["level"] == "person" else "row (event-level)"
        shown.add_row(*(cell(text) for text in (
            table["table"], table["population"], unit,
            f"{len(table['connected'])} of {len(table['departments'])}",
            number(table["expected_people"]), table["vintage"], ", ".join(table["columns"]))))
    print_table(shown)


def _foot(con: "Connection") -> list[str]:
    from cotally.v1 import roster_pb2
    holders = [m.name for m in con.charter.roster.members if m.role == roster_pb2.ROLE_KEY_HOLDER]
    here = [name for name in holders if name in con.connected]
    policy = con.charter.roster.policy
    return ["", f"{con.charter.roster.federation}: {len(here)} of {len(holders)} key holders connected, "
            f"{policy.threshold} are needed; noise holds against {policy.colluding} colluding departments"]


command = LsCommand()
