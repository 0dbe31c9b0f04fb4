"""Linear forms of a column's unit, in units coarse enough for what is built from them.

A coarse unit v = floor(u / coarse + 1/2) stands for the value lower + resolution * coarse * v. The
truth that a statistic of coarse units estimates is that of these values.
"""

from dataclasses import dataclass
from fractions import Fraction
from math import gcd
from typing import Final

from cotally.v1.refusals import Refusal, Refused

from ..model.catalog import Column
from ..model.plan import Form

_COARSEST: Final = 2**120  # an engine sums no column with more units


@dataclass(frozen=True, slots=True)
class Scaled:
    """A form with the worth of its integer and the range that it takes over all units."""

    form: Form
    step: Fraction
    low: int
    high: int


def coarse_units(column: Column, coarse: int) -> int:
    """The largest coarse unit of *column*."""
    return (2 * column.units + coarse) // (2 * coarse)


def centred(column: Column, limit: int | None = None) -> Scaled:
    """v minus the middle of the coarse units; the coarsest value within *limit*, at least 1, of it.

    >>> from cotally.server.model.catalog import ColumnType
    >>> age = Column("age", ColumnType.INTEGER, upper=Fraction(99))
    >>> centred(age).low, centred(age).high, centred(age, 10).form.coarse
    (-49, 50, 8)
    """
    coarse = 1
    while True:
        most = coarse_units(column, coarse)
        middle = most // 2
        if limit is None or most - middle <= max(limit, 1):
            break
        coarse *= 2
    step = column.resolution * coarse
    form = Form(column.name, coarse, 1, -middle, column.lower + step * middle)
    return Scaled(form, step, -middle, most - middle)


def plain(column: Column, limit: int | None = None) -> Scaled:
    """The value itself, in integers of q = gcd(lower, resolution * coarse) each.

    Refuses (UNSUPPORTED) a column that no coarse unit brings within *limit*.
    """
    coarse = 1
    while coarse < _COARSEST:
        width = column.resolution * coarse
        step = _common_measure(column.lower, width)
        factor, shift = int(width / step), int(column.lower / step)
        high = factor * coarse_units(column, coarse) + shift
        if limit is None or max(abs(shift), abs(high)) <= max(limit, 1):
            return Scaled(Form(column.name, coarse, factor, shift, Fraction(0)), step, shift, high)
        if coarse > column.units:
            break
        coarse *= 2
    raise Refused(
        Refusal.UNSUPPORTED,
        f"products with {column.name!r} do not fit a release's integers; bound it from 0 or more coarsely",
    )


def _common_measure(first: Fraction, second: Fraction) -> Fraction:
    """The largest rational of which both are integer multiples."""
    return Fraction(
        gcd(first.numerator * second.denominator, second.numerator * first.denominator),
        first.denominator * second.denominator,
    )
