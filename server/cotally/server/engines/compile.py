"""Compiles a plan into statements over a snapshot; their rows are the measurement, group by group.

One pass sums everything that has one coordinate per group (`summed`), one more per block of leaves
(`leaved`). All passes keep the same groups of a person. A tree is an sqlglot expression without a
dialect: identifiers quoted, values bound. Division is only asked of non-negative integers, so that
truncating and flooring engines agree.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlglot import exp

from cotally.server.engines.entries import Entries
from cotally.server.engines.leaved import leaf_pass
from cotally.server.engines.summed import SummedPass
from cotally.server.engines.terms import Bindings, Bound
from cotally.server.engines.vector import groups
from cotally.server.model.catalog import Table
from cotally.server.model.plan import Plan
from cotally.server.model.query import Query


@dataclass(frozen=True, slots=True)
class Measurement:
    """One pass: a statement and the values that it binds.

    Its rows are (group, one sum per block of `blocks`), or, `of_leaves`, (group, leaf, sum).
    """

    tree: exp.Select
    bindings: Mapping[str, Bound]
    blocks: tuple[int, ...]  # positions in the plan
    of_leaves: bool = False

    def __repr__(self) -> str:
        return "Measurement(...)"  # the salt is among the bindings


def compile_measurement(query: Query, table: Table, plan: Plan, salt: bytes) -> tuple[Measurement, ...]:
    """The passes whose rows `vector.place` turns into the plan's vector.

    *table* is the query's effective table. Refuses (UNSUPPORTED) a plan whose exact sums could leave
    128 bits; this depends on public numbers only. Raises ValueError for a query or plan that does not
    fit the table.
    """
    many_groups = table.unit is not None and groups(query, table) > table.groups_per_person
    passes = []
    summed = tuple(i for i, block in enumerate(plan.blocks) if block.leaves is None)
    if summed:
        bindings = Bindings()
        entries = Entries(query, table, salt, bindings)
        blocks = [plan.blocks[i] for i in summed]
        tree = SummedPass(blocks, table, entries, bindings, many_groups).compile()
        passes.append(Measurement(tree, bindings.values, summed))
    for i, block in enumerate(plan.blocks):
        if block.leaves is not None:
            bindings = Bindings()
            entries = Entries(query, table, salt, bindings)
            tree = leaf_pass(block, table, entries, bindings, many_groups)
            passes.append(Measurement(tree, bindings.values, (i,), of_leaves=True))
    return tuple(passes)
