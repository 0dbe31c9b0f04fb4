"""Expected errors: half-widths of intervals, from noise alone, when every holder takes part."""

from fractions import Fraction
from functools import lru_cache
from math import ceil, comb, exp
from statistics import NormalDist

from ..dp.rounding import root_up, short_decimal_up
from ..model.catalog import Table
from ..model.plan import Block, Plan
from ..model.query import Mechanism, Query, StatisticKind
from ..statistics.registry import METHODS
from ..statistics.request import Basis, Request

_DIGITS = 9  # of quantiles and half-widths, rounded up: floats of different machines then agree


def expected_errors(query: Query, table: Table, plan: Plan) -> dict[str, Fraction | None]:
    """The half-width of each statistic's interval in every group, by alias, in the column's terms.

    Those of linear statistics are whole refined integers. The others are conditional: `bases` says
    on what. None where even then the interval is unbounded.
    """
    people = people_per_group(table, plan.blocks[0].cells // plan.blocks[0].width)
    errors: dict[str, Fraction | None] = {}
    for statistic, reading in zip(query.statistics, plan.readings, strict=True):
        request = Request.of(statistic, table)
        blocks = [plan.blocks[position] for position in reading]
        square = width_squared(query, table, request)
        reach = [square * (block.scale.fraction() / block.refinement) ** 2 for block in blocks]
        method = METHODS[statistic.kind]
        if method.BASIS is Basis.EXACT:
            errors[statistic.alias] = _whole_integers(reach[0], blocks[0])
        else:
            found = method.half_width_squared(reach, request, people)
            errors[statistic.alias] = None if found is None else short_decimal_up(root_up(found), _DIGITS)
    return errors


def bases(query: Query) -> dict[str, Basis]:
    """On what each statistic's expected error rests, by alias."""
    return {
        s.alias: Basis.EVEN if s.weight and s.kind is StatisticKind.MEAN else METHODS[s.kind].BASIS
        for s in query.statistics
    }


def _whole_integers(reach: Fraction, block: Block) -> Fraction:
    """The half-width of one total: noise within t + 1/2 refined integers is noise within t."""
    integers = ceil(root_up(reach) * block.refinement - Fraction(1, 2))
    return integers * block.step / block.refinement


def people_per_group(table: Table, groups: int) -> Fraction:
    """Rows of a group if `expected_people` spread evenly."""
    return Fraction(max(table.expected_people, 1), groups)


def width_squared(query: Query, table: Table, request: Request) -> Fraction:
    """Squared reach of a block's noise per squared share scale, when every holder of *table* adds a share."""
    shares = max(len(table.holders), 1)
    confidence = query.privacy.confidence
    normal = normal_quantile(confidence) ** 2 * shares
    if query.privacy.mechanism is Mechanism.GAUSSIAN:
        return normal
    laplace = laplace_quantile(confidence, shares) ** 2
    # Laplace of variance 2 b^2; a sum of several lies between the one block's tail and the normal's.
    return laplace if METHODS[request.statistic.kind].BASIS is Basis.EXACT else max(laplace, 2 * normal)


def normal_quantile(confidence: Fraction) -> Fraction:
    """z with P(|N(0, 1)| <= z) = confidence, rounded up.

    >>> normal_quantile(Fraction(19, 20))
    Fraction(195996399, 100000000)
    """
    return short_decimal_up(Fraction(NormalDist().inv_cdf(float((1 + confidence) / 2))), _DIGITS)


@lru_cache(maxsize=256)
def laplace_quantile(confidence: Fraction, shares: int) -> Fraction:
    """q with P(|L| <= q) = confidence, rounded up, L the sum of *shares* Laplace variables of scale 1.

    |L| is a mixture of Gamma(shares - k, 1), k = 0..shares-1, of weights C(shares-1+k, k) / 2^(shares-1+k).
    """
    weights = [
        float(Fraction(comb(shares - 1 + k, k), 2 ** (shares - 1 + k))) for k in range(shares - 1, -1, -1)
    ]
    outside = float(1 - confidence)
    low, high = 0.0, 1.0
    while _gamma_tail(high, weights) > outside:
        high *= 2
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if _gamma_tail(middle, weights) > outside else (low, middle)
    return short_decimal_up(Fraction(high), _DIGITS)


def _gamma_tail(distance: float, weights: list[float]) -> float:
    """The chance that a mixture of Gamma(1, 1), Gamma(2, 1), ... of *weights* exceeds *distance*."""
    term = beyond = exp(-distance)
    total = weights[0] * beyond
    for order, weight in enumerate(weights[1:], start=1):
        term *= distance / order
        beyond += term
        total += weight * beyond
    return total
