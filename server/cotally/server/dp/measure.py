"""A department's noise share, added to its un-noised integers: the one place where noise is made."""

from collections.abc import Sequence

import numpy as np

from cotally.v1.refusals import Refusal, Refused

from ..model.plan import Block, Plan
from ..model.query import Mechanism
from . import exact, law
from .mechanism import build, title
from .noise import Noise

_WIDEST_CAP = 2**61  # of a value that exact noise may meet, and of the sum of both


def measure(values: Sequence[int], plan: Plan, noise: Noise = Noise.OPENDP) -> list[int]:
    """*values* (one refined integer per coordinate) with this department's noise share added.

    Values are clamped to the plan's public caps first: that is what the sensitivity stands on, and
    a refusal would tell the analyst about the data. Whoever draws the noise, OpenDP's privacy map
    has confirmed the block's price before. Raises Refused where plan and noise disagree; no text
    quotes a value.
    """
    if len(values) != plan.coordinates:
        raise Refused(Refusal.PLAN_MISMATCH, f"{len(values)} values meet a plan of {plan.coordinates}")
    noised: list[int] = []
    for block in plan.blocks:
        if block.offset != len(noised):
            raise Refused(Refusal.PLAN_MISMATCH, f"{title(block)} is out of its place in the vector")
        measurement = build(block, plan.mechanism, plan.honest, plan.account)
        cells = values[block.offset : block.offset + block.cells]
        clamped = [min(max(int(value), block.low), block.high) for value in cells]
        if noise is Noise.EXACT:
            noised += _with_exact_noise(clamped, block, plan.mechanism)
            continue
        try:
            noised += measurement(clamped)
        except Exception:  # OpenDP's text quotes the data
            raise Refused(Refusal.INTERNAL, f"the noise of {title(block)} could not be drawn") from None
    if len(noised) != len(values):
        raise Refused(Refusal.INTERNAL, "the noise sampler lost a coordinate")
    return noised


def _with_exact_noise(clamped: list[int], block: Block, mechanism: Mechanism) -> list[int]:
    """*clamped*, within the block's caps, plus noise; sums beyond 2**61 either way as that.

    Noise arrives with its magnitude cut to 2**62, which no sum that is kept can tell; none wraps.
    """
    if not -_WIDEST_CAP <= block.low <= block.high <= _WIDEST_CAP:
        raise Refused(Refusal.BAD_PRIVACY, f"the caps of {title(block)} are too wide for exact noise")
    of_scale = law.gaussian if mechanism is Mechanism.GAUSSIAN else law.laplace
    try:
        noise = exact.draw(of_scale(block.scale), len(clamped))
    except ValueError:
        raise Refused(Refusal.BAD_PRIVACY, f"{title(block)} needs noise too wide for 64 bits") from None
    sums: list[int] = np.clip(np.array(clamped, np.int64) + noise, -_WIDEST_CAP, _WIDEST_CAP).tolist()
    return sums
