"""Slots hold what honest departments send, and refuse what no slot can hold."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from cotally.server.crypto.packing import OutOfSlot, unpack
from cotally.server.crypto.packing import pack as encode
from cotally.server.model.plan import Packing
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
    assert packing.slot_bits == (5 * 2 * packing.bias).bit_length()
    assert packing.slots == 3071 // packing.slot_bits
    assert pack(plan.blocks, plan.mechanism, 50, RULES.modulus_bits).slot_bits > packing.slot_bits


@pytest.mark.parametrize("departments", [1, 2, 3, 5, 50])
def test_honest_extremes_fit_their_slots_and_one_bit_less_would_break_a_plan(departments: int) -> None:
    """All departments at a cap, with the largest noise that is not refused, in every coordinate."""
    plan = make_plan(ask(N, TOTAL, MEAN, keys=("region",)), PEOPLE, RULES)
    packing = pack(plan.blocks, plan.mechanism, departments, RULES.modulus_bits)
    largest = max(max(-b.low, b.high) + tail(b, plan.mechanism, departments * plan.coordinates)
                  for b in plan.blocks)
    assert largest == packing.bias
    held = {}
    for bits in (packing.slot_bits, packing.slot_bits - 1):
        tried = replace(packing, slot_bits=bits)
        for sign in (1, -1):
            extreme = [sign * largest] * plan.coordinates
            totals = [departments * plaintext for plaintext in plaintexts(extreme, tried)]
            found = unpack(totals, tried, departments, plan.coordinates).tolist()
            held[bits, sign] = found == [departments * value for value in extreme]
    assert held == {(packing.slot_bits, 1): True, (packing.slot_bits, -1): True,
                    (packing.slot_bits - 1, 1): False, (packing.slot_bits - 1, -1): True}


def plaintexts(values: list[int], packing: Packing) -> list[int]:
    """The layout by definition, also for slots that do not hold the values."""
    return [sum(value + packing.bias << packing.slot_bits * k
                for k, value in enumerate(values[start:start + packing.slots]))
            for start in range(0, len(values), packing.slots)]


@pytest.mark.parametrize("mechanism", Mechanism)
def test_a_value_at_the_end_of_the_tail_is_packed_and_one_beyond_is_refused(mechanism: Mechanism) -> None:
    plan = make_plan(ask(mechanism=mechanism), PEOPLE, RULES)
    block = plan.blocks[0]
    reach = block.high + tail(block, mechanism, 5 * plan.coordinates)
    encode([reach] + [0] * (plan.coordinates - 1), plan.packing)
    with pytest.raises(OutOfSlot):
        encode([reach + 1] + [0] * (plan.coordinates - 1), plan.packing)


def test_what_fits_no_slot_is_refused() -> None:
    block = make_plan(ask(), PEOPLE, RULES).blocks[0]
    with pytest.raises(DoesNotFit):
        pack([replace(block, high=2**61)], Mechanism.GAUSSIAN, 5, 3072)
    with pytest.raises(DoesNotFit):
        pack([block], Mechanism.GAUSSIAN, 5, 16)
    assert Fraction(pack([block], Mechanism.GAUSSIAN, 5, 64).slots) >= 1
