"""REGR(y, x1, .., xp): least squares on noisy moments, held by a small public ridge; p + 1 coefficients.

(S_xx + R) b = S_xy keeps b finite where an x hardly varies. What the ridge takes from b, to first order M R b
with M the inverse of S_xx + R, is given back. Where R makes up more than a fifth of a coefficient there
is no interval. Errors follow from those of the moments at b: M (dS_xy - dS_xx b).

The interval of a coefficient holds the values t that the data do not reject: with b_j = t, and the others
solved from their own normal equations, the j-th equation's rest is linear in t, its noise at the true t is
linear in the totals' noise, and the t that |rest| <= k sd leaves are an interval or nothing (Fieller 1954).
"""

import math
from typing import Final

import numpy as np

from .asked import Asked, Decoder, Totals
from .estimate import UNSTABLE, Cell, Estimate, several
from .moments import Moments, between, pairs

INTERCEPT: Final = "intercept"
_MOST_RIDGE: Final = 0.2  # of a coefficient


def regression(asked: Asked) -> Decoder:
    """Return the decoder of (rows, sums of y, x1, .., products of all pairs)."""
    terms = (INTERCEPT, *asked.statistic.others)
    count = len(terms)
    centres = np.array([each.centre for each in asked.measured[1:count + 1]])
    k, noise = asked.quantile, asked.variances
    squares = [1 + count + pairs(count).index((i, i)) for i in range(1, count)]
    system = _system(count, centres)

    def decode(totals: Totals) -> Estimate:
        values = asked.values(totals)
        if values[0] <= 0 or noise[0] > (_MOST_RIDGE * values[0]) ** 2:
            return _nothing(terms)
        found = Moments.of(values, noise, count)
        ridge = np.sqrt(found.noise[squares]) / found.n
        matrix = found.c[1:, 1:] + np.diag(ridge)
        if np.linalg.eigvalsh(matrix)[0] <= 0:
            return _nothing(terms)
        inverse = np.linalg.inv(matrix)
        plain = inverse @ found.c[1:, 0]
        slopes = plain + inverse @ (ridge * plain)
        covariance = _covariance(found, inverse, slopes, centres)
        level = centres + found.a
        coefficients = [float(level[0] - slopes @ level[1:]), *map(float, slopes)]
        held = np.abs(np.diag(inverse)) * ridge > _MOST_RIDGE
        cells = []
        for at, value in enumerate(coefficients):
            ends = None if (held.any() if at == 0 else held[at - 1]) else _interval(
                system, np.array(values), found.noise, at, k)
            if ends is None:
                one = Estimate(value, None, None, None, UNSTABLE)
            else:
                one = Estimate(value, math.sqrt(max(float(covariance[at, at]), 0.0)), ends[0], ends[1])
            cells.append(Cell((("term", terms[at]),), one))
        flagged = any(cell.estimate.flag for cell in cells)
        return several(cells, None if flagged else covariance.tolist())
    return decode


def _covariance(found: Moments, inverse: np.ndarray, slopes: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Return the covariance of the errors of intercept and slopes, to first order."""
    columns = range(1, len(centres))
    of_slopes = inverse @ np.stack([
        found.gradient(0, i) - sum(b * found.gradient(i, j) for j, b in zip(columns, slopes, strict=True))
        for i in columns])
    of_intercept = (found.of_mean(0) - sum(b * found.of_mean(i) for i, b in zip(columns, slopes, strict=True))
                    - (centres + found.a)[1:] @ of_slopes)
    return found.covariance(np.vstack([of_intercept, of_slopes]))


def _system(count: int, centres: np.ndarray) -> np.ndarray:
    """Return how the totals make the normal equations of (y, 1, x1, ..): [i, j, total], all uncentred."""
    size = count + 1  # rows and columns: y, 1, x1, ..
    centred = np.zeros((size, size, 1 + count + len(pairs(count))))
    order = [0, *range(2, size)]  # where columns y, x1, .. lie
    centred[1, 1, 0] = 1
    for i, at in enumerate(order):
        centred[at, 1, 1 + i] = centred[1, at, 1 + i] = 1
    for number, (i, j) in enumerate(pairs(count)):
        centred[order[i], order[j], 1 + count + number] = centred[order[j], order[i], 1 + count + number] = 1
    shift = np.eye(size)
    for i, at in enumerate(order):
        shift[at, 1] = centres[i]
    result: np.ndarray = np.einsum("ai,ijt,bj->abt", shift, centred, shift)
    return result


def _interval(
    system: np.ndarray, values: np.ndarray, noise: np.ndarray, at: int, k: float,
) -> tuple[float, float] | None:
    """Return the values of coefficient *at* that are not rejected; None where they are no interval."""
    whole = system @ values
    normal, right = whole[1:, 1:], whole[1:, 0]
    others = [i for i in range(len(right)) if i != at]
    try:
        solve = np.linalg.solve(normal[np.ix_(others, others)], np.column_stack(
            [right[others], normal[others, at], normal[at, others]]))
    except np.linalg.LinAlgError:
        return None
    # The others at t are fixed - t * slope; the rest of equation `at` is rest - t * fall.
    fixed, slope, row = solve.T
    rest = right[at] - normal[at, others] @ fixed
    fall = normal[at, at] - normal[at, others] @ slope
    rows = np.zeros(len(right))
    rows[at], rows[others] = 1, -row
    start, step = np.zeros(len(right)), np.zeros(len(right))
    start[others], step[at], step[others] = fixed, 1, -slope
    errors = np.einsum("i,ijt->jt", rows, system[1:])  # of the combined equation, per column y, 1, x1, ..
    g0, g1 = errors[0] - start @ errors[1:], -(step @ errors[1:])
    v00, v01, v11 = (float((a * b) @ noise) for a, b in ((g0, g0), (g0, g1), (g1, g1)))
    return between(
        float(fall**2 - k * k * v11), float(rest * fall + k * k * v01), float(rest**2 - k * k * v00)
    )


def _nothing(terms: tuple[str, ...]) -> Estimate:
    return several([Cell((("term", term),), Estimate(None, None, None, None, UNSTABLE)) for term in terms])
