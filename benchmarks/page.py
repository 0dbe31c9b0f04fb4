"""Puts the tables of the last runs into docs/benchmarks.md, so that no figure there is typed by hand.

    python -m benchmarks.page [FOLDER]

FOLDER (build/bench) holds what `make bench` wrote: SUITE.jsonl, and SUITE-BACKEND.jsonl where a back
end was asked for; runs of one suite stand side by side. A suite's table replaces what the page has
between the lines `<!-- SUITE -->` and `<!-- end of SUITE -->`; a suite without a run keeps its table.
"""

import sys
from pathlib import Path
from typing import Final

from cotally.server.ops.bench.rows import ROWS, read
from cotally.server.ops.bench.tables import markdown

ROOT: Final = Path(__file__).resolve().parents[1]
PAGE: Final = ROOT / "docs" / "benchmarks.md"


def filled(page: str, folder: Path) -> str:
    """*page* with the tables of the runs in *folder*. Raises ValueError where a mark is missing."""
    for suite in ROWS:
        files = sorted({*folder.glob(f"{suite}.jsonl"), *folder.glob(f"{suite}-*.jsonl")})
        runs = {run.backend: run for run in (read(file.read_text("utf-8").splitlines()) for file in files)}
        if runs:
            fastest_first = [runs[backend] for backend in sorted(runs, reverse=True)]
            page = _replaced(page, suite, markdown(fastest_first))
    return page


def _replaced(page: str, suite: str, table: str) -> str:
    begin, end = f"<!-- {suite} -->\n", f"<!-- end of {suite} -->\n"
    before, found, rest = page.partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"the page has no place for {suite}")
    return f"{before}{begin}\n{table}\n\n{end}{after}"


if __name__ == "__main__":
    chosen = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "build" / "bench"
    PAGE.write_text(filled(PAGE.read_text("utf-8"), chosen), "utf-8")
