"""A release of every statistic is printed in every form: table, JSON and CSV."""

import csv
import io
import json
from collections.abc import Callable

import pytest

from cotally.client.cli.answer import print_release
from cotally.client.release import Release
from cotally.client.sql.parse import parse
from cotally.v1 import round_pb2
from tests.fixtures.answered import answered, planned
from tests.unit.client.test_same_message import CATALOG

STATISTICS = [
    "COUNT(*)", "COUNT(income)", "SUM(income)", "AVG(income)", "VARIANCE(income)", "STDDEV(income)",
    "COVAR(income, age)", "CORR(income, age)", "REGR(income, age)", "MEDIAN(age)", "QUANTILE(age, 0.9, 16)",
    "HISTOGRAM(age, 4)", "CLIPPED_LOW(age)", "CLIPPED_HIGH(age)", "TRUNCATED(*)",
]
QUESTIONS = [f"SELECT {keys}{statistic} AS a FROM people{group}"
             for statistic in STATISTICS for keys, group in (("", ""), ("sex, ", " GROUP BY sex"))]
QUESTIONS += ["SUGGEST BOUNDS FOR income FROM people",
              f"SELECT {', '.join(f'{each} AS a{i}' for i, each in enumerate(STATISTICS))} FROM people"]


def many(block: round_pb2.Block) -> int:
    """A third of what everybody could add: enough for every quotient to have an interval."""
    return 0 if block.low < 0 else block.high // block.refinement // 3


def nobody(block: round_pb2.Block) -> int:
    return -3


def release(text: str, total: Callable[[round_pb2.Block], int]) -> Release:
    query = parse(f"{text} WITH PRIVACY (rho = 0.5)", CATALOG).query
    blocks = [[total(block)] * block.cells for block in planned(query, CATALOG).blocks]
    return answered(query, CATALOG, blocks)


@pytest.mark.parametrize("text", QUESTIONS)
def test_a_release_of_any_statistic_is_printed(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    for total in (many, nobody):
        answer = release(text, total)
        print_release(answer, "table")
        assert "checks passed" in capsys.readouterr().out
        print_release(answer, "json")
        assert len(json.loads(capsys.readouterr().out)["rows"]) == len(answer.rows)
        print_release(answer, "csv")
        assert len(list(csv.DictReader(io.StringIO(capsys.readouterr().out)))) == len(answer.rows)
