"""The page gets the tables of the runs that are there, in their places, and keeps the others."""

from pathlib import Path

import pytest

from benchmarks.page import PAGE, filled
from cotally.server.ops.bench.rows import ROWS, Row

BARE = "".join(f"## {suite}\n<!-- {suite} -->\nold\n<!-- end of {suite} -->\n" for suite in ROWS)


def run(folder: Path, name: str, suite: str, backend: str, ratio: float) -> None:
    row = Row(row=ROWS[suite][0], ratio=ratio)
    (folder / name).write_text(row.to_json(suite=suite, backend=backend) + "\n")


def test_a_run_replaces_the_old_table_and_leaves_the_others(tmp_path: Path) -> None:
    run(tmp_path, "crypto.jsonl", "crypto", "ifma", 5.0)
    run(tmp_path, "crypto-gmpy2.jsonl", "crypto", "gmpy2", 2.0)
    page = filled(BARE, tmp_path)
    crypto, noise = page.split("## noise")
    assert "old" not in crypto
    assert "| row | ifma | bar | gmpy2 | bar | behind it |" in crypto
    assert "**5 x**" in crypto
    assert "**2 x**" in crypto
    assert noise.count("old") == 3
    assert filled(page, tmp_path) == page


def test_the_page_has_a_place_for_every_suite(tmp_path: Path) -> None:
    for suite in ROWS:
        run(tmp_path, f"{suite}.jsonl", suite, "ifma", 1.5)
    assert filled(PAGE.read_text("utf-8"), tmp_path).count("**1.5 x**") == len(ROWS)
    with pytest.raises(ValueError, match="no place for crypto"):
        filled("", tmp_path)
