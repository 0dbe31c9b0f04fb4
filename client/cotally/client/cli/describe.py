"""`cotally describe TABLE`: what one table holds, and what protects the people in it."""

import argparse
from typing import TYPE_CHECKING, Any, Final

from .digits import number
from .holdings import holding, unit_of
from .output import JSON, add_output, add_profile, cell, new_table, print_json, print_lines, print_table

if TYPE_CHECKING:
    from cotally.v1.catalog_pb2 import Column, Table

_CODES_SHOWN: Final = 12


class DescribeCommand:
    """`cotally describe TABLE`."""

    name = "describe"
    help = "show one table: columns, public bounds, what protects its people"

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """TABLE."""
        parser.add_argument("table", metavar="TABLE", help="as `cotally ls` names it")
        add_output(parser)
        add_profile(parser)
        parser.epilog = ("Example\n  cotally describe people\n\n"
                         "Values outside a column's bounds are clamped to them before anything is added up,\n"
                         "and codes that are not listed go to `other` or leave: that is the bounded truth\n"
                         "which every interval refers to.")

    def run(self, args: argparse.Namespace) -> int:
        """Print bounds and columns."""
        from ..question.draft import Name
        from ..question.names import find_table
        from ..schema import schema
        from .session import connected
        with connected(args.profile) as con:
            table = find_table(con.catalog, Name(args.table))
            columns = schema(con.catalog, args.table).to_dict("records")
            if args.output == JSON:
                print_json(holding(table, con.connected) | {
                    "columns": [{**c, "codes": list(c["codes"])} for c in columns]})
                return 0
            print_lines([*_head(table, con.connected), ""])
            _print_columns(columns)
            print_lines(["", "for example:", f'  cotally query "{example(table)}"'])
        return 0


def _head(table: "Table", connected: tuple[str, ...]) -> list[str]:
    holders = ", ".join(h if h in connected else f"{h} (not connected)" for h in table.holders)
    rows, groups = table.rows_per_person, table.groups_per_person
    lines = [
        f"table          {table.name}, vintage {table.vintage}",
        f"departments    {holders}",
        f"               at least {table.min_departments} must take part",
        f"population     {table.population}, about {number(table.expected_people)} expected; "
        f"at most {number(table.max_people)} per department",
        f"privacy unit   {unit_of(table)}",
        *(["accounting     pure: only Laplace noise, epsilon adds up, and delta is 0"] if table.pure else []),
    ]
    if not table.unit_column:
        return [*lines, "               one row is protected, not everything about a person"]
    lines.append(f"bounds         one person counts for at most {rows} row{'s' * (rows != 1)} in a group, "
                 f"and {groups} group{'s' * (groups != 1)}")
    if table.overlap > 1:
        lines.append(f"overlap        one person may be in the data of {table.overlap} departments")
    return lines


def _print_columns(columns: "list[dict[Any, Any]]") -> None:
    table = new_table(left=("column", "type"), right=("lower", "upper", "resolution"))
    table.add_column("NULL", no_wrap=True)
    table.add_column("codes", overflow="fold")
    for column in columns:
        table.add_row(*(cell(text) for text in (
            column["column"], column["type"] + (", weight" if column["weight"] else ""),
            column["lower"] or "", column["upper"] or "",
            column["resolution"] or "", "may be" if column["nullable"] else "", _codes(column))))
    print_table(table)


def _codes(column: "dict[Any, Any]") -> str:
    codes = list(column["codes"])
    shown = ", ".join(codes[:_CODES_SHOWN])
    if len(codes) > _CODES_SHOWN:
        shown += f", ... ({len(codes)} codes: -o json has all)"
    return f"{shown}, and other" if column["other"] else shown


def example(table: "Table") -> str:
    """A question that this table can answer."""
    from cotally.v1 import catalog_pb2
    numeric = (catalog_pb2.COLUMN_TYPE_INTEGER, catalog_pb2.COLUMN_TYPE_FLOAT)
    key = next((c for c in table.columns if c.type == catalog_pb2.COLUMN_TYPE_CATEGORY), None)
    amount = next((c for c in reversed(table.columns) if c.type in numeric and not c.weight), None)
    select = ["COUNT(*) AS n", *([f"AVG({_quoted(amount)}) AS mean"] if amount else [])]
    group = f" GROUP BY {_quoted(key)}" if key else ""
    shown = ", ".join([*([_quoted(key)] if key else []), *select])
    return f"SELECT {shown} FROM {_quoted(table)}{group} WITH PRIVACY (epsilon = 0.5)"  # noqa: S608 - shown


def _quoted(named: "Column | Table") -> str:
    """The name as SQL wants it: in single quotes of the shell a double quote would do, so escape it."""
    plain = named.name.isascii() and named.name.isidentifier() and named.name.islower()
    return named.name if plain else f'\\"{named.name}\\"'


command = DescribeCommand()
