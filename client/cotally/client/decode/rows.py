"""All groups of an answer, in public order, each with one estimate per statistic."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

from cotally.v1 import catalog_pb2, query_pb2, round_pb2

from ..published import column_of, key_cells
from ..verify.blocks import blocks_of, width
from .asked import Asked
from .consistent import ADJUSTED, adjusted
from .estimate import Estimate, Measured
from .methods import METHODS
from .quality import Quality


@dataclass(frozen=True, slots=True)
class Row:
    """One group: its keys in the query's order, its estimates in the order of the statistics."""

    keys: tuple[str, ...]
    estimates: tuple[Estimate, ...]


def asked_of(
    plan: round_pb2.Plan, query: query_pb2.Query, table: catalog_pb2.Table, departments: int,
) -> tuple[Asked, ...]:
    """Return what each statistic's decoder needs; refuse a plan that measures something else."""
    confidence = float(query.privacy.confidence)
    return tuple(
        Asked(statistic, table, blocks,
              tuple(Measured.of(block, plan.mechanism, departments) for block in blocks), confidence)
        for statistic, blocks in zip(query.statistics, blocks_of(plan, query, table), strict=True))


def decode(
    plan: round_pb2.Plan, query: query_pb2.Query, table: catalog_pb2.Table, departments: int,
    totals: Sequence[int],
) -> tuple[Row, ...]:
    """Return one row per group, row-major in the keys' cells, `other` last where declared.

    *table* is the effective one (`scope`). *totals* are noised, refined integers, one per coordinate;
    *departments* is how many added noise.
    """
    cells = list(product(*(key_cells(column_of(table, key)) for key in query.keys)))
    quality = Quality.of(table)
    columns = []
    for asked in asked_of(plan, query, table, departments):
        estimates = _estimates(asked, len(cells), totals)
        if query.consistent and asked.statistic.kind in ADJUSTED and not asked.statistic.weight:
            estimates = adjusted(estimates)
        columns.append(estimates if quality is None else [quality.judged(each) for each in estimates])
    by_group = zip(*columns, strict=True)
    return tuple(Row(keys, estimates) for keys, estimates in zip(cells, by_group, strict=True))


def _estimates(asked: Asked, groups: int, totals: Sequence[int]) -> list[Estimate]:
    """Return the estimate of every group."""
    decoder = METHODS[asked.statistic.kind](asked)
    parts = [(block.offset, width(block)) for block in asked.blocks]
    return [
        decoder([totals[offset + group * wide:offset + (group + 1) * wide] for offset, wide in parts])
        for group in range(groups)]
