"""The price of an error that the privacy clause states for the query's first statistic."""

from fractions import Fraction
from math import ceil, floor
from typing import Final

from cotally.v1.refusals import Refusal, Refused

from ..dp import gaussian, laplace
from ..dp.rounding import decimal_text, root_up, short_decimal_down, short_decimal_up
from ..model.catalog import Table
from ..model.plan import PICO
from ..model.query import Mechanism, Query
from ..statistics.registry import METHODS
from . import limits
from .error import people_per_group, width_squared
from .layout import Layout

_SLACK: Final = 1 + Fraction(1, 2**26)  # covers the rounding of scales, quantiles and half-widths
_DIGITS: Final = 3  # of a range that a refusal names


class StatedError:
    """Half-widths of the first statistic against the price of a block, when every holder takes part.

    All blocks spend the same. A block's noise reaches, squared, `constant`/rho times its squared sensitivity.
    """

    def __init__(self, query: Query, table: Table, layout: Layout) -> None:
        first, mechanism = query.statistics[0], query.privacy.mechanism
        self._alias, self._layout, self._mechanism = first.alias, layout, mechanism
        self._method, self._column = METHODS[first.kind], table.column(first.column)
        self._people = people_per_group(table, layout.groups)
        self._encodings = self._method.encodings(self._column)
        self._shape = [Fraction(layout.sensitivity_squared(each, mechanism)) for each in self._encodings]
        self._constant = width_squared(query, table, first) / (2 * layout.share_of(mechanism))

    def pico_rho(self, error: Fraction) -> int:
        """The least price of a block at which the half-width is at most *error*."""
        if len(self._encodings) > 1:
            return self._least(error)
        # A half-width of t refined integers allows noise to reach t + 1/2. Which refinement that meets
        # depends on the price in turn: at most the one for *error* itself, or a neighbour.
        step, refinement = self._encodings[0].step, self._refinement(self._least(error))
        prices = {
            factor: self._least((floor(error * factor / step) + Fraction(1, 2)) * step / factor)
            for factor in {max(refinement // 2, 1), refinement, refinement * 2}
        }
        settled = [price for factor, price in prices.items() if self._refinement(price) == factor]
        return min(settled) if settled else max(prices.values())

    def _refinement(self, pico_rho: int) -> int:
        bounds, encoding = self._layout.bounds, self._encodings[0]
        if self._mechanism is Mechanism.GAUSSIAN:
            return gaussian.refinement(bounds.l2_squared(encoding), pico_rho, self._layout.honest)
        return laplace.refinement(bounds.l1(encoding), Fraction(2 * pico_rho, PICO))

    def _least(self, error: Fraction) -> int:
        """The least price at which the half-width is at most *error*, were totals not whole."""
        factor = self._method.affordable(self._shape, self._column, self._people, error)
        return ceil(self._constant / factor * _SLACK * PICO)

    def error(self, total_rho: Fraction) -> Fraction | None:
        """The half-width, rounded up, where all blocks together spend *total_rho*; None: the whole line."""
        factor = self._constant * len(self._layout.encodings) / total_rho
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
