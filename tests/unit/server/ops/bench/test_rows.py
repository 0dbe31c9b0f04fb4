"""What a row prints: what it says, nothing invented; and a run read back is the run."""

import json

import pytest

from cotally.server.ops.bench.bars import bars
from cotally.server.ops.bench.rows import ROWS, Row, Run, missing, read


def test_a_row_prints_only_what_it_says() -> None:
    line = Row(row="federation_p50", seconds=1.23456789).to_json(suite="federation", backend="gmpy2")
    assert json.loads(line) == {
        "suite": "federation", "row": "federation_p50", "backend": "gmpy2", "seconds": 1.23457}


def test_missing_rows_say_why() -> None:
    assert [(row.row, row.missing) for row in missing("noise", "no peer")] == [
        (name, "no peer") for name in ROWS["noise"]]
    assert missing("noise", "no peer", []) == []


def test_what_was_printed_is_read_back() -> None:
    rows = (Row(row="machine", facts={"setting": {"bits": 3072}}), Row(row="a", ratio=2.0, low=1.5, high=3.0),
            Row(row="b", missing="no peer"))
    lines = [row.to_json(suite="crypto", backend="ifma") for row in rows]
    run = read([*lines, ""])
    assert run == Run("crypto", "ifma", rows)
    assert run.row("a") == rows[1]
    assert run.row("c") is None
    assert run.setting == {"bits": 3072}


@pytest.mark.parametrize("lines", [
    [], ["{}"], ["[1]"], ["no json"],
    ['{"suite": "a", "backend": "b", "row": "c"}', '{"suite": "x", "backend": "b", "row": "c"}'],
    ['{"suite": "a", "backend": "b", "row": "c", "colour": "red"}'],
])
def test_other_lines_are_no_run(lines: list[str]) -> None:
    with pytest.raises(ValueError):
        read(lines)


def run_of(suite: str = "crypto", backend: str = "ifma", **setting: int) -> Run:
    return Run(suite, backend, (Row(row="machine", facts={"setting": setting}),))


def test_every_promised_ratio_of_the_core_has_a_bar_on_both_back_ends() -> None:
    for suite in ("crypto", "noise"):
        for row in ROWS[suite]:
            fast, plain = (bars(row, run_of(suite, backend)) for backend in ("ifma", "gmpy2"))
            assert fast, row
            assert plain, row


def test_a_ratio_must_be_as_large_and_seconds_as_small_as_the_bar() -> None:
    (djn,) = bars("encrypt_djn_vs_phe", run_of())
    assert [djn.reached(Row(row="x", ratio=ratio)) for ratio in (5_499.0, 5_500.0)] == [False, True]
    time, space = bars("combine_6000x1000", run_of())
    slow = Row(row="combine_6000x1000", seconds=0.31, mebibytes=64.0)
    assert (time.reached(slow), space.reached(slow)) == (False, True)
    assert not djn.reached(Row(row="x", missing="no peer"))


def test_bars_are_for_the_key_and_vector_that_they_are_about() -> None:
    assert bars("encrypt_djn_vs_phe", run_of(bits=3072, values=10_000, departments=6_000))
    assert not bars("encrypt_djn_vs_phe", run_of(bits=2048))
    assert not bars("combine_6000x1000", run_of(departments=5))
    assert bars("noise_laplace_vs_opendp", run_of("noise", values=1_000))


@pytest.mark.parametrize("row, limit", [
    ("noise_laplace_vs_opendp", 80), ("noise_gaussian_vs_opendp_at_4", 140),
    ("noise_laplace_vs_opendp_at_1001", 8)])
def test_noise_has_bars_by_scale(row: str, limit: float) -> None:
    (bar,) = bars(row, run_of("noise"))
    assert bar.limit == limit
