"""QUANTILE and MEDIAN: edges of a dyadic tree's leaves, tested one by one.

The rows left of an edge less q times all rows is linear in the nodes: the fewest nodes that tile the left side,
times 1 - q, less those that tile the right side, times q. Edges from the left are surely too low until the first
that is not, and likewise from the right: the interval lies between, so it misses on a side only if one certain
edge's test errs, and it includes a leaf's width.
"""

from typing import Final

import numpy as np

from ..leaves import edges
from ..published import column_of
from .asked import Asked, Decoder, Totals
from .estimate import UNSTABLE, Estimate

_ONE: Final = 1.0


def quantile(asked: Asked) -> Decoder:
    """Return the decoder of a tree."""
    (block,), (measured,) = asked.blocks, asked.measured
    k, q = asked.quantile, float(asked.statistic.quantile)
    at = [float(edge) for edge in edges(column_of(asked.table, block.column), block.leaves)]
    weights = tiles(block.leaves.count, q)
    deviations = np.sqrt((weights**2).sum(axis=1) * measured.variance)
    worth = float(measured.worth)

    def decode(totals: Totals) -> Estimate:
        surplus = weights @ (np.array(totals[0], dtype=np.float64) * worth)
        too_low, too_high = surplus < -k * deviations, surplus > k * deviations
        if surplus[-1] / (1 - q) <= 0:
            return Estimate(None, None, None, None, UNSTABLE)
        reached = int(np.argmax(surplus[1:] >= 0)) + 1
        before, after = surplus[reached - 1], surplus[reached]
        share = min(max(-before / (after - before), 0.0), _ONE) if after > before else 0.0
        value = at[reached - 1] + share * (at[reached] - at[reached - 1])
        if not too_low[0] or not too_high[-1]:
            return Estimate(value, None, None, None, UNSTABLE)
        low = at[int(np.argmin(too_low)) - 1]
        high = at[len(at) - int(np.argmin(too_high[::-1]))]
        return Estimate(min(max(value, low), high), (high - low) / (2 * k), low, high)
    return decode


def tiles(count: int, q: float) -> np.ndarray:
    """Return, per edge 0..count, the weight of each node in (rows left of it) - q (all rows).

    >>> tiles(2, 0.5).tolist()
    [[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5]]
    """
    result = np.zeros((count + 1, 2 * count - 2))
    for edge in range(count + 1):
        result[edge, _cover(0, edge, count)] = 1 - q
        result[edge, _cover(edge, count, count)] = -q
    return result


def _cover(start: int, end: int, count: int) -> list[int]:
    """Return the fewest nodes whose leaves are start..end-1; the root is not among the nodes."""
    nodes = []
    while start < end:
        size = (start & -start) or count // 2
        while size > end - start or size == count:
            size //= 2
        level = count // size  # nodes of this size
        nodes.append(level - 2 + start // size)
        start += size
    return nodes
