"""Which blocks each statistic has to be measured by, told from question and catalog alone.

A plan that measures something else, over other rows, in other units, or that states a smaller
sensitivity than one person's rows can have, is refused here (`docs/statistics.md`, the tables).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations_with_replacement
from typing import Final

from cotally.v1 import catalog_pb2, query_pb2, round_pb2
from cotally.v1.refusals import Refusal, Refused

from ..leaves import DEFAULT_TREE, even, logarithmic
from ..published import Units, column_of, present, rational

_OF_PEOPLE: Final[Mapping[int, round_pb2.BlockKind.ValueType]] = {
    query_pb2.STATISTIC_KIND_CLIPPED_LOW: round_pb2.BLOCK_KIND_CLIPPED_LOW,
    query_pb2.STATISTIC_KIND_CLIPPED_HIGH: round_pb2.BLOCK_KIND_CLIPPED_HIGH,
    query_pb2.STATISTIC_KIND_TRUNCATED: round_pb2.BLOCK_KIND_TRUNCATED,
}
_PERSONAL: Final = frozenset({round_pb2.BLOCK_KIND_PERSONS, *_OF_PEOPLE.values()})
LEAVED: Final = frozenset({round_pb2.BLOCK_KIND_CELLS, round_pb2.BLOCK_KIND_TREE})


@dataclass(frozen=True, slots=True)
class Want:
    """A block that a statistic needs: of one column or of two, over rows without NULL in `present`."""

    kind: round_pb2.BlockKind.ValueType
    column: str = ""
    second: str = ""
    present: tuple[str, ...] = ()
    leaves: tuple[int, int] = (0, 0)  # scale and count

    @classmethod
    def of(cls, block: round_pb2.Block) -> "Want":
        """Return what *block* says of itself."""
        return cls(block.kind, block.column, block.second.column, tuple(block.present),
                   (block.leaves.scale, block.leaves.count))

    def __str__(self) -> str:
        name = round_pb2.BlockKind.Name(self.kind).removeprefix("BLOCK_KIND_").lower().replace("_", " ")
        columns = " and ".join(each for each in (self.column, self.second) if each)
        return f"{name} of {columns}" if columns else name


def wanted(statistic: query_pb2.Statistic, table: catalog_pb2.Table) -> tuple[Want, ...]:
    """Return the blocks that *statistic* is decoded from, in the order of the page."""
    kind, c = statistic.kind, statistic.column
    columns = tuple(name for name in (c, *statistic.others) if name)
    full = present(table, columns)
    match kind:
        case query_pb2.STATISTIC_KIND_COUNT_ROWS | query_pb2.STATISTIC_KIND_COUNT:
            return (_sum(statistic.weight, full),) if statistic.weight else (_rows(full),)
        case query_pb2.STATISTIC_KIND_SUM:
            return (_product(c, statistic.weight, full) if statistic.weight else _sum(c, ()),)
        case query_pb2.STATISTIC_KIND_MEAN if statistic.weight:
            return _sum(statistic.weight, full), _product(c, statistic.weight, full)
        case query_pb2.STATISTIC_KIND_MEAN:
            return _rows(full), _centred(c, full)
        case query_pb2.STATISTIC_KIND_VARIANCE | query_pb2.STATISTIC_KIND_STDDEV:
            return _moments(columns, ((0, 0),), full)
        case query_pb2.STATISTIC_KIND_COVAR:
            return _moments(columns, ((0, 1),), full)
        case query_pb2.STATISTIC_KIND_CORR | query_pb2.STATISTIC_KIND_REGR:
            return _moments(columns, tuple(combinations_with_replacement(range(len(columns)), 2)), full)
        case query_pb2.STATISTIC_KIND_PERSONS | query_pb2.STATISTIC_KIND_INCIDENCES:
            return (Want(round_pb2.BLOCK_KIND_PERSONS),)
        case query_pb2.STATISTIC_KIND_HISTOGRAM:
            return (_leaved(round_pb2.BLOCK_KIND_CELLS, c, even(statistic.bins)),)
        case query_pb2.STATISTIC_KIND_QUANTILE:
            return (_leaved(round_pb2.BLOCK_KIND_TREE, c, even(statistic.bins or DEFAULT_TREE)),)
        case query_pb2.STATISTIC_KIND_SUGGEST_BOUNDS:
            return (_leaved(round_pb2.BLOCK_KIND_CELLS, c, logarithmic(column_of(table, c))),)
        case _ if kind in _OF_PEOPLE:
            return Want(round_pb2.BLOCK_KIND_PERSONS), Want(_OF_PEOPLE[kind], c)
        case _:
            raise Refused(Refusal.UNSUPPORTED, f"this client cannot decode the statistic {statistic.alias!r}")


def _rows(full: tuple[str, ...]) -> Want:
    first, *rest = full or ("",)
    return Want(round_pb2.BLOCK_KIND_COUNT, first, present=tuple(rest))


def _without(full: tuple[str, ...], *named: str) -> tuple[str, ...]:
    return tuple(name for name in full if name not in named)


def _sum(column: str, full: tuple[str, ...]) -> Want:
    return Want(round_pb2.BLOCK_KIND_SUM, column, present=_without(full, column))


def _centred(column: str, full: tuple[str, ...]) -> Want:
    return Want(round_pb2.BLOCK_KIND_CENTRED_SUM, column, present=_without(full, column))


def _product(first: str, second: str, full: tuple[str, ...]) -> Want:
    return Want(round_pb2.BLOCK_KIND_PRODUCT, first, second, _without(full, first, second))


def _moments(
    columns: Sequence[str], pairs: Sequence[tuple[int, int]], full: tuple[str, ...]
) -> tuple[Want, ...]:
    products = (sorted((columns[i], columns[j])) for i, j in pairs)
    return (_rows(full), *(_centred(name, full) for name in columns),
            *(_product(first, second, full) for first, second in products))


def _leaved(kind: round_pb2.BlockKind.ValueType, column: str, leaves: round_pb2.Leaves) -> Want:
    return Want(kind, column, leaves=(leaves.scale, leaves.count))


def blocks_of(
    plan: round_pb2.Plan, query: query_pb2.Query, table: catalog_pb2.Table,
) -> tuple[tuple[round_pb2.Block, ...], ...]:
    """Return, per statistic, the blocks that it is decoded from; refuse a plan that measures others."""
    if len(plan.readings) != len(query.statistics):
        raise Refused(Refusal.PLAN_MISMATCH, "the plan does not say what each statistic is decoded from")
    found = []
    for statistic, reading in zip(query.statistics, plan.readings, strict=True):
        if any(position >= len(plan.blocks) for position in reading.blocks):
            raise Refused(
                Refusal.PLAN_MISMATCH, f"{statistic.alias!r} is decoded from a block that the plan lacks"
            )
        blocks = tuple(plan.blocks[position] for position in reading.blocks)
        due = wanted(statistic, table)
        if tuple(map(Want.of, blocks)) != due:
            raise Refused(Refusal.PLAN_MISMATCH, f"the plan does not measure what {statistic.alias!r} needs: "
                                                 f"{', '.join(map(str, due))}")
        found.append(blocks)
    return tuple(found)


def width(block: round_pb2.Block) -> int:
    """Return how many coordinates *block* has in a group."""
    if block.kind not in LEAVED:
        return 1
    return block.leaves.count if block.kind == round_pb2.BLOCK_KIND_CELLS else 2 * block.leaves.count - 2


def check_units(block: round_pb2.Block, table: catalog_pb2.Table) -> int:
    """Return the largest worth of a row, in unrefined integers; refuse units that are not the catalog's."""
    if block.kind == round_pb2.BLOCK_KIND_COUNT or block.kind in _PERSONAL | LEAVED:
        if rational(block.step, "step") != 1 or rational(block.centre, "centre") != 0:
            raise _units(block)
        return 1
    first = round_pb2.Form(column=block.column, coarse=block.coarse, factor=block.factor, shift=block.shift,
                           centre=block.centre)
    step, low, high = _form(first, table)
    if block.kind == round_pb2.BLOCK_KIND_PRODUCT:
        other_step, other_low, other_high = _form(block.second, table)
        if first == block.second:
            high, low = max(low * low, high * high), 0
        else:
            corners = [a * b for a in (low, high) for b in (other_low, other_high)]
            low, high = min(corners), max(corners)
        step *= other_step
    if rational(block.step, "step") != step:
        raise _units(block)
    if block.kind == round_pb2.BLOCK_KIND_SUM and rational(block.centre, "centre") != 0:
        raise _units(block)
    return max(abs(low), abs(high), 1)


def _form(form: round_pb2.Form, table: catalog_pb2.Table) -> tuple[Fraction, int, int]:
    """Return what an integer of *form* is worth, and its least and largest integer."""
    units = Units.of(column_of(table, form.column))
    if form.coarse < 1 or form.factor < 1:
        raise Refused(Refusal.PLAN_MISMATCH, f"the plan has no units for {form.column!r}")
    step = units.resolution * form.coarse / form.factor
    if rational(form.centre, "centre") + step * form.shift != units.lower:
        raise Refused(Refusal.PLAN_MISMATCH, f"the plan's units of {form.column!r} are not the catalog's")
    most = (2 * units.most + form.coarse) // (2 * form.coarse)
    return step, form.shift, form.factor * most + form.shift


def _units(block: round_pb2.Block) -> Refused:
    return Refused(
        Refusal.PLAN_MISMATCH, f"the plan's units of {block.column or 'rows'!r} are not the catalog's"
    )


def check_sensitivity(block: round_pb2.Block, table: catalog_pb2.Table, groups: int) -> None:
    """Refuse a block that says that one person moves it by less than the table's bounds let one."""
    largest = check_units(block, table)
    rows, kept, m = (table.rows_per_person, min(table.groups_per_person, groups), table.overlap) if (
        table.unit_column) else (1, 1, table.overlap)
    if block.kind in _PERSONAL:
        rows = 1
    levels = block.leaves.count.bit_length() - 1 if block.kind == round_pb2.BLOCK_KIND_TREE else 1
    worth = rows * largest * block.refinement
    l1 = m * kept * worth * levels
    l2_squared = m * m * kept * worth * worth * levels
    if rational(block.l1, "sensitivity") < l1 or rational(block.l2_squared, "sensitivity") < l2_squared:
        raise Refused(
            Refusal.BAD_PROOF, f"the plan understates what one person can change in the {Want.of(block)}"
        )
