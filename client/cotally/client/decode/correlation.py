"""CORR(y, x): the covariance over the root of the variances' product, with an interval like Fieller's.

The r that |C_yx - r D| <= k sd(C_yx - r D) leaves, D the root of the product, to first order in the noise.
Where a variance's noise is no small part of it, there is no interval.
"""

import math
from typing import Final

import numpy as np

from .asked import Asked, Decoder, Totals
from .estimate import UNSTABLE, Estimate
from .moments import Moments, between

_MOST_NOISE: Final = 0.25  # standard deviation of a variance's noise, over the variance


def correlation(asked: Asked) -> Decoder:
    """Return the decoder of (rows, sums of y and x, products y y, y x, x x)."""
    k, noise = asked.quantile, asked.variances

    def decode(totals: Totals) -> Estimate:
        values = asked.values(totals)
        if values[0] <= 0:
            return Estimate(None, None, None, None, UNSTABLE)
        found = Moments.of(values, noise, 2)
        yy, yx, xx = float(found.c[0, 0]), float(found.c[0, 1]), float(found.c[1, 1])
        if min(yy, xx) <= 0:
            return Estimate(None, None, None, None, UNSTABLE)
        root = math.sqrt(yy * xx)
        value = min(max(yx / root, -1.0), 1.0)
        of_yy, of_yx, of_xx = (found.gradient(i, j) for i, j in ((0, 0), (0, 1), (1, 1)))
        of_root = (xx * of_yy + yy * of_xx) / (2 * root)
        noises = (found.variance(of_yy) / yy**2, found.variance(of_xx) / xx**2, noise[0] / values[0] ** 2)
        (a, b), (_, c) = found.covariance(np.stack([of_yx, of_root]))
        ends = between(root**2 - k * k * c, yx * root - k * k * b, yx**2 - k * k * a)
        if ends is None or max(noises) > _MOST_NOISE**2:
            return Estimate(value, None, None, None, UNSTABLE)
        se = math.sqrt(found.variance(of_yx - value * of_root)) / root
        low, high = (min(max(float(end), -1.0), 1.0) for end in ends)
        return Estimate(value, se, low, high)
    return decode
