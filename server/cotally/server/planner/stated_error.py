"""The price of an error that is stated for one statistic."""

from collections.abc import Sequence
from fractions import Fraction
from math import ceil, floor
from typing import Final

from cotally.v1.refusals import Refusal, Refused

from ..dp import gaussian, laplace
from ..dp.rounding import decimal_text, root_up, short_decimal_down, short_decimal_up
from ..model.account import PICO
from ..model.catalog import Table
from ..model.query import Mechanism, Query, StatisticKind
from ..statistics.registry import METHODS
from ..statistics.request import Basis
from . import limits
from .error import people_per_group, width_squared
from .layout import Layout
from .split import Parts

_SLACK: Final = 1 + Fraction(1, 2**26)  # covers the rounding of scales, quantiles and half-widths
_DIGITS: Final = 3  # of a range that a refusal names
_MOST: Final = 2**80  # pico-rho of a part, beyond any that can be asked for


class StatedError:
    """Half-widths of one statistic against the pico-rho of a part, when every holder takes part.

    A block's noise reaches, squared, `constant`/rho times its squared sensitivity; a block's rho is
    its part of the statistic's, or what other statistics give it if that is more.
    """

    def __init__(self, query: Query, table: Table, layout: Layout, position: int, own: Parts) -> None:
        self._request, self._layout, self._own = layout.requests[position], layout, own
        self._reading = layout.readings[position]
        self._mechanism = query.privacy.mechanism
        self._method = METHODS[self._request.statistic.kind]
        self._people = people_per_group(table, layout.groups)
        self._encodings = [layout.encodings[block] for block in self._reading]
        self._shape = [
            Fraction(layout.sensitivity_squared(each, self._mechanism)) for each in self._encodings
        ]
        self._constant = width_squared(query, table, self._request) / (2 * layout.share_of(self._mechanism))

    def pico_rho(self, error: Fraction, given: Sequence[int]) -> int:
        """The least price of a part at which the half-width is at most *error*.

        *given* is the pico-rho that each block of the layout has from other statistics.
        """
        own = [given[block] for block in self._reading]
        if self._method.BASIS is not Basis.EXACT:
            return self._least(error, own)
        # A half-width of t refined integers allows noise to reach t + 1/2. Which refinement that meets
        # depends on the price in turn: at most the one for *error* itself, or a neighbour.
        step, refinement = self._encodings[0].step, self._refinement(self._least(error, own))
        prices = {
            factor: self._least((floor(error * factor / step) + Fraction(1, 2)) * step / factor, own)
            for factor in {max(refinement // 2, 1), refinement, refinement * 2}
        }
        settled = [price for factor, price in prices.items() if self._refinement(price) == factor]
        return min(settled) if settled else max(prices.values())

    def spent(self, price: int) -> dict[int, int]:
        """The pico-rho of the blocks that it reads where a part costs *price*."""
        return {block: ceil(price * part) for block, part in zip(self._reading, self._own, strict=True)}

    def _refinement(self, price: int) -> int:
        bounds, encoding = self._layout.bounds, self._encodings[0]
        pico_rho = ceil(price * self._own[0])
        if self._mechanism is Mechanism.GAUSSIAN:
            return gaussian.refinement(bounds.l2_squared(encoding), pico_rho, self._layout.honest)
        return laplace.refinement(bounds.l1(encoding), Fraction(2 * pico_rho, PICO))

    def _least(self, error: Fraction, given: Sequence[int]) -> int:
        """The least price of a part at which the half-width is at most *error*, were totals not whole."""
        if self._method.BASIS is Basis.EXACT:
            # half-width^2 = constant * shape * worth / rho: no search is needed.
            worth = self._method.half_width_squared([Fraction(1)], self._request, self._people)
            assert worth is not None
            rho = self._constant * self._shape[0] * worth / error**2 * _SLACK * PICO
            return max(ceil(rho / self._own[0]), 1)
        high = 1
        while high < _MOST and not self._meets(error, high, given):
            high *= 2
        low = high // 2
        while high - low > 1 + (high >> 40):
            middle = (low + high) // 2
            low, high = (low, middle) if self._meets(error, middle, given) else (middle, high)
        return ceil(high * _SLACK)

    def _meets(self, error: Fraction, price: int, given: Sequence[int]) -> bool:
        rhos = [max(price * part, Fraction(other)) for part, other in zip(self._own, given, strict=True)]
        square = self._half_width_squared(rhos)
        return square is not None and square <= error**2

    def _half_width_squared(self, pico_rhos: Sequence[Fraction]) -> Fraction | None:
        reach = [
            self._constant * shape * PICO / pico_rho
            for shape, pico_rho in zip(self._shape, pico_rhos, strict=True)
        ]
        return self._method.half_width_squared(reach, self._request, self._people)

    def error(self, pico_rhos: Sequence[Fraction]) -> Fraction | None:
        """The half-width, rounded up, where the layout's blocks spend *pico_rhos*; None: the whole line."""
        return self._error([pico_rhos[block] for block in self._reading])

    def _error(self, pico_rhos: Sequence[Fraction]) -> Fraction | None:
        square = self._half_width_squared(pico_rhos)
        return None if square is None else root_up(square)

    def range(self, shares: Parts) -> tuple[Fraction, Fraction]:
        """The errors that can be asked for where blocks spend in the proportion of *shares*."""
        whole = sum(shares, Fraction(0))
        each = [shares[block] * PICO / whole for block in self._reading]
        least = self._error([part * limits.MOST_RHO / _SLACK**2 for part in each])
        most, rho = None, limits.LEAST_RHO
        while most is None and rho < limits.MOST_RHO:  # the smallest loss at which there is an interval
            most, rho = self._error([part * rho for part in each]), 2 * rho
        if self._request.statistic.kind is StatisticKind.MEAN:
            senseless = (self._request.number.upper - self._request.number.lower) / 2
            most = senseless if most is None else min(most, senseless)
        least = None if least is None else short_decimal_up(least, _DIGITS)
        most = None if most is None else short_decimal_down(most, _DIGITS)
        if least is None or most is None or least > most:
            raise Refused(
                Refusal.BAD_PRIVACY,
                f"no error can be stated for {self._request.statistic.alias!r}: a group has about "
                f"{decimal_text(self._people)} people, too few for its noise; state epsilon instead",
            )
        return least, most
