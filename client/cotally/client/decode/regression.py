"""REGR(y, x1, .., xp): least squares on noisy moments, held by a small public ridge; p + 1 coefficients.

(S_xx + R) b = S_xy keeps b finite where an x hardly varies. What the ridge takes from b, to first order M R b
with M the inverse of S_xx + R, is given back. Where R makes up more than a fifth of a coefficient there
is no interval. Errors follow from those of the moments at b: M (dS_xy - dS_xx b).
"""

import math
from typing import Final

import numpy as np

from .asked import Asked, Decoder, Totals
from .estimate import UNSTABLE, Cell, Estimate, several
from .moments import Moments, between

INTERCEPT: Final = "intercept"
_MOST_RIDGE: Final = 0.2  # of a coefficient


def regression(asked: Asked) -> Decoder:
    """Return the decoder of (rows, sums of y, x1, .., products of all pairs)."""
    terms = (INTERCEPT, *asked.statistic.others)
    count = len(terms)
    centres = np.array([each.centre for each in asked.measured[1:count + 1]])
    k, noise = asked.quantile, asked.variances

    def decode(totals: Totals) -> Estimate:
        values = asked.values(totals)
        if values[0] <= 0 or noise[0] > (_MOST_RIDGE * values[0]) ** 2:
            return _nothing(terms)
        found = Moments.of(values, noise, count)
        squares = [len(noise) - 1 - (count - i) * (count - i + 1) // 2 + 1 for i in range(1, count)]
        ridge = np.sqrt(found.noise[squares]) / found.n
        matrix = found.c[1:, 1:] + np.diag(ridge)
        if np.linalg.eigvalsh(matrix)[0] <= 0:
            return _nothing(terms)
        inverse = np.linalg.inv(matrix)
        plain = inverse @ found.c[1:, 0]
        slopes = plain + inverse @ (ridge * plain)
        gradients = inverse @ np.stack([
            found.gradient(0, i) - sum(b * found.gradient(i, j) for j, b in enumerate(slopes, start=1))
            for i in range(1, count)])
        level = centres + found.a
        of_intercept = (found.of_mean(0) - sum(b * found.of_mean(i) for i, b in enumerate(slopes, start=1))
                        - level[1:] @ gradients)
        covariance = found.covariance(np.vstack([of_intercept, gradients]))
        coefficients = [level[0] - slopes @ level[1:], *slopes]
        held = np.abs(np.diag(inverse)) * ridge > _MOST_RIDGE
        flagged = [bool(held.any()), *map(bool, held)]
        exact = _single(found, k) if count == 2 else None
        cells = []
        for at, (term, value) in enumerate(zip(terms, coefficients, strict=True)):
            if flagged[at]:
                cells.append(Cell((("term", term),), Estimate(float(value), None, None, None, UNSTABLE)))
                continue
            se = math.sqrt(max(float(covariance[at, at]), 0.0))
            ends = exact if exact and at == 1 else (float(value) - k * se, float(value) + k * se)
            cells.append(Cell((("term", term),), Estimate(float(value), se, *ends)))
        return several(cells, None if any(flagged) else covariance.tolist())
    return decode


def _single(found: Moments, k: float) -> tuple[float, float] | None:
    """Return the interval of the only slope: the b that |C_yx - b C_xx| <= k sd leaves (Fieller 1954)."""
    yx, xx = float(found.c[0, 1]), float(found.c[1, 1])
    (a, b), (_, c) = found.covariance(np.stack([found.gradient(0, 1), found.gradient(1, 1)]))
    return between(xx * xx - k * k * c, yx * xx - k * k * b, yx * yx - k * k * a)


def _nothing(terms: tuple[str, ...]) -> Estimate:
    return several([Cell((("term", term),), Estimate(None, None, None, None, UNSTABLE)) for term in terms])
