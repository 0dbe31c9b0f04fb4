"""All groups of an answer, in public order, each with one estimate per statistic."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

from cotally.v1 import catalog_pb2, query_pb2, round_pb2
from cotally.v1.refusals import Refusal, Refused

from ..verify.claims import column_of, key_cells
from .estimate import Estimate, Measured, linear, ratio


@dataclass(frozen=True, slots=True)
class Row:
    """One group: its keys in the query's order, its estimates in the order of the statistics."""

    keys: tuple[str, ...]
    estimates: tuple[Estimate, ...]


def block_for(
    plan: round_pb2.Plan, table: catalog_pb2.Table, kind: round_pb2.BlockKind.ValueType, column: str,
) -> round_pb2.Block:
    """Return the plan's block of *kind* over *column*; a column that is never NULL is counted by rows."""
    names = [column]
    if kind == round_pb2.BLOCK_KIND_COUNT and column and not column_of(table, column).nullable:
        names.append("")
    for name in names:
        for block in plan.blocks:
            if block.kind == kind and block.column == name:
                return block
    raise Refused(Refusal.PLAN_MISMATCH, f"the plan does not measure what {column or 'COUNT(*)'!r} needs")


def blocks_for(
    plan: round_pb2.Plan, table: catalog_pb2.Table, statistic: query_pb2.Statistic,
) -> tuple[round_pb2.Block, ...]:
    """Return the blocks that *statistic* is decoded from: one, or for a mean (centred sum, count)."""
    match statistic.kind:
        case query_pb2.STATISTIC_KIND_COUNT_ROWS:
            return (block_for(plan, table, round_pb2.BLOCK_KIND_COUNT, ""),)
        case query_pb2.STATISTIC_KIND_COUNT:
            return (block_for(plan, table, round_pb2.BLOCK_KIND_COUNT, statistic.column),)
        case query_pb2.STATISTIC_KIND_SUM:
            return (block_for(plan, table, round_pb2.BLOCK_KIND_SUM, statistic.column),)
        case query_pb2.STATISTIC_KIND_MEAN:
            return (block_for(plan, table, round_pb2.BLOCK_KIND_CENTRED_SUM, statistic.column),
                    block_for(plan, table, round_pb2.BLOCK_KIND_COUNT, statistic.column))
        case _:
            raise Refused(Refusal.UNSUPPORTED, f"this client cannot decode the statistic {statistic.alias!r}")


def decode(
    plan: round_pb2.Plan, query: query_pb2.Query, table: catalog_pb2.Table, departments: int,
    totals: Sequence[int],
) -> tuple[Row, ...]:
    """Return one row per group, row-major in the keys' code lists, `other` last where declared.

    *totals* are noised, refined integers, one per coordinate; *departments* is how many added noise.
    """
    confidence = float(query.privacy.confidence)
    columns = [
        _estimates(plan, table, statistic, departments, totals, confidence) for statistic in query.statistics]
    cells = product(*(key_cells(column_of(table, key)) for key in query.keys))
    by_group = zip(*columns, strict=True)
    return tuple(Row(keys, estimates) for keys, estimates in zip(cells, by_group, strict=True))


def _estimates(
    plan: round_pb2.Plan, table: catalog_pb2.Table, statistic: query_pb2.Statistic, departments: int,
    totals: Sequence[int], confidence: float,
) -> list[Estimate]:
    blocks = blocks_for(plan, table, statistic)
    measured = [Measured.of(block, plan.mechanism, departments) for block in blocks]
    parts = [totals[block.offset:block.offset + block.cells] for block in blocks]
    if len(blocks) == 1:
        return [linear(measured[0], total, confidence) for total in parts[0]]
    return [
        ratio(measured[0], measured[1], above, below, confidence)
        for above, below in zip(*parts, strict=True)]
