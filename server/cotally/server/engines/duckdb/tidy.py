"""Rewrites the needed columns of a CSV file so that a strict reader can have no quarrel with it."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from operator import itemgetter
from pathlib import Path
from typing import BinaryIO, Final

from cotally.server.engines.duckdb.csvfile import CsvFile, Record
from cotally.server.model.catalog import LONGEST_TEXT
from cotally.v1.refusals import Misconfigured

LONGEST_LINE: Final = 1 << 20  # bytes of a rewritten line: 131,072 characters, quoted, in UTF-8, and commas


@dataclass(frozen=True, slots=True)
class Tidied:
    """What rewriting met: cells that are no text, per needed column, and what lines lacked."""

    unreadable: tuple[int, ...]
    notes: tuple[str, ...]


def header(source: Path) -> list[str]:
    """The names in the first line of *source*; Misconfigured where there is none."""
    with CsvFile(source) as file:
        for records in file.batches():
            if records:
                return [name.strip() for name in records[0]]
    raise Misconfigured(f"{source.name}: the file is empty; its first line must name the columns")


def tidy(source: Path, target: Path, needed: Sequence[str]) -> Tidied:
    """Write the columns *needed*, in that order, of *source* to *target*, without a header.

    Every cell is quoted; missing cells, cells with a NUL, cells that are not UTF-8 and cells of more than
    1,000 characters are empty.
    Raises Misconfigured where the header lacks or repeats a needed column or there is no header.
    """
    with CsvFile(source) as file, target.open("xb") as out:
        batches = file.batches()
        records = next((batch for batch in batches if batch), None)
        if records is None:
            raise Misconfigured(f"{source.name}: the file is empty; its first line must name the columns")
        header = [name.strip() for name in records[0]]
        writer = _Writer(out, len(header), [position(header, name, source.name) for name in needed])
        writer.write(records[1:])
        for batch in batches:
            writer.write(batch)
    notes = [
        (file.faults.unmatched, "have quotes that do not match and are cut at every comma"),
        (file.faults.cut, "are longer than 131,071 characters and are cut"),
        (file.faults.spanning, "go on in the lines after them, for a quoted cell holds line breaks"),
        (writer.short, "have fewer cells than the header; the missing ones count as NULL"),
        (writer.long, "have more cells than the header; the surplus is ignored"),
    ]
    return Tidied(
        tuple(writer.unreadable),
        tuple(f"{source.name}: {count} lines {text}" for count, text in notes if count),
    )


def position(header: Sequence[str], name: str, file: str) -> int:
    """Where *name* stands in *header*; Misconfigured unless it stands there exactly once.

    The header is not quoted: where it is missing, the first line is somebody's record.
    """
    found = [i for i, heading in enumerate(header) if heading == name]
    if not found:
        raise Misconfigured(f"{file}: the header lacks column {name}")
    if len(found) > 1:
        raise Misconfigured(f"{file}: the header names column {name} {len(found)} times")
    return found[0]


class _Writer:
    """Writes batches of records; counts what it mends."""

    def __init__(self, out: BinaryIO, width: int, positions: Sequence[int]) -> None:
        self._out = out
        self._width = width
        self._pick = itemgetter(*positions) if len(positions) > 1 else lambda row: (row[positions[0]],)
        self.unreadable = [0] * len(positions)
        self.short = 0
        self.long = 0

    def write(self, records: list[Record]) -> None:
        """Append *records* to the file."""
        if not set(map(len, records)) <= {self._width}:
            records = [self._fitted(record) for record in records]
        rows = [self._pick(record) for record in records]
        text = _quoted(rows)
        try:
            data = text.encode()
            clean = "\0" not in text and max(map(len, chain.from_iterable(rows)), default=0) <= LONGEST_TEXT
        except UnicodeEncodeError:
            clean = False
        if not clean:
            data = _quoted([self._cleaned(row) for row in rows]).encode()
        self._out.write(data)

    def _fitted(self, record: Record) -> Record:
        missing = self._width - len(record)
        self.short += missing > 0
        self.long += missing < 0
        return record + [""] * missing

    def _cleaned(self, row: Sequence[str]) -> list[str]:
        cells = list(row)
        for i, cell in enumerate(cells):
            if len(cell) > LONGEST_TEXT or "\0" in cell or any("\ud800" <= c <= "\udfff" for c in cell):
                cells[i] = ""
                self.unreadable[i] += 1
        return cells


def _quoted(rows: Sequence[Sequence[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(rows)
    return text.getvalue()
