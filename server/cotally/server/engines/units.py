"""Encodes one column's value as whole units above its lower bound, inside the query tree.

Integer columns are exact. Float columns follow one sequence of IEEE 754 double operations, each
correctly rounded and therefore equal on every engine: clamp to the doubles nearest to the bounds,
subtract `lower`, divide by `resolution`, add one half, floor, clamp to the double nearest to M; what
is cut from that is clamped to M again, which that double may exceed. Clamping comes first, so infinity
is safe, and nothing is cut that is too large for its integer. A value within rounding of a half may
move to the neighbouring unit, but never out of 0..M, on which alone sensitivity depends.
"""

import math
from fractions import Fraction

from sqlglot import exp

from cotally.server.engines.predicate import nearest
from cotally.server.engines.terms import RECORDS, Bindings, binary, case, cast, clamp, column
from cotally.server.model.catalog import Column, ColumnType
from cotally.v1.refusals import Refusal, Refused

NARROW = 2**62  # integers of this magnitude, and sums of two of them, fit 64 bits
_WIDE = 2**120  # the same for 128 bits, with room to spare


def integer_type(bound: int) -> str:
    """The narrowest type for integers whose magnitude is publicly at most *bound*."""
    return "bigint" if bound < NARROW else "int128"


def units(declared: Column, bindings: Bindings) -> exp.Expression:
    """Integer 0..M, or NULL where the column is NULL. Refuses columns wider than 120 bits."""
    if declared.units >= _WIDE:
        raise Refused(Refusal.UNSUPPORTED, f"column {declared.name} has more units than an engine can sum")
    if declared.type is ColumnType.INTEGER:
        return _of_integer(declared, bindings)
    if declared.type is ColumnType.FLOAT:
        return _of_float(declared, bindings)
    raise ValueError(f"column {declared.name} is no number")


def _of_integer(declared: Column, bindings: Bindings) -> exp.Expression:
    lower, upper = declared.lower, declared.upper
    if lower.denominator != 1 or upper.denominator != 1 or declared.resolution != 1:
        raise ValueError(f"integer column {declared.name} has a bound that is no integer")
    kind = integer_type(max(abs(int(lower)), abs(int(upper)), declared.units))
    raw = cast(column(declared.name, RECORDS), kind)
    low, high = bindings.bind(int(lower)), bindings.bind(int(upper))
    return binary(exp.Sub, clamp(raw, low, high), low.copy())


def _of_float(declared: Column, bindings: Bindings) -> exp.Expression:
    bounds = [nearest(x) for x in (declared.lower, declared.upper, declared.resolution)]
    if not all(map(math.isfinite, bounds)) or bounds[2] <= 0:
        raise ValueError(f"column {declared.name} has a bound or resolution beyond double precision")
    low, high, resolution = map(bindings.bind, bounds)
    offset = binary(exp.Sub, clamp(column(declared.name, RECORDS), low, high), low.copy())
    rounded = exp.Floor(this=binary(exp.Add, binary(exp.Div, offset, resolution), bindings.bind(0.5)))
    most = bindings.bind(nearest(Fraction(declared.units)))
    bounded = case((exp.GT(this=rounded, expression=most), most.copy()), otherwise=rounded.copy())
    whole = cast(bounded, integer_type(declared.units))
    top = bindings.bind(declared.units)
    return case((exp.GT(this=whole, expression=top), top.copy()), otherwise=whole.copy())
