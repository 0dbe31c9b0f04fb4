"""VARIANCE, STDDEV and COVAR: mean product less the product of means, with an interval like Fieller's.

At the true means a, b the quantity G(t) = P - b S_y - a S_x + (a b - t) n is linear in the noise and 0 in
truth for the true covariance t. With estimated means it is lower by n (error of a)(error of b), whose mean is
added and whose variance is counted. The t that G(t) does not reject are the interval.
"""

import math
from dataclasses import replace

from .asked import Asked, Decoder, Totals
from .estimate import UNSTABLE, Estimate
from .moments import between

NEGATIVE = "negative"  # flag: noise made the variance negative, so that it has no root; the interval holds


def variance(asked: Asked) -> Decoder:
    """Return the decoder of (rows, sum, sum of squares)."""
    k = asked.quantile
    of_rows, of_sum, of_square = asked.variances

    def decode(totals: Totals) -> Estimate:
        n, total, square = asked.values(totals)
        if n <= 0:
            return Estimate(None, None, None, None, UNSTABLE)
        mean = total / n
        blur = (of_sum + mean**2 * of_rows) / n**2
        fixed = of_square + 4 * mean**2 * of_sum + 2 * (n * blur) ** 2
        return _solved(n, square / n - mean**2, n * blur, mean**2, fixed, of_rows, k)
    return decode


def covariance(asked: Asked) -> Decoder:
    """Return the decoder of (rows, sum of y, sum of x, sum of products)."""
    k = asked.quantile
    of_rows, of_y, of_x, of_product = asked.variances

    def decode(totals: Totals) -> Estimate:
        n, y, x, product = asked.values(totals)
        if n <= 0:
            return Estimate(None, None, None, None, UNSTABLE)
        a, b = y / n, x / n
        together = a * b * of_rows / n**2
        blur = ((of_y + a * a * of_rows) * (of_x + b * b * of_rows) / n**4 + together**2) * n**2
        fixed = of_product + b * b * of_y + a * a * of_x + blur
        return _solved(n, product / n - a * b, n * together, a * b, fixed, of_rows, k)
    return decode


def _solved(
    n: float, value: float, bias: float, of_means: float, fixed: float, of_rows: float, k: float,
) -> Estimate:
    """Return the estimate *value*: G(t) has variance fixed + (of_means - t)^2 of_rows, *bias* too low."""
    lead = n * n - k * k * of_rows
    centre = value * n + bias
    found = between(lead, centre * n - k * k * of_means * of_rows,
                    centre**2 - k * k * (fixed + of_means**2 * of_rows))
    if found is None:
        return Estimate(value, None, None, None, UNSTABLE)
    return Estimate(value, math.sqrt(fixed + (of_means - value) ** 2 * of_rows) / n, *found)


def stddev(asked: Asked) -> Decoder:
    """Return the decoder of the variance's root; its interval is the root of the variance's."""
    of_variance = variance(asked)

    def decode(totals: Totals) -> Estimate:
        found = of_variance(totals)
        if found.value is None or found.low is None or found.high is None or found.se is None:
            return replace(found, value=None if found.value is None or found.value < 0 else found.value**0.5)
        low, high = (max(end, 0.0) ** 0.5 for end in (found.low, found.high))
        if found.value <= 0:
            return Estimate(None, None, low, high, NEGATIVE)
        return Estimate(found.value**0.5, found.se / (2 * found.value**0.5), low, high)
    return decode
