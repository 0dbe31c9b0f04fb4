"""Additive, non-negative values beside the unbiased ones (`consistent = true`).

The cells of a block, over all groups and bins, are moved to the nearest non-negative ones (least squares)
with the same total, or 0 where that is negative. Margins of adjusted cells are sums of them, so they add up
too. This is post-processing: it costs nothing, and it biases small cells upwards, which is why it stands
beside.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from cotally.v1 import query_pb2

from .estimate import Cell, Estimate

ADJUSTED: Final = frozenset({
    query_pb2.STATISTIC_KIND_COUNT_ROWS, query_pb2.STATISTIC_KIND_COUNT, query_pb2.STATISTIC_KIND_PERSONS,
    query_pb2.STATISTIC_KIND_INCIDENCES, query_pb2.STATISTIC_KIND_HISTOGRAM,
    query_pb2.STATISTIC_KIND_SUGGEST_BOUNDS,
})


def adjusted(estimates: Sequence[Estimate]) -> list[Estimate]:
    """Return *estimates*, one per group, each with its adjusted value: all cells of one block together."""
    leaves = [list(each.cells) or [Cell((), each)] for each in estimates]
    flat = [cell.estimate.value or 0.0 for group in leaves for cell in group]
    moved = iter(projected(np.array(flat)).tolist())
    result = []
    for each, group in zip(estimates, leaves, strict=True):
        cells = tuple(Cell(cell.label, replace(cell.estimate, adjusted=next(moved))) for cell in group)
        result.append(replace(each, cells=cells) if each.cells else cells[0].estimate)
    return result


def projected(values: np.ndarray) -> np.ndarray:
    """Return the nearest non-negative values with the total of *values*, or all 0 where that is negative.

    Held, Wolfe and Crowder 1974: all are lowered by one amount, and cut at 0.

    >>> projected(np.array([5.0, 3.0, -2.0])).tolist()
    [4.0, 2.0, 0.0]
    """
    total = float(values.sum())
    if total <= 0:
        return np.zeros(len(values))
    falling = np.sort(values)[::-1]
    above = (np.cumsum(falling) - total) / np.arange(1, len(values) + 1)
    kept = int(np.nonzero(falling > above)[0][-1])
    result: np.ndarray = np.maximum(values - above[kept], 0.0)
    return result
