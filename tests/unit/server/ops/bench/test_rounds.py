"""How measured rounds become rows: percentiles, shares that add up, and rounds that were not whole."""

import json
from typing import Any

import pytest

from cotally.server.ops.bench.rounds import Measured, percentile, sum_up

KINDS = {"north": "node", "south": "node", "coordinator": "coordinator", "analyst": "analyst"}


def a_round(seconds: float, moved: int | None = 2 * 2**20, question: str = "federation") -> dict[str, Any]:
    return {"question": question, "seconds": seconds, "bytes": moved,
            "phases": {"commit": 0.6 * seconds, "decrypt": 0.4 * seconds},
            "cpu": {"north": 0.1, "south": 0.2, "coordinator": 0.3, "analyst": 0.4}, "load": 0.5}


def measured(*said: dict[str, Any]) -> dict[str, Any]:
    rows = sum_up(Measured.of(json.dumps(line) for line in said), KINDS)
    return {row.row: row for row in rows}


MEMORY = {"memory": {"north": {"now": 100.0, "peak": 120.0}, "south": {"now": 90.0, "peak": 150.0},
                     "coordinator": {"now": 50.0, "peak": 50.0}, "analyst": {"now": 60.0, "peak": 60.0}}}


@pytest.mark.parametrize("values, percent, expected", [
    ([1], 95, 1), ([1, 2], 50, 1), ([*range(1, 21)], 95, 19), ([*range(1, 16)], 95, 15), ([3, 1, 2], 100, 3),
])
def test_percentiles_are_measured_values(values: list[float], percent: int, expected: float) -> None:
    assert percentile(values, percent) == expected


def test_rounds_become_rows() -> None:
    rows = measured(a_round(3.0), a_round(1.0), a_round(2.0), MEMORY)
    assert rows["federation_p50"].seconds == 2.0
    assert rows["federation_p95"].seconds == 3.0
    assert rows["federation_bytes"].mebibytes == 2.0
    assert rows["federation_commit"].seconds == pytest.approx(1.2)
    assert rows["federation_commit_share"].share == pytest.approx(0.6)
    assert rows["federation_rounds"].count == 3
    assert rows["federation_rounds_incomplete"].count == 0
    assert rows["federation_load"].count == 0.5


def test_roles_are_summed_in_cpu_and_compared_in_memory() -> None:
    rows = measured(a_round(1.0), MEMORY)
    assert rows["federation_cpu_node"].seconds == pytest.approx(0.3)
    assert rows["federation_resident_node"].mebibytes == 100.0
    assert rows["federation_resident_peak_node"].mebibytes == 150.0


def test_a_round_that_lacked_a_department_is_counted_and_not_timed() -> None:
    rows = measured(a_round(1.0), {"question": "federation", "refused": "released without south"}, MEMORY)
    assert rows["federation_p50"].seconds == 1.0
    assert rows["federation_rounds_incomplete"].count == 1


def test_without_a_whole_round_nothing_is_claimed() -> None:
    rows = measured({"question": "federation", "refused": "too few departments"}, MEMORY)
    assert "too few departments" in str(rows["federation_p50"].missing)
    assert rows["federation_p50"].seconds is None
    assert rows["federation_bytes"].missing


def test_the_lucky_few_are_not_timed() -> None:
    missed = {"question": "federation", "refused": "released without south"}
    rows = measured(a_round(1.0), missed, missed, MEMORY)
    assert "only 1 of 3 rounds" in str(rows["federation_p50"].missing)
    assert rows["federation_rounds_incomplete"].count == 2


@pytest.mark.parametrize("moved", [None, 0])
def test_bytes_that_nobody_counted_are_missing(moved: int | None) -> None:
    assert measured(a_round(1.0, moved), MEMORY)["federation_bytes"].missing


def test_every_question_has_its_own_row() -> None:
    large, path = "federation_10000_cells", "node_path_100"
    missed = {"question": path, "refused": "released without south"}
    rows = measured(a_round(1.0), a_round(4.0, question=large), a_round(6.0, question=large), missed, MEMORY)
    assert (rows[large].seconds, rows[large].low, rows[large].high, rows[large].rounds) == (5.0, 4.0, 6.0, 2)
    assert rows[large + "_decrypt"].seconds == pytest.approx(2.0)
    assert "released without south" in str(rows[path].missing)
    assert "no round was measured" in str(rows["node_path_100000"].missing)
    assert (rows["federation_p50"].seconds, rows["federation_rounds"].count) == (1.0, 1)
