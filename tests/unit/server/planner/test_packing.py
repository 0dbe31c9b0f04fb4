"""Slots hold what honest departments send, and refuse what no slot can hold."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from cotally.server.model.query import Mechanism
from cotally.server.planner.packing import DoesNotFit, pack, tail
from cotally.server.planner.plan import make_plan
from tests.unit.server.planner.examples import MEAN, PEOPLE, RULES, TOTAL, N, ask


@pytest.mark.parametrize("mechanism", Mechanism)
def test_the_tail_bounds_the_noise(mechanism: Mechanism) -> None:
    block = make_plan(ask(mechanism=mechanism), PEOPLE, RULES).blocks[0]
    scale = float(block.scale.fraction())
    reach = tail(block, mechanism, 1)
    points = np.arange(0, 40 * reach, dtype=np.float64)
    weights = np.exp(-(points**2) / (2 * scale**2) if mechanism is Mechanism.GAUSSIAN else -points / scale)
    mass = 2 * weights.sum() - 1
    assert 2 * weights[reach + 1 :].sum() / mass < 2.0**-80
    assert 2 * weights[reach // 2 :].sum() / mass > 2.0**-80  # half of it would not do
    assert tail(block, mechanism, 10**6) > reach


def test_slots_are_as_narrow_as_the_widest_block_allows() -> None:
    plan = make_plan(ask(N, TOTAL, MEAN, keys=("region",)), PEOPLE, RULES)
    packing = plan.packing
    assert packing == pack(plan.blocks, plan.mechanism, 5, RULES.modulus_bits)
    assert packing.slot_bits == (5 * (2 * packing.bias + 1)).bit_length()
    assert packing.slots == 3071 // packing.slot_bits
    assert pack(plan.blocks, plan.mechanism, 50, RULES.modulus_bits).slot_bits > packing.slot_bits


def test_what_fits_no_slot_is_refused() -> None:
    block = make_plan(ask(), PEOPLE, RULES).blocks[0]
    with pytest.raises(DoesNotFit):
        pack([replace(block, high=2**61)], Mechanism.GAUSSIAN, 5, 3072)
    with pytest.raises(DoesNotFit):
        pack([block], Mechanism.GAUSSIAN, 5, 16)
    assert Fraction(pack([block], Mechanism.GAUSSIAN, 5, 64).slots) >= 1
