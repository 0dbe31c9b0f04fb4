"""From the privacy clause to the rho of each block: how strong its noise is, whatever is counted.

Everything is a rational; what is rounded is rounded so that no more than the asked price is spent and
the asked error is met.
"""

from fractions import Fraction
from math import floor

from cotally.v1.refusals import Refusal, Refused

from ..dp.accounting import loss_within
from ..dp.rounding import decimal_text, root_up
from ..model.account import PICO
from ..model.catalog import Table
from ..model.plan import Rules
from ..model.query import Mechanism, Query, Target
from . import limits
from .layout import Layout
from .split import parts, shares
from .stated_error import StatedError
from .stated_errors import stated_pico_rho


def block_rhos(query: Query, table: Table, rules: Rules, layout: Layout) -> tuple[Fraction, ...]:
    """The rho that each block may spend: whole pico-rho, or e^2/2 of its pure epsilon e.

    That epsilon is exact, or, where the population counts in epsilon, of whole pico-epsilon. Raises Refused
    BAD_PRIVACY, with the number and the range in which it may lie.
    """
    refuse_outside(query, acceptable(query, table, layout))
    amount = query.privacy.amount
    if query.privacy.target is Target.ERROR:
        rhos = tuple(Fraction(each, PICO) for each in stated_pico_rho(query, table, layout))
        if table.pure and sum(root_up(2 * rho) for rho in rhos) > limits.MOST_EPSILON:
            raise Refused(
                Refusal.BAD_PRIVACY, "the stated errors together need an epsilon above 100; widen one")
        return rhos
    wanted = shares(layout, parts(query, table, layout))
    whole = sum(wanted, Fraction(0))
    pure = query.privacy.target is Target.EPSILON and query.privacy.mechanism is Mechanism.LAPLACE
    if pure and not table.pure:
        return tuple((amount * part / whole) ** 2 / 2 for part in wanted)
    if query.privacy.target is Target.EPSILON:
        pico_loss = loss_within(amount, table.account, rules.delta)
    else:
        pico_loss = floor(amount * PICO)
    spent = [floor(pico_loss * part / whole) for part in wanted]
    if min(spent) < 1:
        raise Refused(
            Refusal.BAD_PRIVACY,
            f"{name(query)} is too little to split over {len(spent)} blocks of at least one "
            f"pico-{table.account}",
        )
    return tuple(Fraction(each, PICO) ** 2 / 2 if pure else Fraction(each, PICO) for each in spent)


def acceptable(query: Query, table: Table, layout: Layout) -> tuple[Fraction, Fraction]:
    """The least and the largest amount that the clause's target may have."""
    match query.privacy.target:
        case Target.EPSILON:
            return limits.LEAST_EPSILON, limits.MOST_EPSILON
        case Target.RHO:
            return limits.LEAST_RHO, limits.MOST_RHO
        case _:
            split = parts(query, table, layout)
            first = StatedError(query, table, layout, 0, split[0])
            return first.range(shares(layout, split))


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
