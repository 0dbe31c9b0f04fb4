"""Standard output: tables for people, JSON lines for programs, and the options that choose."""

import argparse
import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from .plain import plain

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

TABLE: Final = "table"
JSON: Final = "json"
CSV: Final = "csv"
_UNLIMITED: Final = 10_000  # columns, where nobody's window sets a width


def default_output() -> str:
    """What to print when -o does not say: tables at a terminal, JSON otherwise."""
    return TABLE if sys.stdout.isatty() else JSON


def add_output(parser: argparse.ArgumentParser, *more: str) -> None:
    """Declare -o; *more* are formats beside table and json."""
    parser.add_argument("-o", "--output", choices=[TABLE, JSON, *more],
                        help="default: table at a terminal, json (one object per line) otherwise")


def add_profile(parser: argparse.ArgumentParser) -> None:
    """Declare --profile."""
    parser.add_argument("--profile", metavar="PATH",
                        help="the analyst's profile.toml (default: where COTALLY_PROFILE points)")


def print_json(value: Mapping[str, Any]) -> None:
    """Print one object on one line. NaN would be an error of ours, not JSON."""
    unicode = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    print(json.dumps(value, ensure_ascii=not unicode, allow_nan=False))


def print_lines(lines: Iterable[str]) -> None:
    """Print text for people, as wide as it is; what came from elsewhere cannot move the cursor."""
    for line in lines:
        print(plain(line))


def stdout_console(width: int | None = None) -> "Console":
    """A console on standard output: the terminal's width, or COLUMNS, or no limit."""
    from rich.console import Console
    if width is None and not sys.stdout.isatty() and "COLUMNS" not in os.environ:
        width = _UNLIMITED
    return Console(width=width, markup=False, highlight=False, emoji=False)


def print_table(table: "Table") -> None:
    """Print *table*; where the window is too narrow its lines are wrapped, numbers are never cut."""
    from rich.measure import Measurement
    console = stdout_console()
    needed = Measurement.get(console, console.options.update(max_width=_UNLIMITED), table).maximum
    if needed > console.width and not any(column.overflow == "fold" for column in table.columns):
        console = stdout_console(needed)
    print_rich(console, table)


def print_rich(console: "Console", table: "Table") -> None:
    """Print *table* without the blanks that rich leaves at the ends of lines."""
    with console.capture() as captured:
        console.print(table)
    for line in captured.get().splitlines():
        print(line.rstrip())


def new_table(left: Sequence[str] = (), right: Sequence[str] = ()) -> "Table":
    """A table without lines but for one under its head: columns of text, then columns of numbers."""
    from rich import box
    from rich.table import Table
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="bold")
    for name in left:
        table.add_column(plain(name), no_wrap=True)
    for name in right:
        table.add_column(plain(name), justify="right", no_wrap=True)
    return table


def cell(text: object, style: str = "") -> Any:
    """A cell that shows *text* as it is: no markup, no control characters."""
    from rich.text import Text
    return Text(plain(str(text)), style=style)
