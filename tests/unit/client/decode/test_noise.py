"""Quantiles and variances of summed noise against scipy and against exact convolution."""

import math

import numpy as np
import pytest
from scipy import stats

from cotally.client.decode.noise import Noise, laplace_sum_tail, ratio_quantile
from cotally.v1.query_pb2 import Mechanism

GAUSSIAN, LAPLACE = Mechanism.MECHANISM_GAUSSIAN, Mechanism.MECHANISM_LAPLACE


def convolved(mechanism: int, scale: float, departments: int) -> tuple[np.ndarray, np.ndarray]:
    """Return support and probabilities of the sum of shares, by plain convolution."""
    reach = math.ceil(40 * scale + 10)
    x = np.arange(-reach, reach + 1)
    weights = np.exp(-np.abs(x) / scale) if mechanism == LAPLACE else np.exp(-((x / scale) ** 2) / 2)
    share = weights / weights.sum()
    total = share
    for _ in range(departments - 1):
        total = np.convolve(total, share)
    half = (len(total) - 1) // 2
    return np.arange(-half, half + 1), total


@pytest.mark.parametrize("mechanism", [GAUSSIAN, LAPLACE])
@pytest.mark.parametrize("scale", [0.7, 4.0, 9.3])
@pytest.mark.parametrize("departments", [1, 3, 5])
def test_small_noise_is_exact(mechanism: int, scale: float, departments: int) -> None:
    x, probabilities = convolved(mechanism, scale, departments)
    noise = Noise(mechanism, scale, departments)
    assert noise.variance == pytest.approx((x**2 * probabilities).sum(), rel=1e-9)
    for confidence in (0.5, 0.9, 0.95, 0.999):
        t = noise.half_width(confidence)
        assert probabilities[np.abs(x) <= t].sum() >= confidence - 1e-9
        assert probabilities[np.abs(x) <= t - 1].sum() < confidence


@pytest.mark.parametrize("departments", [1, 2, 3, 5, 12, 60])
@pytest.mark.parametrize("x", [0.1, 1.0, 4.0, 20.0])
def test_the_tail_of_summed_laplaces_is_that_of_two_gammas(departments: int, x: float) -> None:
    grid = np.linspace(0, 400, 200_001)
    density = stats.gamma(departments).pdf(grid)
    beyond = np.trapezoid(density * stats.gamma(departments).sf(grid + x), grid)
    assert laplace_sum_tail(departments, x) == pytest.approx(2 * beyond, rel=1e-4)


@pytest.mark.parametrize("mechanism", [GAUSSIAN, LAPLACE])
def test_coarse_and_fine_noise_agree_where_they_meet(mechanism: int) -> None:
    below, above = (Noise(mechanism, scale, 3).half_width(0.95) for scale in (63.999, 64.0))
    assert abs(below - above) <= 1


def test_large_laplace_is_the_textbook_quantile() -> None:
    assert Noise(LAPLACE, 1e6, 1).half_width(0.95) == pytest.approx(1e6 * math.log(20), rel=1e-5)
    assert Noise(GAUSSIAN, 1e6, 4).half_width(0.95) == pytest.approx(1.959964 * 2e6, rel=1e-5)


@pytest.mark.parametrize("confidence", [0.5, 0.8, 0.95, 0.999])
def test_the_ratio_quantile_bounds_every_mixture(confidence: float) -> None:
    k = ratio_quantile(LAPLACE, 1, confidence)
    rng = np.random.default_rng(8)
    for share in (1.0, 0.9, 0.7, 0.5):
        a, b = math.sqrt(share / 2), math.sqrt((1 - share) / 2)
        y = np.abs(rng.laplace(0, 1, 200_000) * a + rng.laplace(0, 1, 200_000) * b)
        assert (y <= k).mean() >= confidence - 4 * math.sqrt(confidence * (1 - confidence) / 200_000)
    assert k >= math.log(1 / (1 - confidence)) / math.sqrt(2) * (1 - 1e-4)  # one of the two noises alone
    assert ratio_quantile(GAUSSIAN, 5, confidence) == pytest.approx(stats.norm.ppf((1 + confidence) / 2))
