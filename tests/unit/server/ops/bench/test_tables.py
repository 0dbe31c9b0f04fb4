"""Tables for people: units, bars, inverse ratios, warnings; and a chart of every kind of row."""

from pathlib import Path

import pytest

from cotally.server.ops.bench import plot
from cotally.server.ops.bench.rows import Row, Run
from cotally.server.ops.bench.tables import jsonl, markdown, text

FACTS = {"processor": "a processor", "processors": 2, "pinned": 1, "load": 0.1, "date": "2026-01-01",
         "versions": {"phe": "1.5.0"}, "setting": {"bits": 3072}}
RUN = Run("crypto", "ifma", (
    Row(row="machine", facts=FACTS),
    Row(row="encrypt_djn_vs_phe", ratio=6000.0, low=5900.0, high=6100.0, rate=3e5, peer="phe", peer_rate=50.0,
        unit="values"),
    Row(row="add_ciphertext_vs_heu", ratio=0.5, low=0.4, high=0.6, rate=1.0, peer="HEU", peer_rate=2.0,
        unit="ciphertexts"),
    Row(row="combine_6000x1000", seconds=0.5, mebibytes=5.25),
    Row(row="proof_share", share=0.25),
    Row(row="machine_waited", share=0.5, facts={"warning": "too busy"}),
    Row(row="decrypt_vs_phe", missing="phe is not installed"),
))


@pytest.mark.parametrize("row, cells", [
    ("encrypt_djn_vs_phe", ["6,000 x", "5,900 to 6,100", ">= 5,500 ✓", "300,000 values/s, phe 50"]),
    ("add_ciphertext_vs_heu", ["0.5 x", "2.00 times as long as HEU"]),
    ("combine_6000x1000", ["0.500 s, 5.250 MiB", "<= 0.3 s ✗, <= 64 MiB ✓"]),
    ("proof_share", ["25 %"]),
    ("machine_waited", ["50 %", "too busy"]),
    ("decrypt_vs_phe", ["missing: phe is not installed", ">= 400 ✗"]),
])
def test_a_line_of_text_and_a_line_of_markdown_say_the_same(row: str, cells: list[str]) -> None:
    for shown in (text(RUN), markdown([RUN])):
        (line,) = [line for line in shown.splitlines() if row in line]
        for cell in cells:
            assert cell in line


def test_the_machine_stands_above_the_rows() -> None:
    assert text(RUN).startswith("a processor, 2 processors, held to number 1; load 0.1; 2026-01-01\n")
    assert "phe 1.5.0" in markdown([RUN])
    assert "bits 3,072" in text(RUN)


def test_runs_stand_side_by_side_in_markdown() -> None:
    other = Run("crypto", "gmpy2", (Row(row="proof_share", share=0.75),))
    lines = markdown([RUN, other]).splitlines()
    assert "| row | ifma | bar | gmpy2 | bar | behind it |" in lines
    (line,) = [line for line in lines if "proof_share" in line]
    assert "25 %" in line
    assert "75 %" in line
    assert {line.count(" | ") for line in lines if line.startswith("|")} == {5}


def test_lines_for_programs_carry_suite_and_back_end() -> None:
    assert all('"suite": "crypto"' in line and '"backend": "ifma"' in line for line in jsonl(RUN))


@pytest.mark.parametrize("run", [RUN, Run("noise", "gmpy2", (Row(row="x", missing="no peer"),))])
def test_a_chart_is_a_picture(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "new" / "chart.png"
    plot.write(run, path)
    assert path.read_bytes().startswith(b"\x89PNG")
