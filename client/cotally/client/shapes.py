"""The shapes in which estimates leave: members of JSON rows, columns of DataFrames, long tables, margins."""

from collections.abc import Sequence
from itertools import groupby
from typing import Any, Final

import pandas as pd

from cotally.v1 import query_pb2
from cotally.v1.refusals import Refusal, Refused

from .decode.estimate import Estimate, Measured, linear
from .decode.histogram import suggested
from .decode.noise import Noise
from .decode.rows import Row
from .verify.blocks import blocks_of, width
from .verify.bundle import Verified

_PARTS: Final = ("value", "se", "low", "high", "flag")


def members(
    statistic: query_pb2.Statistic, estimate: Estimate, confidence: float, consistent: bool,
) -> dict[str, Any]:
    """Return what a row of the JSON object says of one statistic; null for what is missing.

    One number: a, a_se, a_low, a_high, a_flag, and a_adjusted where *consistent*. Several: a is a list of
    objects, one per number, with its label, value, se, low, high, flag. REGR adds a_covariance, in the order
    of the list; SUGGEST BOUNDS a_suggested.
    """
    alias = statistic.alias
    if statistic.kind in _SEVERAL:
        result: dict[str, Any] = {alias: [
            {**dict(cell.label), **_numbers(cell.estimate, consistent)} for cell in estimate.cells]}
        if statistic.kind == query_pb2.STATISTIC_KIND_REGR:
            rows = estimate.covariance
            result[f"{alias}_covariance"] = None if rows is None else [list(row) for row in rows]
        if statistic.kind == query_pb2.STATISTIC_KIND_SUGGEST_BOUNDS:
            found = suggested(estimate, confidence)
            result[f"{alias}_suggested"] = None if found is None else {"lower": found[0], "upper": found[1]}
        return result
    return {alias if name == "value" else f"{alias}_{name}": each
            for name, each in _numbers(estimate, consistent).items()}


_SEVERAL: Final = frozenset(
    {
        query_pb2.STATISTIC_KIND_HISTOGRAM,
        query_pb2.STATISTIC_KIND_SUGGEST_BOUNDS,
        query_pb2.STATISTIC_KIND_REGR,
    }
)


def is_list(statistic: query_pb2.Statistic) -> bool:
    """True for statistics of several numbers."""
    return statistic.kind in _SEVERAL


def _numbers(estimate: Estimate, consistent: bool) -> dict[str, Any]:
    found: dict[str, Any] = {name: getattr(estimate, name) for name in _PARTS}
    return found | {"adjusted": estimate.adjusted} if consistent else found


def columns(alias: str, estimates: Sequence[Estimate], consistent: bool) -> dict[str, pd.Series]:
    """Return the columns of a DataFrame for one statistic: a, a_se, a_low, a_high, and a_adjusted if any."""
    if any(each.cells for each in estimates):
        return {
            alias: pd.Series(
                [tuple(c.estimate.value for c in each.cells) for each in estimates], dtype=object
            )
        }
    found = {
        alias: [each.value for each in estimates], f"{alias}_se": [each.se for each in estimates],
        f"{alias}_low": [each.low for each in estimates], f"{alias}_high": [each.high for each in estimates]}
    if consistent and any(each.adjusted is not None for each in estimates):
        found[f"{alias}_adjusted"] = [each.adjusted for each in estimates]
    return {name: pd.Series(each, dtype="float64") for name, each in found.items()}


def long(
    keys: Sequence[str], groups: Sequence[tuple[tuple[str, ...], Estimate]], consistent: bool,
) -> pd.DataFrame:
    """Return one row per group and number: keys, label, value, se, low, high, flag (and adjusted)."""
    rows = []
    for cells, estimate in groups:
        parts = [(cell.label, cell.estimate) for cell in estimate.cells] or [((), estimate)]
        rows += [dict(zip(keys, cells, strict=True)) | dict(label) | _numbers(each, consistent)
                 for label, each in parts]
    frame = pd.DataFrame(rows)
    numbers = [name for name in (*_PARTS[:4], "adjusted") if name in frame]
    return frame.astype(dict.fromkeys(numbers, "float64"))


def margins(verified: Verified, rows: Sequence[Row], at: int, by: tuple[str, ...]) -> pd.DataFrame:
    """Return one row per combination of the keys *by*: the sum of the cells, with its exact error.

    Noise of different cells is independent, so a sum of c cells has that of c times as many departments.
    Refused for a statistic that does not add up, and for unknown keys.
    """
    query, plan = verified.query, verified.plan
    statistic = query.statistics[at]
    unknown = [key for key in by if key not in query.keys]
    if unknown:
        raise Refused(
            Refusal.UNKNOWN_NAME, f"the release has no key {unknown[0]!r}; it has {', '.join(query.keys)}"
        )
    blocks = blocks_of(plan, query, verified.table)[at]
    if len(blocks) != 1 or width(blocks[0]) != 1:
        raise Refused(
            Refusal.UNSUPPORTED, f"{statistic.alias!r} does not add up over groups: only counts and sums do"
        )
    block, alias = blocks[0], statistic.alias
    places = [list(query.keys).index(key) for key in by]

    def cell(group: int) -> tuple[str, ...]:
        return tuple(rows[group].keys[place] for place in places)

    order = {each: number for number, each in reversed(list(enumerate(cell(g) for g in range(len(rows)))))}
    found = []
    for keys, groups in groupby(sorted(range(len(rows)), key=lambda g: order[cell(g)]), key=cell):
        members_ = list(groups)
        one = Measured.of(block, plan.mechanism, len(verified.departments))
        noise = Noise(one.noise.mechanism, one.noise.scale, one.noise.departments * len(members_))
        total = sum(verified.totals[block.offset + group] for group in members_)
        sum_ = linear(Measured(one.worth, one.centre, noise), total, float(query.privacy.confidence))
        row: dict[str, Any] = dict(zip(by, keys, strict=True))
        row |= {
            alias: sum_.value,
            f"{alias}_se": sum_.se,
            f"{alias}_low": sum_.low,
            f"{alias}_high": sum_.high,
        }
        parts = [rows[group].estimates[at].adjusted for group in members_]
        if query.consistent and None not in parts:
            row[f"{alias}_adjusted"] = sum(part for part in parts if part is not None)
        found.append(row)
    return pd.DataFrame(found)
