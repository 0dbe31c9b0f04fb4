"""From the privacy clause to the rho of each block.

The loss is split equally over the distinct blocks. Everything is a rational; what is rounded is
rounded so that no more than the asked price is spent and the asked error is met.
"""

from fractions import Fraction
from math import ceil, floor

from cotally.v1.refusals import Refusal, Refused

from ..dp.accounting import rho_from_epsilon
from ..dp.rounding import decimal_text, root_up, short_decimal_down, short_decimal_up
from ..model.catalog import Table
from ..model.plan import PICO, Rules
from ..model.query import Mechanism, Query, Target
from ..statistics.registry import METHODS
from . import limits
from .error import people_per_group, width_squared
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
            pico_rho = ceil(_Stated(query, table, layout).rho(amount) * PICO)
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
            return _Stated(query, table, layout).range()


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


class _Stated:
    """The error that a clause states for the query's first statistic, against the rho of a block.

    A block's noise reaches, squared, `constant`/rho times its squared sensitivity.
    """

    def __init__(self, query: Query, table: Table, layout: Layout) -> None:
        first, mechanism = query.statistics[0], query.privacy.mechanism
        self._alias, self._blocks = first.alias, len(layout.encodings)
        self._method, self._column = METHODS[first.kind], table.column(first.column)
        self._people = people_per_group(table, layout.groups)
        self._shape = [
            Fraction(layout.sensitivity_squared(encoding, mechanism))
            for encoding in self._method.encodings(self._column)
        ]
        self._constant = width_squared(query, table, first) / (2 * layout.share_of(mechanism))

    def rho(self, error: Fraction) -> Fraction:
        """The least rho of a block at which the half-width is at most *error*."""
        factor = self._method.affordable(self._shape, self._column, self._people, error)
        return self._constant / factor * _SLACK

    def error(self, total_rho: Fraction) -> Fraction | None:
        """The half-width, rounded up, where all blocks together spend *total_rho*; None: the whole line."""
        factor = self._constant * self._blocks / total_rho
        reach = [factor * part for part in self._shape]
        square = self._method.half_width_squared(reach, self._column, self._people)
        return None if square is None else root_up(square)

    def range(self) -> tuple[Fraction, Fraction]:
        """The errors that can be asked for; a mean's stay below half of its bounds' width."""
        least, most = self.error(limits.MOST_RHO / _SLACK**2), self.error(limits.LEAST_RHO)
        if len(self._shape) > 1 and self._column is not None:
            senseless = (self._column.upper - self._column.lower) / 2
            most = senseless if most is None else min(most, senseless)
        least = None if least is None else short_decimal_up(least, _DIGITS)
        most = None if most is None else short_decimal_down(most, _DIGITS)
        if least is None or most is None or least > most:
            raise Refused(
                Refusal.BAD_PRIVACY,
                f"no error can be stated for {self._alias!r}: a group has about "
                f"{decimal_text(self._people)} people, too few for its noise; state epsilon or rho",
            )
        return least, most
