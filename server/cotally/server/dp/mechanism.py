"""One block's OpenDP measurement, built only where OpenDP's price agrees with the plan's.

OpenDP accepts a scale of zero and quotes data in its errors; neither passes this file.
"""

from fractions import Fraction
from functools import cache
from math import inf, ldexp, nextafter
from typing import Any, Final

from cotally.v1.refusals import Refusal, Refused

from ..model.account import PICO, Account
from ..model.plan import Block
from ..model.query import Mechanism
from .gaussian import LEAST_VARIANCE
from .laplace import loss
from .rounding import ceil_sqrt

_TOLERANCE: Final = Fraction(1, 10**12)  # OpenDP's upward rounding in binary floats
_ROUNDING: Final = 2  # pico-units: a price is rounded up to an integer, and tau may carry it one further
_EXTENT: Final = 900  # powers of two that a scale may lie from one, well inside binary floats


@cache
def _opendp() -> Any:
    """OpenDP, loaded when noise is first priced: whoever only joins a federation does without it."""
    import opendp.prelude as opendp

    opendp.enable_features("contrib")
    return opendp


def build(block: Block, mechanism: Mechanism, honest: int, account: Account) -> Any:
    """The measurement that adds one share of *block*'s noise to each of a list of integers.

    *account* is what the block's price is in.

    Raises Refused: BAD_PRIVACY for a scale that is zero, no binary float, or so narrow that shares
    would not add up to a Gaussian, and for Gaussian noise where epsilon is counted; PLAN_MISMATCH where
    the block's price is not what OpenDP's privacy map says of its sensitivity and scale.
    """
    scale = _float_scale(block)
    if mechanism is Mechanism.GAUSSIAN and scale**2 < LEAST_VARIANCE:
        raise Refused(Refusal.BAD_PRIVACY, f"the noise shares of {title(block)} are too narrow to add up")
    if mechanism is Mechanism.GAUSSIAN and account is not Account.RHO:
        raise Refused(Refusal.BAD_PRIVACY, f"the Gaussian noise of {title(block)} has no pure epsilon")
    opendp = _opendp()
    try:
        integers = opendp.vector_domain(opendp.atom_domain(T="i64"))
        if mechanism is Mechanism.GAUSSIAN:
            measurement = opendp.m.make_gaussian(integers, opendp.l2_distance(T="f64"), scale=scale)
            found = Fraction(_map(measurement, _root(block.l2_squared))) / honest
        else:
            measurement = opendp.m.make_laplace(integers, opendp.l1_distance(T="f64"), scale=scale)
            found = loss(Fraction(_map(measurement, _at_least(Fraction(block.l1)))), account)
    except Exception:
        raise Refused(Refusal.INTERNAL, f"the noise of {title(block)} cannot be made") from None
    asked = found * PICO
    if not asked * (1 - _TOLERANCE) <= block.pico_loss <= asked * (1 + _TOLERANCE) + _ROUNDING:
        raise Refused(Refusal.PLAN_MISMATCH, f"the price of {title(block)} is not the price of its noise")
    return measurement


def title(block: Block) -> str:
    """How a sentence names *block*."""
    return f"{block.kind.value}({block.column or '*'})"


def _map(measurement: Any, sensitivity: float) -> float:
    """OpenDP's price of one share: rho or epsilon."""
    return float(measurement.map(sensitivity))


def _float_scale(block: Block) -> float:
    """The scale as a binary float, exactly."""
    mantissa, exponent = block.scale.mantissa, block.scale.exponent
    if not 0 < mantissa < 2**53 or abs(exponent) > _EXTENT:
        raise Refused(Refusal.BAD_PRIVACY, f"the noise scale of {title(block)} is zero or out of range")
    return ldexp(mantissa, exponent)


def _root(square: int) -> float:
    """A binary float that is at least the square root, larger by at most 1e-15 of it."""
    return _at_least(Fraction(ceil_sqrt(Fraction(square << 128)), 1 << 64))


def _at_least(value: Fraction) -> float:
    """The nearest binary float that is not below *value*."""
    nearest = float(value)
    return nearest if Fraction(nearest) >= value else nextafter(nearest, inf)
