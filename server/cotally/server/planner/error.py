"""Expected errors: half-widths of intervals, from noise alone, when every holder takes part."""

from fractions import Fraction
from math import comb, exp
from statistics import NormalDist

from ..dp.rounding import ceil_sqrt, short_decimal_up
from ..model.catalog import Table
from ..model.plan import Plan
from ..model.query import Mechanism, Query, Statistic, StatisticKind
from ..statistics.encoding import Encoding
from ..statistics.registry import METHODS

_DIGITS = 9  # of quantiles and half-widths, rounded up: floats of different machines then agree


def expected_errors(query: Query, table: Table, plan: Plan) -> dict[str, Fraction]:
    """The half-width of each statistic's interval in every group, by alias, in the column's terms.

    A mean's is conditional on `expected_people`, spread evenly over the groups, and takes the
    worst distance of the mean from the middle of the bounds.
    """
    groups = plan.blocks[0].cells
    found = {(block.kind, block.column): block for block in plan.blocks}
    errors = {}
    for statistic in query.statistics:
        square = Fraction(0)
        for encoding, slope in sensitive_blocks(statistic, table, groups):
            block = found[encoding.kind, encoding.column]
            square += (slope * block.scale.fraction() / block.refinement) ** 2
        errors[statistic.alias] = root(square * width_squared(query, table, statistic))
    return errors


def sensitive_blocks(statistic: Statistic, table: Table, groups: int) -> list[tuple[Encoding, Fraction]]:
    """The blocks behind *statistic* and how far it moves per unrefined integer of each one's noise."""
    method = METHODS[statistic.kind]
    column = table.column(statistic.column)
    people = Fraction(max(table.expected_people, 1), groups)
    return list(zip(method.encodings(column), method.slopes(column, people), strict=True))


def width_squared(query: Query, table: Table, statistic: Statistic) -> Fraction:
    """Squared half-width per squared share scale, when every holder of *table* adds a share."""
    shares = max(len(table.holders), 1)
    confidence = query.privacy.confidence
    normal = normal_quantile(confidence) ** 2 * shares
    if query.privacy.mechanism is Mechanism.GAUSSIAN:
        return normal
    laplace = laplace_quantile(confidence, shares) ** 2
    # Laplace of variance 2 b^2; two blocks' sum lies between the one block's tail and the normal's.
    return max(laplace, 2 * normal) if statistic.kind is StatisticKind.MEAN else laplace


def root(square: Fraction) -> Fraction:
    """The square root, rounded up to nine digits."""
    widen = 4 ** max(64 - square.numerator.bit_length() + square.denominator.bit_length(), 0)
    return short_decimal_up(ceil_sqrt(square * widen) / Fraction(ceil_sqrt(Fraction(widen))), _DIGITS)


def normal_quantile(confidence: Fraction) -> Fraction:
    """z with P(|N(0, 1)| <= z) = confidence, rounded up.

    >>> normal_quantile(Fraction(19, 20))
    Fraction(97998199, 50000000)
    """
    return short_decimal_up(Fraction(NormalDist().inv_cdf(float((1 + confidence) / 2))), _DIGITS)


def laplace_quantile(confidence: Fraction, shares: int) -> Fraction:
    """q with P(|L| <= q) = confidence, rounded up, L the sum of *shares* Laplace variables of scale 1."""
    outside = float(1 - confidence)
    low, high = 0.0, 1.0
    while _laplace_tail(high, shares) > outside:
        high *= 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _laplace_tail(middle, shares) > outside else (low, middle)
    return short_decimal_up(Fraction(high), _DIGITS)


def _laplace_tail(distance: float, shares: int) -> float:
    """P(|L| > distance): |L| is a mixture of Gamma(n - k, 1), k < n, with weights C(n-1+k, k) / 2^(n-1+k)."""
    term = below = exp(-distance)  # P(Gamma(1) > distance), then of Gamma(2), ...
    tails = [below]
    for j in range(1, shares):
        term *= distance / j
        below += term
        tails.append(below)
    return sum(comb(shares - 1 + k, k) / 2 ** (shares - 1 + k) * tails[shares - 1 - k] for k in range(shares))
