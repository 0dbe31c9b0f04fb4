"""How fine a quantile's leaves are beside its noise."""

from fractions import Fraction
from math import ceil, inf

import numpy as np

from cotally.client.decode.asked import Asked
from cotally.client.decode.quantile import ranks
from cotally.client.verify.blocks import width


def steps(asked: Asked, group: int, exact: np.ndarray) -> float:
    """Standard deviation of the noisy rank of the true quantile, over the rows in the quantile's own leaf.

    A quantile is told to a leaf, so this is to it what a standard deviation in units is to a count.
    """
    (block,), (measured,) = asked.blocks, asked.measured
    leaves, end = block.leaves.count, block.offset + (group + 1) * width(block)
    rows = np.array(exact[end - leaves:end]) // block.refinement
    q, before = Fraction(asked.statistic.quantile), np.cumsum(rows)
    if before[-1] == 0:
        return inf
    leaf = int(np.searchsorted(before, max(ceil(q * int(before[-1])), 1)))
    weights = ranks(leaves, float(q))[leaf]
    return float((weights @ weights * measured.variance) ** 0.5 / rows[leaf])
