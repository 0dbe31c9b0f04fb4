"""From records to a release: plan, measure, noise, sum over departments, decode, against numpy's truth."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from cotally.server.dp.measure import measure as add_noise
from cotally.server.engines.duckdb.engine import DuckDB
from cotally.server.model.catalog import Column, ColumnType, Table
from cotally.server.model.plan import Plan, Rules
from cotally.server.model.query import Mechanism, Privacy, Query, Statistic, StatisticKind, Target
from cotally.server.planner.error import expected_errors
from cotally.server.planner.plan import make_plan
from cotally.server.statistics.registry import METHODS
from cotally.server.statistics.request import Request, Value
from tests.unit.server.engines.plans import write_csv

K = StatisticKind
RULES = Rules(colluding=1, delta=Fraction(1, 10**6), tick_ms=50, round_ms=20_000, modulus_bits=3072)
HOLDERS = ("east", "north", "west")
PEOPLE = 3000  # in each department
TABLE = Table(
    "people", "residents", "pid", 1, 1, 1, 3 * PEOPLE, PEOPLE, 3, "v",
    (
        Column("x", ColumnType.FLOAT, lower=Fraction(0), upper=Fraction(100), resolution=Fraction(1, 100)),
        Column("y", ColumnType.FLOAT, lower=Fraction(-50), upper=Fraction(250), resolution=Fraction(1, 100)),
        Column("w", ColumnType.INTEGER, lower=Fraction(1), upper=Fraction(4), weight=True),
    ),
    HOLDERS,
)  # fmt: skip
STATISTICS = (
    Statistic("variance", K.VARIANCE, "x"),
    Statistic("stddev", K.STDDEV, "y"),
    Statistic("covar", K.COVAR, "y", ("x",)),
    Statistic("corr", K.CORR, "y", ("x",)),
    Statistic("slope", K.REGR, "y", ("x",)),
    Statistic("persons", K.PERSONS),
    Statistic("median", K.QUANTILE, "x", quantile=Fraction(1, 2)),
    Statistic("bins", K.HISTOGRAM, "x", bins=4),
    Statistic("weighted", K.MEAN, "x", weight="w"),
    Statistic("high", K.CLIPPED_HIGH, "x"),
    Statistic("suggested", K.SUGGEST_BOUNDS, "y"),
)


@pytest.fixture(scope="module")
def numbers() -> dict[str, np.ndarray]:
    """Columns of everybody, department by department; some x lie above their bound."""
    rng = np.random.default_rng(11)
    x = np.minimum(rng.gamma(4, 9, 3 * PEOPLE), 130).round(2)
    y = (1.5 * np.minimum(x, 100) + rng.normal(20, 15, x.size)).clip(-50, 250).round(2)
    return {"x": x, "y": y, "w": rng.integers(1, 5, x.size)}


def truths(numbers: dict[str, np.ndarray]) -> dict[str, object]:
    """What is estimated, of clamped values."""
    x, y, w = np.minimum(numbers["x"], 100), numbers["y"], numbers["w"]
    slope = np.cov(x, y, bias=True)[0, 1] / x.var()
    return {
        "variance": x.var(),
        "stddev": y.std(),
        "covar": np.cov(x, y, bias=True)[0, 1],
        "corr": np.corrcoef(x, y)[0, 1],
        "slope": (y.mean() - slope * x.mean(), slope),
        "persons": x.size,
        "median": np.median(x),
        "bins": np.histogram(x, [0, 25, 50, 75, 100])[0],
        "weighted": (x * w).sum() / w.sum(),
        "high": (numbers["x"] > 100).mean(),
    }


def released(
    numbers: dict[str, np.ndarray], query: Query, plan: Plan, folder: Path, noisy: bool
) -> list[int]:
    """The sum of what the departments send."""
    total = np.zeros(plan.coordinates, dtype=object)
    for i, holder in enumerate(HOLDERS):
        own = slice(i * PEOPLE, (i + 1) * PEOPLE)
        records = [
            {"pid": str(j), "x": repr(float(x)), "y": repr(float(y)), "w": str(w)}
            for j, (x, y, w) in enumerate(zip(*(numbers[c][own] for c in "xyw"), strict=True))
        ]
        engine = DuckDB(folder / holder)
        engine.snapshot(TABLE, write_csv(folder / f"{holder}.csv", ["pid", "x", "y", "w"], records))
        exact = engine.measure(query, TABLE, plan, b"salt")
        total += np.array(add_noise(exact, plan) if noisy else exact, dtype=object)
    return list(total)


def decoded(query: Query, plan: Plan, totals: Sequence[int]) -> dict[str, Value]:
    """Every statistic's value from the release of one group."""
    found = {}
    for statistic, reading in zip(query.statistics, plan.readings, strict=True):
        blocks = [plan.blocks[position] for position in reading]
        integers = [
            Fraction(total, block.refinement)
            for block in blocks for total in totals[block.offset : block.offset + block.cells]
        ]  # fmt: skip
        found[statistic.alias] = METHODS[statistic.kind].decode(integers, Request.of(statistic, TABLE))
    return found


@pytest.mark.parametrize(
    "mechanism, noisy", [(Mechanism.GAUSSIAN, False), (Mechanism.GAUSSIAN, True), (Mechanism.LAPLACE, True)]
)
def test_releases_hold_the_truth_within_their_stated_errors(
    numbers: dict[str, np.ndarray], mechanism: Mechanism, noisy: bool, tmp_path: Path
) -> None:
    privacy = Privacy(Target.RHO, Fraction(10), Fraction(19, 20), mechanism)
    query = Query("people", (), STATISTICS, None, privacy)
    plan = make_plan(query, TABLE, RULES)
    found = decoded(query, plan, released(numbers, query, plan, tmp_path, noisy))
    errors = expected_errors(query, TABLE, plan)
    assert sum(found["suggested"]) == pytest.approx(3 * PEOPLE, rel=0.1)  # type: ignore[arg-type]
    for alias, truth in truths(numbers).items():
        slack: float | np.ndarray = 4 * float(errors[alias] or 0) if noisy else 0.0  # 8 standard deviations
        if alias == "median":
            slack += 100 / 256  # a leaf
        if alias in ("corr", "slope"):
            slack *= 4  # their stated errors are those of independent columns
        value = found[alias]
        assert value is not None
        if alias == "slope" and noisy:  # the intercept's error is the slope's times the distance from zero
            slack = np.array([slack * 40, slack])
        wanted = np.array(truth, dtype=float)
        assert (abs(np.array(value, dtype=float) - wanted) <= slack + 1e-3 * abs(wanted)).all(), alias
