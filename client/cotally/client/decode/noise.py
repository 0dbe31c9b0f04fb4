"""The noise on one released total: R departments' shares, each discrete Gaussian or discrete Laplace.

Everything is in refined integers. Truth and noise are integers, so intervals reach an integer to
either side: the smallest that covers at the stated confidence.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist

import numpy as np

from cotally.v1.query_pb2 import Mechanism

_DISCRETE_BELOW = 64.0  # from this scale on a share is as good as continuous (error below 1e-4)


@dataclass(frozen=True, slots=True)
class Noise:
    """The sum of *departments* independent shares of one scale (standard deviation, or Laplace b)."""

    mechanism: int
    scale: float
    departments: int

    @property
    def variance(self) -> float:
        """Variance of the sum."""
        return self.departments * _share_variance(self.mechanism, self.scale)

    def half_width(self, confidence: float) -> int:
        """Return the least integer t with P(|noise| <= t) >= *confidence*.

        >>> Noise(Mechanism.MECHANISM_GAUSSIAN, 1000.0, 4).half_width(0.95)
        3920
        """
        return _half_width(self.mechanism, self.scale, self.departments, confidence)


@lru_cache(maxsize=256)
def _share_variance(mechanism: int, scale: float) -> float:
    if mechanism == Mechanism.MECHANISM_LAPLACE:
        return 1 / (2 * math.sinh(1 / (2 * scale)) ** 2)
    if scale >= 4:
        return scale * scale  # the discrete Gaussian's differs by less than 1e-130
    values = np.arange(-64, 65)
    weights = np.exp(-((values / scale) ** 2) / 2)
    return float((values**2 * weights).sum() / weights.sum())


@lru_cache(maxsize=256)
def _half_width(mechanism: int, scale: float, departments: int, confidence: float) -> int:
    if scale < _DISCRETE_BELOW:
        return _covering(_sum_probabilities(mechanism, scale, departments), confidence)
    if mechanism == Mechanism.MECHANISM_LAPLACE:
        reach = scale * _solve(lambda x: laplace_sum_tail(departments, x), 1 - confidence)
    else:
        reach = NormalDist().inv_cdf((1 + confidence) / 2) * scale * math.sqrt(departments)
    return max(0, math.ceil(reach - 0.5))


def _sum_probabilities(mechanism: int, scale: float, departments: int) -> np.ndarray:
    """Return probabilities of the sum at 0, 1, 2, ... (wrapped far out), by its characteristic function."""
    if mechanism == Mechanism.MECHANISM_LAPLACE:
        reach = scale * (60 + 3 * departments) + 64
    else:
        reach = 12 * scale * math.sqrt(departments) + 64
    size = 1 << math.ceil(math.log2(2 * reach))
    if mechanism == Mechanism.MECHANISM_LAPLACE:
        transform = laplace_transform(scale, size)
    else:
        values = np.minimum(np.arange(size), size - np.arange(size))
        weights = np.exp(-((values / scale) ** 2) / 2)
        transform = np.fft.rfft(weights / weights.sum()).real
    return np.fft.irfft(transform**departments, size)[: size // 2]


def laplace_transform(scale: float, size: int) -> np.ndarray:
    """Return the characteristic function of one discrete Laplace share at 2 pi j / size, j = 0..size/2."""
    p = math.exp(-1 / scale)
    # 1 - 2 p cos(x) + p^2, written so that nothing cancels near 0.
    return (1 - p) ** 2 / ((1 - p) ** 2 + 4 * p * np.sin(np.pi * np.arange(size // 2 + 1) / size) ** 2)


def _covering(probabilities: np.ndarray, confidence: float) -> int:
    """Return the least t with P(|X| <= t) >= *confidence*, for a symmetric X given from 0 on."""
    covered = 2 * np.cumsum(probabilities) - probabilities[0]
    return int(np.searchsorted(covered, confidence - 1e-12))


def laplace_sum_tail(count: int, x: float) -> float:
    """Return P(|X| > x), X the sum of *count* Laplace variables with b = 1.

    |X| is Gamma(count - J) with P(J = j) = C(count-1+j, j) 2^(1-count-j), since X is the difference of
    two Gamma(count) variables (Kotz, Kozubowski and Podgorski 2001, section 2.3).

    >>> round(laplace_sum_tail(1, 2.0), 6) == round(math.exp(-2), 6)
    True
    """
    if x <= 0:
        return 1.0
    log_choose = [math.lgamma(count + j) - math.lgamma(j + 1) - math.lgamma(count) for j in range(count)]
    weights = [math.exp(each - (count - 1 + j) * math.log(2)) for j, each in enumerate(log_choose)]
    total = cumulative = 0.0
    for i in reversed(range(count)):  # Gamma(count - j) exceeds x iff fewer than count - j arrivals by x
        cumulative += weights[count - 1 - i]
        total += cumulative * math.exp(i * math.log(x) - x - math.lgamma(i + 1))
    return min(total, 1.0)


def _solve(tail: Callable[[float], float], probability: float) -> float:
    """Return the x at which the falling function *tail* reaches *probability*."""
    low, high = 0.0, 1.0
    while tail(high) > probability:
        low, high = high, 2 * high
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if tail(middle) > probability else (low, middle)
    return high


@lru_cache(maxsize=256)
def ratio_quantile(mechanism: int, departments: int, confidence: float) -> float:
    """Return k with P(|Y| <= k sd(Y)) >= *confidence* for every mixture Y = S - theta C of two noises.

    Gaussian noises mix to a Gaussian. Two sums of Laplace noises have a shape that depends on theta;
    k is the largest quantile over all shapes, so that the interval covers whatever theta is.
    """
    if mechanism != Mechanism.MECHANISM_LAPLACE:
        return NormalDist().inv_cdf((1 + confidence) / 2)
    sd = 400.0  # of the mixture, in steps of a grid
    size = 1 << 16
    largest = 0.0
    for share in np.linspace(0.5, 1.0, 11):
        transform = np.ones(size // 2 + 1)
        for part in (share, 1 - share):
            if part > 0:
                scale = sd * math.sqrt(part / (2 * departments))
                transform = transform * laplace_transform(scale, size) ** departments
        probabilities = np.fft.irfft(transform, size)[: size // 2]
        reach = _covering(probabilities, confidence)
        # The grid's P(|Y| <= t) is the continuous P(|Y| < t + 1/2); interpolate between t - 1 and t.
        surplus = 2 * probabilities[: reach + 1].sum() - probabilities[0] - confidence
        largest = max(largest, (reach + 0.5 - surplus / (2 * probabilities[reach])) / sd)
    return largest
