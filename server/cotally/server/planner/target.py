"""From the privacy clause to the rho of each block.

The loss is split equally over the distinct blocks. Everything is a rational; what is rounded is
rounded so that no more than the asked price is spent and the asked error is met.
"""

from fractions import Fraction
from math import floor

from cotally.v1.refusals import Refusal, Refused

from ..dp.accounting import rho_from_epsilon
from ..dp.rounding import decimal_text
from ..model.catalog import Table
from ..model.plan import PICO, Rules
from ..model.query import Mechanism, Query, Target
from . import limits
from .layout import Layout
from .stated_error import StatedError


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
            pico_rho = StatedError(query, table, layout).pico_rho(amount)
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
            return StatedError(query, table, layout).range()


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
