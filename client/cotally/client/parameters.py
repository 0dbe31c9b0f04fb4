"""What is publicly known of a release's noise, for programs: per block, per statistic, and shared noise."""

from collections.abc import Mapping
from itertools import combinations_with_replacement
from typing import Any, Final

from cotally.v1 import catalog_pb2, query_pb2, round_pb2

from .decode.estimate import Measured
from .verify.blocks import blocks_of, width
from .verify.claims import scale_of

_MECHANISM: Final[Mapping[int, str]] = {
    query_pb2.MECHANISM_GAUSSIAN: "gaussian", query_pb2.MECHANISM_LAPLACE: "laplace"}


def noise_parameters(
    plan: round_pb2.Plan, query: query_pb2.Query, table: catalog_pb2.Table, departments: int,
) -> dict[str, Any]:
    """Return the member `noise` of a release's JSON object.

    `blocks`: what was measured, and the noise on each of its coordinates: mechanism, sigma (standard
    deviation in the terms of `step`), share_scale (of one department's share, in refined integers) and
    shares. Noise is independent between coordinates. `statistics`: per alias the blocks that it is decoded
    from, and sigma where it is one coordinate of one block. `covariance`: of those, in one group, that
    share a block.
    """
    blocks = []
    for number, block in enumerate(plan.blocks):
        measured = Measured.of(block, plan.mechanism, departments)
        blocks.append(
            {
                "block": number,
                "kind": round_pb2.BlockKind.Name(block.kind).removeprefix("BLOCK_KIND_").lower(),
                "columns": [name for name in (block.column, block.second.column) if name],
                "coordinates": block.cells,
                "per_group": width(block),
                "mechanism": _MECHANISM[plan.mechanism],
                "sigma": measured.variance**0.5,
                "step": str(measured.worth),
                "share_scale": float(scale_of(block)),
                "shares": departments,
            }
        )
    statistics: dict[str, Any] = {}
    alone: list[tuple[str, int, float]] = []
    for statistic, reading, found in zip(
        query.statistics, plan.readings, blocks_of(plan, query, table), strict=True
    ):
        single = len(found) == 1 and width(found[0]) == 1
        variance = Measured.of(found[0], plan.mechanism, departments).variance
        statistics[statistic.alias] = {
            "blocks": list(reading.blocks),
            "sigma": variance**0.5 if single else None,
        }
        if single:
            alone.append((statistic.alias, reading.blocks[0], variance))
    shared = [
        {"of": [a, b], "value": variance}
        for (a, one, variance), (b, other, _) in combinations_with_replacement(alone, 2)
        if one == other
    ]
    return {"blocks": blocks, "statistics": statistics, "covariance": shared}
