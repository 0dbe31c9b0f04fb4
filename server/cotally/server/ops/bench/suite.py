"""Runs a suite's program, which lies in the source tree, and gives on the rows that it prints."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from .rows import ROWS, Row, missing

SOURCE: Final = Path(__file__).resolve().parents[5]
NOT_THERE: Final = "the workload is part of the source tree, not of the installed package"


def there(suite: str) -> bool:
    """Whether the program of *suite* is here: in a checkout it is, in an installed package it is not."""
    folder = SOURCE / "benchmarks"
    return (folder / f"{suite}.py").is_file() or (folder / suite / "__main__.py").is_file()


def argv(suite: str, *arguments: object) -> list[str]:
    """The command line of the suite's program, or of another one in `benchmarks`, dotted."""
    return [sys.executable, "-P", "-m", f"benchmarks.{suite}", *map(str, arguments)]


def environment() -> dict[str, str]:
    """Ours, with the source tree among Python's paths."""
    paths = [str(SOURCE), os.environ.get("PYTHONPATH", "")]
    return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}


def rows(suite: str, arguments: Sequence[object], status: list[int]) -> Iterator[Row]:
    """Every row that the program prints, as it is printed, then the promised rows that it owed.

    What is no row goes on to standard error: libraries write what they like to standard output.
    The program's exit status is appended to *status*.
    """
    if not there(suite):
        yield from missing(suite, NOT_THERE)
        return
    owed = list(ROWS[suite])
    with subprocess.Popen(argv(suite, *arguments), stdout=subprocess.PIPE, text=True,
                          env=environment()) as running:
        assert running.stdout is not None
        for line in running.stdout:
            row = _row(line)
            if row is None:
                sys.stderr.write(line)
                continue
            if row.row in owed:
                owed.remove(row.row)
            yield row
    status.append(running.returncode)
    yield from missing(suite, f"the program ended with status {running.returncode} before this row", owed)


def _row(line: str) -> Row | None:
    try:
        said = json.loads(line)
        return Row.of(said) if isinstance(said, dict) else None
    except (ValueError, TypeError):
        return None
