"""From the privacy clause to the rho of each block.

The loss is split equally over the distinct blocks. Everything is a rational; what is rounded is
rounded so that no more than the asked price is spent and the asked error is met.
"""

from fractions import Fraction
from math import ceil, floor

from cotally.v1.refusals import Refusal, Refused

from ..dp.accounting import rho_from_epsilon
from ..dp.rounding import decimal_text, short_decimal_down, short_decimal_up
from ..model.catalog import Table
from ..model.plan import PICO, Rules
from ..model.query import Mechanism, Query, Target
from . import limits
from .error import root, sensitive_blocks, width_squared
from .layout import Layout

_SLACK = 1 + Fraction(1, 2**26)  # covers the rounding of scales, quantiles and half-widths
_DIGITS = 3  # of a range that a refusal names


def block_rho(query: Query, table: Table, rules: Rules, layout: Layout) -> Fraction:
    """The rho that each block may spend: pico-rho, except that a pure epsilon is kept exact.

    Raises Refused BAD_PRIVACY, with the number and the range in which it may lie.
    """
    refuse_outside(query, acceptable(query, table, layout))
    amount, blocks = query.privacy.amount, len(layout.encodings)
    match query.privacy.target, query.privacy.mechanism:
        case Target.EPSILON, Mechanism.LAPLACE:
            return (amount / blocks) ** 2 / 2
        case Target.EPSILON, _:
            pico_rho = rho_from_epsilon(amount, rules.delta) // blocks
        case Target.RHO, _:
            pico_rho = floor(amount * PICO) // blocks
        case _:
            pico_rho = ceil(_rho_times_square(query, table, layout) / amount**2 * _SLACK * PICO)
    if pico_rho < 1:
        raise Refused(
            Refusal.BAD_PRIVACY,
            f"{name(query)} is too little to split over {blocks} blocks of at least one pico-rho",
        )
    return Fraction(pico_rho, PICO)


def acceptable(query: Query, table: Table, layout: Layout) -> tuple[Fraction, Fraction]:
    """The least and the largest amount that the clause's target may have."""
    match query.privacy.target:
        case Target.EPSILON:
            return limits.LEAST_EPSILON, limits.MOST_EPSILON
        case Target.RHO:
            return limits.LEAST_RHO, limits.MOST_RHO
        case _:
            square = _rho_times_square(query, table, layout) * len(layout.encodings)
            least, most = root(square / limits.MOST_RHO * _SLACK**2), root(square / limits.LEAST_RHO)
            return short_decimal_up(least, _DIGITS), short_decimal_down(most, _DIGITS)


def refuse_outside(query: Query, bounds: tuple[Fraction, Fraction]) -> None:
    """Refuse the clause, naming *bounds*, if its amount lies outside of them."""
    least, most = bounds
    if not least <= query.privacy.amount <= most:
        raise Refused(
            Refusal.BAD_PRIVACY,
            f"{name(query)} is out of range: for this query it must lie between "
            f"{decimal_text(least)} and {decimal_text(most)}",
        )


def name(query: Query) -> str:
    """The clause's target as the analyst wrote it."""
    return f"{query.privacy.target.value} {decimal_text(query.privacy.amount)}"


def _rho_times_square(query: Query, table: Table, layout: Layout) -> Fraction:
    """A block's rho times the squared half-width of the first statistic: constant in rho."""
    first, mechanism = query.statistics[0], query.privacy.mechanism
    square = Fraction(0)
    for encoding, slope in sensitive_blocks(first, table, layout.groups):
        square += slope**2 * layout.sensitivity_squared(encoding, mechanism)
    return square * width_squared(query, table, first) / (2 * layout.share_of(mechanism))
