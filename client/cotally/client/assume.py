"""Totals that a group would have under public assumptions, without noise, to decode expected errors.

`people`: as many rows as `expected_people` spread evenly over the groups, values at their farthest bound,
where errors are largest. `even`: the same rows, values spread evenly over the bounds, columns independent.
"""

from collections.abc import Mapping
from enum import StrEnum
from fractions import Fraction
from typing import Final

from cotally.v1 import catalog_pb2, query_pb2, round_pb2

from .decode.asked import Asked
from .published import Units, column_of

_FARTHEST: Final = frozenset({
    query_pb2.STATISTIC_KIND_MEAN, query_pb2.STATISTIC_KIND_VARIANCE, query_pb2.STATISTIC_KIND_COVAR,
    query_pb2.STATISTIC_KIND_CLIPPED_LOW, query_pb2.STATISTIC_KIND_CLIPPED_HIGH,
    query_pb2.STATISTIC_KIND_TRUNCATED})
_EVEN: Final = frozenset({
    query_pb2.STATISTIC_KIND_STDDEV, query_pb2.STATISTIC_KIND_CORR, query_pb2.STATISTIC_KIND_REGR,
    query_pb2.STATISTIC_KIND_QUANTILE})


class Basis(StrEnum):
    """On what an expected error rests."""

    EXACT = "exact"
    PEOPLE = "people"
    EVEN = "even"


def basis(statistic: query_pb2.Statistic) -> Basis:
    """Return on what the expected error of *statistic* rests."""
    if statistic.kind in _EVEN or (statistic.weight and statistic.kind == query_pb2.STATISTIC_KIND_MEAN):
        return Basis.EVEN
    return Basis.PEOPLE if statistic.kind in _FARTHEST else Basis.EXACT


def totals(asked: Asked, people: Fraction) -> list[list[int]]:
    """Return the refined totals of one group of *people* rows, per block of the statistic."""
    far = asked.statistic.kind in _FARTHEST
    return [_block(block, asked.table, people, far, asked.statistic.weight) for block in asked.blocks]


def _block(
    block: round_pb2.Block, table: catalog_pb2.Table, people: Fraction, far: bool, weight: str
) -> list[int]:
    if block.leaves.count:
        return _leaves(block, people)
    if not block.factor:  # rows, persons, and shares of them at their largest
        return [round(people * block.refinement)]
    forms: Mapping[str, tuple[Fraction, Fraction]] = {
        form.column: _range(form, table) for form in (
            round_pb2.Form(column=block.column, coarse=block.coarse, factor=block.factor, shift=block.shift),
            block.second) if form.column}
    worth = Fraction(1)
    if block.second.column == block.column:
        (low, high), = forms.values()
        worth = max(low * low, high * high) if far else (low * low + low * high + high * high) / 3
    else:
        for name, (low, high) in forms.items():
            middle = (low + high) / 2
            worth *= max(low, high, key=abs) if far and name != weight else middle
    return [round(people * worth * block.refinement)]


def _range(form: round_pb2.Form, table: catalog_pb2.Table) -> tuple[Fraction, Fraction]:
    """Return the least and the largest integer of *form*."""
    most = (2 * Units.of(column_of(table, form.column)).most + form.coarse) // (2 * form.coarse)
    return Fraction(form.shift), Fraction(form.factor * most + form.shift)


def _leaves(block: round_pb2.Block, people: Fraction) -> list[int]:
    """Return cells or nodes with equal numbers of rows in all leaves."""
    count = block.leaves.count
    if block.kind != round_pb2.BLOCK_KIND_TREE:
        return [round(people * block.refinement / count)] * count
    sizes = [2**level for level in range(1, count.bit_length())]
    return [round(people * block.refinement / size) for size in sizes for _ in range(size)]
