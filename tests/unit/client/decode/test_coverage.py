"""Intervals cover as often as they say, over thousands of simulated releases, and wrong ones do not."""

import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from cotally.client.decode.estimate import Estimate, Measured, linear, ratio
from cotally.client.decode.noise import Noise
from cotally.v1.query_pb2 import Mechanism

GAUSSIAN, LAPLACE = Mechanism.MECHANISM_GAUSSIAN, Mechanism.MECHANISM_LAPLACE
DRAWS = 6000
SEED = 20261121
DEPARTMENTS = 3


def noise(mechanism: int, scale: float, rng: np.random.Generator) -> np.ndarray:
    """Return DRAWS sums of departments' shares, sampled independently of the code under test."""
    if mechanism == GAUSSIAN:
        shares = np.rint(rng.normal(0, scale, (DEPARTMENTS, DRAWS)))  # rounding adds a variance of 1/12
    else:
        p = 1 - math.exp(-1 / scale)
        shares = rng.geometric(p, (DEPARTMENTS, DRAWS)) - rng.geometric(p, (DEPARTMENTS, DRAWS))
    total: np.ndarray = shares.sum(axis=0).astype(int)
    return total


def measured(mechanism: int, scale: float, worth: Fraction, centre: float = 0.0) -> Measured:
    return Measured(worth, centre, Noise(mechanism, scale, DEPARTMENTS))


def coverage(estimates: list[Estimate], truth: float) -> float:
    hits = [each.low is None or each.high is None or each.low <= truth <= each.high for each in estimates]
    return sum(hits) / len(hits)


def misstated(each: Measured, factor: float) -> Measured:
    """Return *each* with its noise misstated by *factor*."""
    return replace(each, noise=replace(each.noise, scale=each.noise.scale * factor))


@pytest.mark.parametrize("mechanism", [GAUSSIAN, LAPLACE])
@pytest.mark.parametrize("factor, accepted", [(1.0, True), (1 / 1.15, False), (1.15, False)])
@pytest.mark.parametrize("scale, worth", [(40.0, Fraction(1, 4)), (5000.0, Fraction(1, 2))])
def test_counts_and_sums(
    mechanism: int, factor: float, accepted: bool, scale: float, worth: Fraction,
) -> None:
    rng = np.random.default_rng(SEED)
    truth = 1234
    block = misstated(measured(mechanism, scale, worth), factor)
    totals = int(truth / worth) + noise(mechanism, scale, rng)
    estimates = [linear(block, int(total), 0.95) for total in totals]
    assert (0.94 <= coverage(estimates, truth) <= 0.965) == accepted, f"seed {SEED}"
    spread = float(np.std([each.value for each in estimates if each.value is not None]))
    assert estimates[0].se is not None
    assert (abs(spread / estimates[0].se - 1) < 0.05) == accepted, f"seed {SEED}"


@pytest.mark.parametrize("mechanism", [GAUSSIAN, LAPLACE])
@pytest.mark.parametrize("factor, accepted", [(1.0, True), (1 / 1.15, False), (1.15, False)])
@pytest.mark.parametrize("rows, offset", [(400, 0), (400, 45), (90, 20)])
def test_means(mechanism: int, factor: float, accepted: bool, rows: int, offset: int) -> None:
    """A mean that is *offset* from the centre of its bounds, in groups of *rows*, many and few."""
    rng = np.random.default_rng(SEED)
    top = measured(mechanism, 300.0, Fraction(1), 50.0)
    bottom = measured(mechanism, 24.0, Fraction(1, 4))
    above = rows * offset + noise(mechanism, 300.0, rng)
    below = 4 * rows + noise(mechanism, 24.0, rng)
    top, bottom = misstated(top, factor), misstated(bottom, factor)
    estimates = [ratio(top, bottom, int(a), int(b), 0.95) for a, b in zip(above, below, strict=True)]
    assert (0.94 <= coverage(estimates, 50 + offset) <= 0.967) == accepted, f"seed {SEED}"
    if accepted and rows == 400:
        values = [each.value for each in estimates if each.value is not None]
        errors = [each.se for each in estimates if each.se is not None]
        assert np.std(values) == pytest.approx(np.median(errors), rel=0.1), f"seed {SEED}"


@pytest.mark.parametrize("mechanism", [GAUSSIAN, LAPLACE])
def test_a_mean_of_almost_nobody_is_flagged_and_its_interval_is_the_whole_line(mechanism: int) -> None:
    top, bottom = measured(mechanism, 300.0, Fraction(1), 50.0), measured(mechanism, 24.0, Fraction(1, 4))
    for below in (-50, 0, 30):
        estimate = ratio(top, bottom, 100, below, 0.95)
        assert (estimate.se, estimate.low, estimate.high, estimate.flag) == (None, None, None, "unstable")
        assert (estimate.value is None) == (below <= 0)


def test_noisy_counts_stay_unbiased() -> None:
    estimate = linear(measured(GAUSSIAN, 40.0, Fraction(1, 4)), -37, 0.95)
    assert estimate.value == -9.25
    assert estimate.low is not None and estimate.low < -9.25
    assert estimate.flag is None
