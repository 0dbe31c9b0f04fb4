"""A department's noise share, added to its un-noised integers: the one place where noise is made."""

from collections.abc import Sequence

from cotally.v1.refusals import Refusal, Refused

from ..model.plan import Plan
from .mechanism import build, title


def measure(values: Sequence[int], plan: Plan) -> list[int]:
    """*values* (one refined integer per coordinate) with this department's noise share added.

    Values are clamped to the plan's public caps first: that is what the sensitivity stands on, and
    a refusal would tell the analyst about the data. Noise comes from OpenDP's exact samplers, one
    measurement per block, after its privacy map has confirmed the block's price. Raises Refused
    where plan and noise disagree; no text quotes a value.
    """
    if len(values) != plan.coordinates:
        raise Refused(Refusal.PLAN_MISMATCH, f"{len(values)} values meet a plan of {plan.coordinates}")
    noised: list[int] = []
    for block in plan.blocks:
        if block.offset != len(noised):
            raise Refused(Refusal.PLAN_MISMATCH, f"{title(block)} is out of its place in the vector")
        measurement = build(block, plan.mechanism, plan.honest)
        cells = values[block.offset : block.offset + block.cells]
        clamped = [min(max(int(value), block.low), block.high) for value in cells]
        try:
            noised += measurement(clamped)
        except Exception:  # OpenDP's text quotes the data
            raise Refused(Refusal.INTERNAL, f"the noise of {title(block)} could not be drawn") from None
    if len(noised) != len(values):
        raise Refused(Refusal.INTERNAL, "the noise sampler lost a coordinate")
    return noised
