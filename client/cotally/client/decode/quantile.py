"""QUANTILE and MEDIAN: edges of a dyadic tree's leaves, tested one by one.

The rows left of an edge less q times all rows is a sum over leaves, each estimated by least squares from
all nodes above and below it (Hay, Rastogi, Miklau and Suciu 2010), so linear in the nodes with known
variance. Edges from the left are surely too low until the first that is not, and likewise from the right:
the interval lies between. It misses on a side only if the one edge next to the truth errs, so it covers at
least as often as it says, and it includes a leaf's width. (The last edge that any test calls too low would
miss far more often: there are many.)
"""

from functools import lru_cache

import numpy as np

from ..leaves import edges
from ..published import column_of
from .asked import Asked, Decoder, Totals
from .estimate import UNSTABLE, Estimate


def quantile(asked: Asked) -> Decoder:
    """Return the decoder of a tree."""
    (block,), (measured,) = asked.blocks, asked.measured
    k, q = asked.quantile, float(asked.statistic.quantile)
    at = [float(edge) for edge in edges(column_of(asked.table, block.column), block.leaves)]
    weights = ranks(block.leaves.count, q)
    deviations = np.sqrt((weights**2).sum(axis=1) * measured.variance)
    worth = float(measured.worth)

    def decode(totals: Totals) -> Estimate:
        surplus = weights @ (np.array(totals[0], dtype=np.float64) * worth)
        too_low, too_high = surplus < -k * deviations, surplus > k * deviations
        if surplus[-1] / (1 - q) <= 0:
            return Estimate(None, None, None, None, UNSTABLE)
        reached = int(np.argmax(surplus[1:] >= 0)) + 1
        before, after = surplus[reached - 1], surplus[reached]
        share = min(max(-before / (after - before), 0.0), 1.0) if after > before else 0.0
        value = at[reached - 1] + share * (at[reached] - at[reached - 1])
        if not too_low[0] or not too_high[-1]:
            return Estimate(value, None, None, None, UNSTABLE)
        low = at[int(np.argmin(too_low)) - 1]
        high = at[len(at) - int(np.argmin(too_high[::-1]))]
        return Estimate(min(max(value, low), high), (high - low) / (2 * k), low, high)
    return decode


@lru_cache(maxsize=16)
def ranks(count: int, q: float) -> np.ndarray:
    """Return, per edge 0..count, the weight of each node in (rows left of it) - q (all rows).

    >>> ranks(2, 0.5).tolist()
    [[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5]]
    """
    holds = np.zeros((2 * count - 2, count))  # node x leaf
    for level in range(1, count.bit_length()):
        nodes = 2**level
        holds[nodes - 2:2 * nodes - 2] = np.repeat(np.eye(nodes), count // nodes, axis=1)
    left = np.vstack([np.zeros(count), np.tril(np.ones((count, count)))])
    result: np.ndarray = (left - q) @ np.linalg.solve(holds.T @ holds, holds.T)
    return result
