"""The page of threats names tests that are there, and every file of planted attacks is named on it."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
NAMED = re.compile(r"`((?:[a-z0-9_]+/)+test_[a-z0-9_]+\.py)(?:::(test_\w+))?`")


def named() -> list[tuple[str, str]]:
    """Files below `tests`, and the functions named in them (empty: the whole file)."""
    page = (ROOT / "docs" / "threat-model.md").read_text()
    return NAMED.findall(page)


def test_every_test_that_the_page_names_is_there() -> None:
    assert len(named()) >= 50
    for file, function in named():
        path = ROOT / "tests" / file
        assert path.is_file(), file
        assert not function or f"def {function}(" in path.read_text(), f"{file}::{function}"


def test_every_row_names_a_test() -> None:
    page = (ROOT / "docs" / "threat-model.md").read_text()
    table = page[page.index("## What is planted"):page.index("## What refreshing")]
    rows = [line for line in table.splitlines() if line.startswith("| ") and not line.startswith("| Asset")]
    assert len(rows) >= 40
    assert all(NAMED.search(row) for row in rows)
