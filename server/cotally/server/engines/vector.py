"""Lays person-level sums out as the vector that the plan promises: refined, clamped, in place."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final, Protocol

from cotally.server.engines.terms import RECORDS
from cotally.server.model.catalog import Table
from cotally.server.model.plan import BlockKind, Plan
from cotally.server.model.query import Query
from cotally.server.statistics.leaves import ancestors

HELD: Final = "held{}"  # the relations of joined tables, numbered from 0

Rows = Iterable[Sequence[int]]


class Pass(Protocol):
    """What is known of the rows that a statement gives."""

    @property
    def blocks(self) -> tuple[int, ...]:
        """Positions in the plan of the blocks that it measures."""

    @property
    def of_leaves(self) -> bool:
        """True: rows are (group, leaf, sum); otherwise (group, a sum per block)."""


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


def relations(table: Table) -> dict[str, Table]:
    """The tables whose snapshots the statements over *table* read, by the relation's name.

    They have no computed keys: nobody stores these.
    """
    if not table.parts:
        return {RECORDS: replace(table, columns=tuple(c for c in table.columns if c.derived is None))}
    return {HELD.format(i): part for i, part in enumerate(table.parts)}


def place(passes: Iterable[tuple[Pass, Rows]], plan: Plan, group_count: int) -> list[int]:
    """The vector of length `plan.coordinates`; a group or leaf without a row counts as 0."""
    sums: dict[int, list[int]] = {}
    for measured, rows in passes:
        for position in measured.blocks:
            block = plan.blocks[position]
            if block.cells != group_count * block.width:
                raise ValueError(
                    f"a block of {block.width} coordinates has {block.cells} over {group_count} groups"
                )
        if measured.of_leaves:
            (position,) = measured.blocks
            sums[position] = _leaves(rows, plan, position, group_count)
            continue
        found = {position: [0] * group_count for position in measured.blocks}
        for group, *values in rows:
            for position, value in zip(measured.blocks, values, strict=True):
                found[position][group] = value
        sums |= found
    vector = [0] * plan.coordinates
    for position, block in enumerate(plan.blocks):
        vector[block.offset : block.offset + block.cells] = (
            max(block.low, min(block.high, block.refinement * total)) for total in sums[position]
        )
    return vector


def _leaves(rows: Rows, plan: Plan, position: int, group_count: int) -> list[int]:
    """The coordinates of a block of leaves, group by group."""
    block = plan.blocks[position]
    assert block.leaves is not None
    count = block.leaves.count
    totals = [0] * (group_count * count)
    for group, leaf, value in rows:
        totals[group * count + leaf] = value
    if block.kind is not BlockKind.TREE:
        return totals
    return [
        node
        for start in range(0, len(totals), count)
        for node in ancestors(totals[start : start + count])
    ]
