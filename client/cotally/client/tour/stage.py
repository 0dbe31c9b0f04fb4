"""Where a tour speaks: at most 100 columns, colours at a terminal, plain text in a pipe, or silence."""

import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.padding import Padding
from rich.rule import Rule
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from ..cli.digits import decimals_for, number
from ..cli.output import cell, new_table
from ..cli.plain import plain
from ..cli.progress import Live, Silent
from .compare import Compared

if TYPE_CHECKING:
    from rich.console import RenderableType

WIDTH: Final = 100
_INSET: Final = (0, 0, 0, 2)
_MARK: Final = {True: ("✓", "green"), False: ("✗", "yellow"), None: ("–", "dim")}


class Stage:
    """Prints headings, paragraphs, SQL, tables and ticks."""

    def __init__(self, *, quiet: bool = False) -> None:
        """*quiet*: say nothing at all."""
        self._quiet = quiet
        self._console = Console(markup=False, highlight=False, emoji=False, quiet=quiet)
        self._console.width = min(WIDTH, self._console.width) if self._console.is_terminal else WIDTH

    def _show(self, what: "RenderableType") -> None:
        """Print *what*; in a pipe without the blanks that only fill lines up."""
        if self._quiet:
            return
        if self._console.is_terminal:
            self._console.print(what)
            return
        with self._console.capture() as captured:
            self._console.print(what)
        print("\n".join(line.rstrip() for line in captured.get().split("\n")), end="", flush=True)

    def heading(self, text: str) -> None:
        """Begin an act."""
        self.gap()
        self._show(Rule(Text(f" {text} ", style="bold cyan"), align="left", style="cyan"))

    def say(self, text: str, style: str = "") -> None:
        """A paragraph, wrapped."""
        self._show(Padding(Text(plain(text), style=style), (1, 0, 0, 0)))

    def lines(self, lines: Iterable[str], style: str = "") -> None:
        """Lines as they are, indented."""
        for line in lines:
            self._show(Padding(Text(plain(line), style=style), _INSET))

    def gap(self) -> None:
        """An empty line."""
        self._show("")

    def commands(self, lines: Iterable[str]) -> None:
        """Lines to copy: never wrapped, whatever their length."""
        for line in lines:
            self._console.print(Text(f"  {plain(line)}", style="bold"), soft_wrap=True)

    def sql(self, text: str) -> None:
        """A question as it is typed."""
        self.gap()
        if self._console.is_terminal:
            self._show(Padding(Syntax(text, "sql", theme="ansi_dark", background_color="default"),
                                        _INSET))
        else:
            self.lines(text.splitlines())

    def tick(self, name: str, found: str) -> None:
        """A check that passed, and what it found."""
        self._row("✓", "green", name, found)

    def cross(self, name: str, found: str) -> None:
        """A refusal by name, and its sentence."""
        self._row("✗", "red", name, found)

    def fact(self, name: str, found: str) -> None:
        """A name and what there is to know."""
        self._row("·", "dim", name, found)

    def _row(self, sign: str, style: str, name: str, found: str) -> None:
        """Long texts go on below themselves."""
        grid = Table.grid(padding=(0, 1))
        grid.add_column(no_wrap=True)
        grid.add_column(no_wrap=True, min_width=11)
        grid.add_column(overflow="fold")
        grid.add_row(Text(sign, style=style), Text(plain(name), style="bold"), Text(plain(found)))
        self._show(Padding(grid, _INSET))

    def table(self, table: Table) -> None:
        """A table, indented."""
        self._show(Padding(table, (1, 0, 0, 2)))

    def answer(self, keys: Sequence[str], compared: Sequence[Sequence[Compared]]) -> None:
        """Released numbers with error bars, the truth beside them, and whether it is within."""
        table = new_table(left=keys)
        for each in compared[0]:
            for name, style in ((each.alias, "bold"), ("±", "dim"), ("truth", "cyan")):
                table.add_column(name, justify="right", no_wrap=True, style=style)
            table.add_column("", no_wrap=True)
        places = [decimals_for(row[at].reach for row in compared) for at in range(len(compared[0]))]
        for row in compared:
            cells = [cell(code) for code in row[0].keys]
            for each, digits in zip(row, places, strict=True):
                sign, style = _MARK[each.covers]
                cells += [cell(number(each.value, digits)), cell(number(each.reach, digits)),
                          cell(number(each.truth, digits)), cell(sign, style)]
            table.add_row(*cells)
        self.table(table)

    def watch(self) -> Silent:
        """How to show that a round is under way: a live line at a terminal, nothing elsewhere."""
        return Live() if sys.stderr.isatty() and not self._quiet else Silent()
