"""The pass over a block of leaves: how many of a person's rows count in each leaf of each group.

1. `entries`, with the column's unit; `leaved`: the leaf of each.
2. `spread`: per person, group and leaf, how many rows; rows without a value keep their group's place.
3. `ranked`: of a person's groups the first g; only where the plan has more than g groups.
4. `running`: per person and group the rows up to each leaf, in public order, and all of them.
5. Per group and leaf, the sum over people of the rounded running total less the one before it.

Rounded running totals c R/n, c = min(n, k), rise from 0 to c, so that a person's leaves are at least
0 and add up to c exactly.
"""

from collections.abc import Sequence

from sqlglot import exp

from cotally.server.engines.entries import Entries, kept, numbered
from cotally.server.engines.lanes import declared
from cotally.server.engines.terms import Bindings, binary, case, cast, number
from cotally.server.engines.units import integer_type, units
from cotally.server.model.catalog import Table
from cotally.server.model.plan import Block, LeafScale
from cotally.server.statistics.leaves import starts

_ROWS = 2**40  # more rows than one holding has


def leaf_pass(
    block: Block, table: Table, entries: Entries, bindings: Bindings, many_groups: bool
) -> exp.Select:
    """The statement whose rows are (cell, leaf, sum) for *block*."""
    bounded = declared(table, block.column)
    tree = exp.select(exp.column("cell"), exp.column("leaf"), copy=False)
    tree, leaving = entries.begin(tree, {"u": units(bounded, bindings)})
    rows = exp.select(exp.column("cell"), exp.alias_(_leaf(block, table, bindings), "leaf", copy=False))
    rows = rows.from_("entries", copy=False)
    if leaving:
        rows = rows.where(numbered(), copy=False)
    if table.unit is None:
        tree = tree.with_("leaved", as_=rows, copy=False).from_("leaved", copy=False)
        tree = tree.select(exp.alias_(exp.Count(this=exp.Star()), "b0", copy=False), copy=False)
        return _of_leaves(tree)
    tree = tree.with_("leaved", as_=rows.select(exp.column("person"), copy=False), copy=False)
    tree, source = tree.with_("spread", as_=_spread(), copy=False), "spread"
    if many_groups:
        tree = tree.with_("ranked", as_=entries.rank("spread", exp.Anonymous(this="DENSE_RANK")), copy=False)
        source = "ranked"
    running = _running(source)
    if many_groups:
        running = running.where(kept(table.groups_per_person), copy=False)
    tree = tree.with_("running", as_=running, copy=False).from_("running", copy=False)
    worth = exp.Sum(this=_worth(table.rows_per_person, bindings))
    tree = tree.select(exp.alias_(worth, "b0", copy=False), copy=False)
    return tree.group_by(exp.column("cell"), exp.column("leaf"), copy=False)


def _leaf(block: Block, table: Table, bindings: Bindings) -> exp.Expression:
    """The leaf of the unit `u`, or NULL."""
    bounded = declared(table, block.column)
    unit = exp.column("u")
    assert block.leaves is not None
    if block.leaves.scale is LeafScale.EVEN:
        kind = integer_type(block.leaves.count * max(bounded.units, 1))
        scaled = binary(exp.Mul, cast(unit, kind), number(block.leaves.count))
        leaf = exp.paren(exp.IntDiv(this=scaled, expression=bindings.bind(max(bounded.units, 1))), copy=False)
        last = number(block.leaves.count - 1)
        return case((exp.GT(this=leaf, expression=last), last.copy()), otherwise=leaf.copy())
    begins: Sequence[int] = starts(bounded, block.leaves)[1:]
    missing = exp.Is(this=unit, expression=exp.null())
    steps = [(exp.LT(this=unit.copy(), expression=bindings.bind(begin)), number(leaf))
             for leaf, begin in enumerate(begins)]
    return case((missing, exp.null()), *steps, otherwise=number(len(begins)))


def _spread() -> exp.Select:
    names = [exp.column(name) for name in ("person", "cell", "leaf")]
    tree = exp.select(*names, exp.alias_(exp.Count(this=exp.Star()), "n", copy=False), copy=False)
    return tree.from_("leaved", copy=False).group_by(*(name.copy() for name in names), copy=False)


def _running(source: str) -> exp.Select:
    of_group = [exp.column("person"), exp.column("cell")]
    order = exp.Order(expressions=[exp.Ordered(this=exp.column("leaf"))])
    spec = exp.WindowSpec(
        kind="ROWS", start="UNBOUNDED", start_side="PRECEDING", end="CURRENT ROW"
    )
    upto = exp.Window(
        this=exp.Sum(this=exp.column("n")), partition_by=of_group, order=order, spec=spec
    )
    whole = exp.Window(
        this=exp.Sum(this=exp.column("n")), partition_by=[each.copy() for each in of_group]
    )
    tree = exp.select(
        exp.column("cell"), exp.column("leaf"), exp.column("n"), exp.alias_(upto, "upto", copy=False),
        exp.alias_(whole, "whole", copy=False), copy=False,
    )
    present = exp.Not(this=exp.Is(this=exp.column("leaf"), expression=exp.null()))
    return tree.from_(source, copy=False).where(present, copy=False)


def _worth(rows_per_person: int, bindings: Bindings) -> exp.Expression:
    """floor(c R/n + 1/2) - floor(c (R - r)/n + 1/2) for r rows in the leaf and R up to it."""
    kind = integer_type(4 * rows_per_person * _ROWS)
    rows, upto, whole = (cast(exp.column(name), kind) for name in ("n", "upto", "whole"))
    within = exp.LTE(this=whole, expression=bindings.bind(rows_per_person))
    twice = bindings.bind(2 * rows_per_person)

    def rounded(total: exp.Expression) -> exp.Expression:
        above = binary(exp.Add, binary(exp.Mul, total, twice.copy()), whole.copy())
        below = binary(exp.Mul, whole.copy(), number(2))
        return exp.paren(exp.IntDiv(this=above, expression=below), copy=False)

    many = binary(exp.Sub, rounded(upto), rounded(binary(exp.Sub, upto.copy(), rows)))
    return case((within, rows.copy()), otherwise=many)


def _of_leaves(tree: exp.Select) -> exp.Select:
    present = exp.Not(this=exp.Is(this=exp.column("leaf"), expression=exp.null()))
    return tree.where(present, copy=False).group_by(exp.column("cell"), exp.column("leaf"), copy=False)
