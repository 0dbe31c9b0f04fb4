"""QUANTILE and MEDIAN: edges of a dyadic tree's leaves, and between which of them the truth lies.

The rows left of an edge less q times all rows, its surplus, is a sum over leaves, each estimated by least
squares from all nodes above and below it (Hay, Rastogi, Miklau and Suciu 2010), so linear in the nodes. It
rises from edge to edge and crosses zero at the quantile. `crossing` refutes edges on either side; the
interval lies between, whole leaves included.
"""

from functools import lru_cache
from typing import Final

import numpy as np

from cotally.v1.query_pb2 import Mechanism

from ..leaves import edges
from ..published import column_of
from .asked import Asked, Decoder, Totals
from .crossing import Noises, rising
from .estimate import UNSTABLE, Estimate

_DRAWS: Final = 1999
_SEED: Final = 1954  # of draws that only calibrate; whoever decodes a release finds the same interval


def quantile(asked: Asked) -> Decoder:
    """Return the decoder of a tree."""
    (block,), (measured,) = asked.blocks, asked.measured
    k, q, count = asked.quantile, float(asked.statistic.quantile), block.leaves.count
    at = [float(edge) for edge in edges(column_of(asked.table, block.column), block.leaves)]
    weights = ranks(count, q)
    noise = measured.noise
    before_it = Noises(_draws(count, q, noise.mechanism, noise.departments),
                       np.sqrt((weights**2).sum(axis=1)), asked.confidence, k)
    behind_it = before_it.mirrored()
    unit = float(measured.worth) / measured.variance**0.5  # a node's noise has variance 1

    def decode(totals: Totals) -> Estimate:
        surplus = weights @ (np.array(totals[0], dtype=np.float64) * unit)
        if surplus[-1] <= 0:
            return Estimate(None, None, None, None, UNSTABLE)
        curve = rising(surplus)
        reached = min(max(int((curve < 0).sum()), 1), count)
        before, after = curve[reached - 1], curve[reached]
        share = min(max(-before / (after - before), 0.0), 1.0) if after > before else 0.0
        value = at[reached - 1] + share * (at[reached] - at[reached - 1])
        too_low = before_it.refuted(surplus, curve)
        too_high = behind_it.refuted(-surplus[::-1], -curve[::-1])
        if not too_low[0] or not too_high[0]:
            return Estimate(value, None, None, None, UNSTABLE)
        low, high = at[int(np.argmin(too_low)) - 1], at[count + 1 - int(np.argmin(too_high))]
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


@lru_cache(maxsize=8)
def _draws(count: int, q: float, mechanism: int, departments: int) -> np.ndarray:
    """Return, edge x draw, noise that surpluses might have had where a node's has variance 1."""
    rng = np.random.default_rng(_SEED)
    shape = (2 * count - 2, _DRAWS)
    if mechanism == Mechanism.MECHANISM_LAPLACE:
        nodes = rng.gamma(departments, size=shape) - rng.gamma(departments, size=shape)
        nodes /= (2 * departments) ** 0.5
    else:
        nodes = rng.standard_normal(shape)
    result: np.ndarray = (ranks(count, q) @ nodes).astype(np.float32)
    return result
