"""Reads a comma-separated file of any bytes at all: every line gives cells, none gives an error.

* UTF-8, with or without a byte-order mark; bytes that are not UTF-8 arrive as lone surrogates, so
  that only their own cell is lost.
* LF, CRLF or CR end a line. Blank lines are no records. A line longer than 131,071 characters is cut.
* Quotes follow RFC 4180. A quoted cell may span lines, its record at most 32 lines and 131,072
  characters in all, and only where its closing quote stands before a comma or a line's end; otherwise
  its line stands alone, cut at every comma. A stray quote therefore swallows no other line, unless one
  of the next 31 holds a quote that fits it: whoever exports must double quotes inside of cells.
"""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final, Self

_BATCH: Final = 1 << 20  # characters parsed at a time
_LINE: Final = 131_071  # characters, less than the csv module's limit on a cell
_RECORD: Final = 131_072  # characters
_SPAN: Final = 32  # lines of one record

Record = list[str]


@dataclass(slots=True)
class Faults:
    """How many lines were mended, for the operator."""

    unmatched: int = 0
    cut: int = 0
    spanning: int = 0


@dataclass(slots=True)
class CsvFile:
    """An open file; `batches` yields its records, the header included, once."""

    path: Path
    faults: Faults = field(default_factory=Faults)
    _text: io.TextIOWrapper = field(init=False)
    _ended: bool = field(init=False, default=False)

    def __enter__(self) -> Self:
        self._text = io.TextIOWrapper(
            self.path.open("rb"), encoding="utf-8-sig", errors="surrogateescape", newline=None
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._text.close()

    def batches(self) -> Iterator[list[Record]]:
        """Lists of records in the file's order. Raises OSError where the file cannot be read."""
        pending: list[str] = []
        while lines := [*pending, *self._take()]:
            pending = []
            records = _plainly(lines)
            if records is None:
                records, pending = self._carefully(lines)
            yield [record for record in records if record]

    def _take(self) -> list[str]:
        """The next lines, about a batch of them; none at the file's end."""
        lines, size = [], 0
        while size < _BATCH:
            line = self._text.readline(_LINE)
            if not line:
                self._ended = True
                break
            if len(line) == _LINE and not line.endswith("\n"):
                rest = line
                while rest and not rest.endswith("\n"):
                    rest = self._text.readline(_LINE)
                self.faults.cut += 1
            lines.append(line)
            size += len(line)
        return lines

    def _carefully(self, lines: list[str]) -> tuple[list[Record], list[str]]:
        """Records of *lines* one by one, and the lines whose record may go on in the next batch."""
        records: list[Record] = []
        at = 0
        while at < len(lines):
            if '"' not in lines[at]:
                records.append(_at_every_comma(lines[at]))
                at += 1
                continue
            reader = csv.reader(lines[at:at + _SPAN], strict=True)
            try:
                record, used = next(reader), reader.line_num
            except csv.Error as error:
                open_ended = str(error) == "unexpected end of data"
                if open_ended and at + _SPAN > len(lines) and not self._ended:
                    return records, lines[at:]
                record, used = [], 0
            if not 0 < sum(map(len, lines[at:at + used])) <= _RECORD:
                self.faults.unmatched += 1
                record, used = _at_every_comma(lines[at]), 1
            self.faults.spanning += used > 1
            records.append(record)
            at += used
        return records, []


def _plainly(lines: list[str]) -> list[Record] | None:
    """One record per line, or None where some record needs care. The path of nearly every file."""
    try:
        records = list(csv.reader(lines, strict=True))
    except csv.Error:
        return None
    return records if len(records) == len(lines) else None


def _at_every_comma(line: str) -> Record:
    bare = line.rstrip("\n")
    return [cell.strip('"') for cell in bare.split(",")] if bare else []
