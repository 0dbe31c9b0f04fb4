"""The departments' noise, replayable: the seed is known here and to nobody else.

It is production's exact sampler, which takes random bytes from whoever calls it. Production's one call, in
`exact.draw`, hands it the operating system's and has no parameter for others (`test_noise`).
"""

import os
from typing import Final

import numpy as np

from cotally.server.dp import exact, law
from cotally.server.model.plan import Block, Plan
from cotally.server.model.query import Mechanism

SEED: Final = int(os.environ.get("COTALLY_TEST_SEED", "20261122"))  # tests print it; set it for other draws


def summed(plan: Plan, departments: int, draws: int, source: np.random.Generator) -> np.ndarray:
    """*draws* x coordinates: what *departments* shares of the plan's noise add to a vector, draw by draw."""
    return sum((_vectors(plan, draws, source) for _ in range(departments)),
               start=np.zeros((draws, plan.coordinates), np.int64))


def _vectors(plan: Plan, draws: int, source: np.random.Generator) -> np.ndarray:
    return np.concatenate([
        share(block, plan.mechanism, draws * block.cells, source).reshape(draws, block.cells)
        for block in plan.blocks], axis=1)


def share(block: Block, mechanism: Mechanism, count: int, source: np.random.Generator) -> np.ndarray:
    """*count* draws of one department's noise on a coordinate of *block*, in refined integers."""
    of_scale = law.gaussian if mechanism is Mechanism.GAUSSIAN else law.laplace
    return exact.sampler(of_scale(block.scale)).draw(count, source.bytes)
