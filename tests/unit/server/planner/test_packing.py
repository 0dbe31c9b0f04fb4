"""Slots hold what honest departments send, and refuse what no slot can hold."""

from dataclasses import replace

import numpy as np
import pytest

from cotally.server.crypto.packing import OutOfSlot, unpack
from cotally.server.crypto.packing import pack as encode
from cotally.server.model.packing import Packing
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


def test_slots_are_as_narrow_as_their_own_block_allows() -> None:
    plan = make_plan(ask(N, TOTAL, MEAN, keys=("region",)), PEOPLE, RULES)
    packing = plan.packing
    assert packing == pack(plan.blocks, plan.mechanism, 5, RULES.modulus_bits)
    assert [run.slot_bits for run in packing.runs] == [(10 * run.bias).bit_length() for run in packing.runs]
    assert len({run.slot_bits for run in packing.runs}) > 1
    alone = [pack([block], plan.mechanism, 5, RULES.modulus_bits).runs[0] for block in plan.blocks]
    assert all(0 <= run.slot_bits - own.slot_bits <= 1  # more draws in all: a slightly longer tail
               for run, own in zip(packing.runs, alone, strict=True))
    wider = pack(plan.blocks, plan.mechanism, 50, RULES.modulus_bits)
    assert all(more.slot_bits > run.slot_bits for more, run in zip(wider.runs, packing.runs, strict=True))


@pytest.mark.parametrize("departments", [1, 2, 3, 5, 50])
def test_honest_extremes_fit_their_slots_and_one_bit_less_would_break_a_plan(departments: int) -> None:
    """All departments at a cap, with the largest noise that is not refused, in every coordinate."""
    plan = make_plan(ask(N, TOTAL, MEAN, keys=("region",)), PEOPLE, RULES)
    packing = pack(plan.blocks, plan.mechanism, departments, RULES.modulus_bits)
    largest = [max(-b.low, b.high) + tail(b, plan.mechanism, departments * plan.coordinates)
               for b in plan.blocks]
    assert largest == [run.bias for run in packing.runs]
    assert holds(packing, departments)
    for number, run in enumerate(packing.runs):
        runs = [*packing.runs]
        runs[number] = replace(run, slot_bits=run.slot_bits - 1)
        assert not holds(replace(packing, runs=tuple(runs)), departments)


def holds(packing: Packing, departments: int) -> bool:
    """Whether sums of all biases, and of all their negatives, come back."""
    back = []
    for sign in (1, -1):
        extreme = [sign * run.bias for run in packing.runs for _ in range(run.cells)]
        totals = [departments * plaintext for plaintext in plaintexts(extreme, packing)]
        back.append(unpack(totals, packing, departments).tolist() == [departments * v for v in extreme])
    return all(back)


def plaintexts(values: list[int], packing: Packing) -> list[int]:
    """The layout by definition, also for slots that do not hold the values."""
    stream, at, found = 0, 0, []
    for value, run in zip(values, (each for each in packing.runs for _ in range(each.cells)), strict=True):
        if at + run.slot_bits > packing.plaintext_bits:
            found.append(stream)
            stream = at = 0
        stream += value + run.bias << at
        at += run.slot_bits
    return [*found, stream]


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
    assert pack([block], Mechanism.GAUSSIAN, 5, 64).ciphertexts >= 1
