"""Intervals of every statistic cover the bounded truth as often as they say, over simulated releases.

A decoder that is told the wrong noise is rejected by the same test. Coverage is pooled over populations and
noise levels, as it is stated; a number without an interval counts as the whole line.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from cotally.client.decode.asked import Asked
from cotally.client.decode.estimate import Estimate
from cotally.v1 import query_pb2, round_pb2
from tests.fixtures import simulated

SEED = 20261122
GAUSSIAN, LAPLACE = query_pb2.MECHANISM_GAUSSIAN, query_pb2.MECHANISM_LAPLACE
TABLE = simulated.table(
    simulated.number("x", "0", "200"),
    simulated.number("y", "0", "1000", "0.5"),
    simulated.number("z", "-10", "10"),
)
Truth = Callable[[dict[str, np.ndarray]], list[float]]

CASES: dict[str, tuple[query_pb2.Statistic, Truth]] = {
    "variance": (
        query_pb2.Statistic(kind=query_pb2.STATISTIC_KIND_VARIANCE, column="x", alias="a"),
        lambda v: [float(v["x"].var())],
    ),
    "stddev": (
        query_pb2.Statistic(kind=query_pb2.STATISTIC_KIND_STDDEV, column="x", alias="a"),
        lambda v: [float(v["x"].std())],
    ),
    "covar": (
        query_pb2.Statistic(kind=query_pb2.STATISTIC_KIND_COVAR, column="y", others=["x"], alias="a"),
        lambda v: [float(np.cov(v["y"], v["x"], bias=True)[0, 1])],
    ),
    "corr": (
        query_pb2.Statistic(kind=query_pb2.STATISTIC_KIND_CORR, column="y", others=["x"], alias="a"),
        lambda v: [float(np.corrcoef(v["y"], v["x"])[0, 1])],
    ),
    "regr 1": (
        query_pb2.Statistic(kind=query_pb2.STATISTIC_KIND_REGR, column="y", others=["x"], alias="a"),
        lambda v: fitted(v["y"], v["x"]),
    ),
    "regr 2": (
        query_pb2.Statistic(kind=query_pb2.STATISTIC_KIND_REGR, column="y", others=["x", "z"], alias="a"),
        lambda v: fitted(v["y"], v["x"], v["z"]),
    ),
    "histogram": (
        query_pb2.Statistic(kind=query_pb2.STATISTIC_KIND_HISTOGRAM, column="y", bins=10, alias="a"),
        lambda v: np.histogram(v["y"], [100 * i - 0.25 for i in range(10)] + [1001])[0].tolist(),
    ),
    "mean": (
        query_pb2.Statistic(kind=query_pb2.STATISTIC_KIND_MEAN, column="y", alias="a"),
        lambda v: [float(v["y"].mean())],
    ),
}


def fitted(y: np.ndarray, *x: np.ndarray) -> list[float]:
    """Return the least squares coefficients, intercept first."""
    result: list[float] = np.linalg.lstsq(np.column_stack([np.ones(len(y)), *x]), y, rcond=None)[0].tolist()
    return result


def population(rows: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Return units of three related columns, skewed, clamped at their bounds."""
    x = np.clip(rng.gamma(4, 15, rows), 0, 200)
    y = np.clip(3 * x + rng.normal(50, 80, rows), 0, 1000)
    z = np.clip(rng.normal(0, 4, rows) + x / 40, -10, 10)
    return {"x": np.rint(x).astype(int), "y": np.rint(2 * y).astype(int), "z": np.rint(z).astype(int) + 10}


def told(asked: Asked, factor: float) -> Asked:
    """Return *asked* with its noise misstated by *factor*."""
    measured = (replace(m, noise=replace(m.noise, scale=m.noise.scale * factor)) for m in asked.measured)
    return replace(asked, measured=tuple(measured))


def numbers(estimate: Estimate) -> list[Estimate]:
    return [cell.estimate for cell in estimate.cells] or [estimate]


def covered(estimate: Estimate, truth: float) -> bool:
    return estimate.low is None or estimate.high is None or estimate.low <= truth <= estimate.high


def coverage(name: str, mechanism: int, factor: float, draws: int) -> tuple[float, float]:
    """Return the share of intervals that cover, and the share of numbers without one."""
    rng = np.random.default_rng(SEED)
    statistic, truth_of = CASES[name]
    hits = flagged = total = 0
    for rows, rho in ((3000, "0.1"), (3000, "0.01"), (1200, "0.05"), (8000, "0.004")):
        units = population(rows, rng)
        plan, asked = simulated.prepared(simulated.asking(statistic, rho=rho, mechanism=mechanism), TABLE)
        truth = truth_of({name: _values(asked.blocks, name, units) for name in units})
        for estimate in simulated.releases(plan, told(asked, factor), TABLE, units, draws, rng):
            for one, due in zip(numbers(estimate), truth, strict=True):
                total += 1
                flagged += one.low is None
                hits += covered(one, due)
    return hits / total, flagged / total


def _values(blocks: tuple[round_pb2.Block, ...], column: str, units: dict[str, np.ndarray]) -> np.ndarray:
    """Return the column's bounded values, in coarse units where a block has such."""
    for block in blocks:
        if column in (block.column, block.second.column) and block.factor:
            return simulated.values(block, TABLE, column, units)
    plain = round_pb2.Block(column=column, coarse=1)
    return simulated.values(plain, TABLE, column, units)


@pytest.mark.parametrize("mechanism", [GAUSSIAN, LAPLACE])
@pytest.mark.parametrize("name", CASES)
def test_coverage_is_nominal(name: str, mechanism: int) -> None:
    found, _ = coverage(name, mechanism, 1.0, 400)
    assert 0.935 <= found <= (0.985 if mechanism == LAPLACE or name == "corr" else 0.972), (
        f"{found}, seed {SEED}"
    )


@pytest.mark.parametrize("name", CASES)
def test_a_decoder_that_is_told_less_noise_is_rejected(name: str) -> None:
    found, _ = coverage(name, GAUSSIAN, 1 / 1.3, 300)
    assert found < 0.935, f"{found}, seed {SEED}"


@pytest.mark.parametrize("name", [name for name in CASES if name != "corr"])
def test_a_decoder_that_is_told_more_noise_is_rejected(name: str) -> None:
    found, flagged = coverage(name, GAUSSIAN, 1.3, 300)
    assert found > 0.972 or flagged > 0.1, f"{found}, seed {SEED}"


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_coverage_over_many_cells(name: str) -> None:
    """5,000 releases per population: 20,000 and more numbers per statistic."""
    found, flagged = coverage(name, GAUSSIAN, 1.0, 5000)
    assert 0.94 <= found <= 0.97 + 0.05 * flagged, (
        f"{found}, of which {flagged} without interval, seed {SEED}"
    )


QUANTILES = [("x", "0.5"), ("y", "0.9"), ("y", "0.25"), ("z", "0.5")]


@pytest.mark.parametrize("mechanism", [GAUSSIAN, LAPLACE])
@pytest.mark.parametrize("factor, least", [(1.0, 0.95), (1 / 4, 0.0)])
def test_quantiles_cover_at_least_as_often_as_they_say(mechanism: int, factor: float, least: float) -> None:
    """Leaves make quantiles' intervals wider than nominal ones; too little noise still shows."""
    rng = np.random.default_rng(SEED)
    hits = total = 0
    for column, q in QUANTILES:
        statistic = query_pb2.Statistic(
            kind=query_pb2.STATISTIC_KIND_QUANTILE, column=column, quantile=q, bins=128, alias="a")
        for rows, rho in ((3000, "0.02"), (500, "0.05"), (300, "0.005")):
            units = population(rows, rng)
            plan, asked = simulated.prepared(simulated.asking(statistic, rho=rho, mechanism=mechanism), TABLE)
            values = _values((), column, units)
            truth = float(np.quantile(values, float(q), method="inverted_cdf"))
            for estimate in simulated.releases(plan, told(asked, factor), TABLE, units, 100, rng):
                total += 1
                hits += covered(estimate, truth)
                if estimate.low is not None and estimate.high is not None and estimate.value is not None:
                    assert estimate.low <= estimate.value <= estimate.high
    assert (hits / total >= 0.95) == (least > 0), f"{hits / total}, seed {SEED}"


def test_what_cannot_be_told_has_no_interval() -> None:
    """Almost nobody, and much noise: whole lines, never numbers that look precise."""
    rng = np.random.default_rng(SEED)
    units = population(5, rng)
    for name in ("variance", "corr", "regr 2", "mean"):
        statistic, _ = CASES[name]
        plan, asked = simulated.prepared(simulated.asking(statistic, rho="0.001"), TABLE)
        for estimate in simulated.releases(plan, asked, TABLE, units, 20, rng):
            assert all(
                (one.low is None and one.flag == "unstable")
                or (one.low is not None and one.high is not None and one.high - one.low > 1)
                for one in numbers(estimate)
            )


def test_errors_are_those_that_occur() -> None:
    rng = np.random.default_rng(SEED)
    units = population(4000, rng)
    for name in ("variance", "covar", "corr", "regr 2"):
        statistic, truth_of = CASES[name]
        plan, asked = simulated.prepared(simulated.asking(statistic, rho="0.5"), TABLE)
        truth = truth_of({column: _values(asked.blocks, column, units) for column in units})
        estimates = list(simulated.releases(plan, asked, TABLE, units, 500, rng))
        for at, due in enumerate(truth):
            values = [numbers(each)[at].value for each in estimates]
            errors = [numbers(each)[at].se for each in estimates]
            assert np.std(np.array(values, dtype=float)) == pytest.approx(
                float(np.median(np.array(errors, dtype=float))), rel=0.12), name
            assert float(np.mean(np.array(values, dtype=float))) == pytest.approx(
                due, abs=0.2 * float(np.std(np.array(values, dtype=float)))), name
        if name == "regr 2":
            covariance = np.array(estimates[0].covariance)
            drawn = np.cov(
                np.array([[one.value for one in numbers(each)] for each in estimates], dtype=float).T
            )
            assert np.allclose(np.sqrt(np.diag(covariance)), np.sqrt(np.diag(drawn)), rtol=0.15)
            assert np.sign(covariance[0, 1]) == np.sign(drawn[0, 1])
