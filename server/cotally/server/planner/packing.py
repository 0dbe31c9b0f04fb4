"""How noised integers share ciphertexts: slots so wide that honest coordinates stay in them.

The argument, in one place. A department's un-noised integer is clamped to the public caps of its
block, so it lies in -m..m with m = max(-low, high). Its noise share exceeds the distance t of `tail`
with chance at most 2^-80 / draws, draws being departments times coordinates of all blocks. The bias
b of a block is m + t; by the union bound over all draws some coordinate of some honest department
leaves -b..b of its block, which is when `crypto.packing.pack` refuses, in fewer than 2^-80 of the
releases. In all others every slot holds its sum exactly (`crypto.packing`, "no carry"), and no
narrower slot would.
"""

from collections.abc import Sequence
from fractions import Fraction
from math import ceil
from typing import Final

from ..crypto.packing import WIDEST, slot_width
from ..dp.rounding import ceil_sqrt
from ..model.packing import Packing, Run
from ..model.plan import Block
from ..model.query import Mechanism

OVERFLOW_BITS: Final = 80  # an honest coordinate leaves its slot in at most 2^-80 of the releases
TOTAL_BITS: Final = WIDEST  # a total and its sign fit 63 bits on the wire, with one to spare
_LN_2: Final = Fraction(69_315, 100_000)  # rounded up


class DoesNotFit(Exception):
    """The totals would leave their integers; the argument says what is too wide."""


def tail(block: Block, mechanism: Mechanism, draws: int) -> int:
    """A distance that one share's noise exceeds in none of *draws* draws but with chance 2^-80.

    Of the discrete Gaussian at most 2 exp(-t^2 / (2 s^2)) lies beyond t (it is subgaussian, Canonne,
    Kamath and Steinke 2020); of discrete Laplace at most 2 exp(-t/b).
    """
    depth = (OVERFLOW_BITS + (2 * draws).bit_length()) * _LN_2
    scale = block.scale.fraction()
    if mechanism is Mechanism.GAUSSIAN:
        return ceil_sqrt(2 * depth * scale**2)
    return ceil(depth * scale)


def pack(blocks: Sequence[Block], mechanism: Mechanism, departments: int, modulus_bits: int) -> Packing:
    """The narrowest slots for sums over *departments*, a run per block; packed totals stay below the modulus.

    Raises DoesNotFit where a slot needs more than TOTAL_BITS or than the modulus has.
    """
    draws = departments * sum(block.cells for block in blocks)
    runs = []
    for block in blocks:
        bias = max(-block.low, block.high) + tail(block, mechanism, draws)
        runs.append(Run(block.cells, slot_width(departments, bias), bias))
        if runs[-1].slot_bits > min(TOTAL_BITS, modulus_bits - 1):
            raise DoesNotFit(block.column)
    return Packing(tuple(runs), modulus_bits - 1)
