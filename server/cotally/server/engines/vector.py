"""Lays person-level sums out as the vector that the plan promises: refined, clamped, in place."""

import math
from collections.abc import Iterable, Sequence

from cotally.server.model.catalog import Table
from cotally.server.model.plan import Plan
from cotally.server.model.query import Query


def groups(query: Query, table: Table) -> int:
    """How many groups the query's keys span, 1 without keys; groups are numbered row-major."""
    return math.prod(len(keys) for keys in key_lists(query, table))


def key_lists(query: Query, table: Table) -> list[tuple[str, ...]]:
    """The public keys of each GROUP BY column, in the query's order."""
    lists = []
    for name in query.keys:
        declared = table.column(name)
        if declared is None:
            raise ValueError(f"table {table.name} has no column {name}")
        lists.append(declared.keys)
    return lists


def place(rows: Iterable[Sequence[int]], plan: Plan, group_count: int) -> list[int]:
    """The vector of length `plan.coordinates`; a group without a row counts as 0.

    Each row is (group, one exact person-level sum per block in the plan's order).
    """
    sums = [[0] * group_count for _ in plan.blocks]
    for group, *values in rows:
        for position, value in enumerate(values):
            sums[position][group] = value
    vector = [0] * plan.coordinates
    for block, totals in zip(plan.blocks, sums, strict=True):
        if block.cells != group_count:
            raise ValueError(f"a block has {block.cells} cells where the query has {group_count} groups")
        vector[block.offset : block.offset + block.cells] = (
            max(block.low, min(block.high, block.refinement * total)) for total in totals
        )
    return vector
