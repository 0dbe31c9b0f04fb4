"""SQL that reads columns of a Parquet file as c0, c1, ...: strictly, or with text that is no UTF-8 as NULL.

A file says of a column that it is UTF-8, and nothing makes it so: DuckDB stops at the first cell that is
not. Read twice, with the bytes in doubt replaced and left out, exactly those cells differ.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

_TEXT: Final = "VARCHAR"
_ROW: Final = "file_row_number"

Columns = Sequence[tuple[str, str]]  # a quoted name and DuckDB's type


@dataclass(frozen=True, slots=True)
class Reader:
    """Two sources of SQL: of the cells, and of cells of which only matters how many are filled."""

    cells: str
    counted: str = ""

    @property
    def filled(self) -> str:
        """Where to count what is not empty, cells that are no text included."""
        return self.counted or self.cells


def all_columns(options: str = "") -> str:
    """All of the file, under its own names."""
    return f"read_parquet($file, hive_partitioning = false{options})"


def strict(columns: Columns) -> Reader:
    """Reads *columns* as they are, to the first cell that is not UTF-8."""
    return Reader(_selected([name for name, _ in columns], all_columns()))


def mended(columns: Columns) -> Reader:
    """Reads *columns* to the end; text that is not UTF-8 is NULL."""
    replaced, ignored = (f", utf8_validation = '{way}'" for way in ("replace", "ignore"))
    cells = [
        f"CASE WHEN r.{name} = i.{name} THEN r.{name} END" if kind == _TEXT else f"r.{name}"
        for name, kind in columns
    ]
    first, second = (all_columns(f"{way}, {_ROW} = true") for way in (replaced, ignored))
    both = f"{first} AS r JOIN {second} AS i USING ({_ROW})"
    return Reader(_selected(cells, both), _selected([name for name, _ in columns], all_columns(replaced)))


def _selected(cells: Sequence[str], source: str) -> str:
    return f"(SELECT {', '.join(f'{cell} AS c{i}' for i, cell in enumerate(cells))} FROM {source})"  # noqa: S608
