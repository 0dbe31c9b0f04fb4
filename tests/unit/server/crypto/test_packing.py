"""Packing is lossless for what fits; what does not is refused, or carries where somebody lies."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cotally.server.crypto.packing import WIDEST, OutOfSlot, pack, slot_width, unpack
from cotally.server.model.packing import Packing, Run


@st.composite
def vectors(draw: st.DrawFn) -> tuple[Packing, list[list[int]]]:
    """Vectors of several departments, with extremes, in the narrowest slots, for any widths to the widest."""
    departments = draw(st.integers(1, 6))
    runs, one = [], []
    for _ in range(draw(st.integers(1, 4))):
        bias = draw(st.integers(1, (1 << draw(st.integers(1, WIDEST - 1))) // departments + 1).filter(
            lambda b: slot_width(departments, b) <= WIDEST))
        runs.append(Run(draw(st.integers(1, 60)), slot_width(departments, bias), bias))
        one += [st.integers(-bias, bias) | st.sampled_from([-bias, bias, 0])] * runs[-1].cells
    widest = max(run.slot_bits for run in runs)
    parts = [list(draw(st.tuples(*one))) for _ in range(departments)]
    return Packing(tuple(runs), widest + draw(st.integers(0, 400))), parts


def by_shifts(values: list[int], packing: Packing) -> list[int]:
    """The plaintexts as the layout defines them, value by value, whatever the values."""
    plaintexts, filled = [0], 0
    for value, run in zip(values, (each for each in packing.runs for _ in range(each.cells)), strict=True):
        if filled + run.slot_bits > packing.plaintext_bits:
            plaintexts.append(0)
            filled = 0
        plaintexts[-1] += value + run.bias << filled
        filled += run.slot_bits
    return plaintexts


@settings(max_examples=80, deadline=None)
@given(vectors())
@example((Packing((Run(3, 62, (1 << 61) - 1),), 3071), [[-(1 << 61) + 1, (1 << 61) - 1, 0]]))
@example((Packing((Run(4, 2, 1),), 6), [[-1, 1, 0, 1]]))
@example((Packing((Run(3, 2, 1), Run(2, 7, 63)), 6 + 7), [[-1, 1, 0, 63, -63]]))
def test_the_sum_of_packed_vectors_unpacks_to_the_sum(case: tuple[Packing, list[list[int]]]) -> None:
    packing, parts = case
    packed = [pack(values, packing) for values in parts]
    assert packed == [by_shifts(values, packing) for values in parts]
    assert packed == [pack(np.array(values), packing) for values in parts]
    assert {len(plaintexts) for plaintexts in packed} == {packing.ciphertexts}
    totals = [sum(column) for column in zip(*packed, strict=True)]
    used = [end - start for start, end in pairwise(packing.cuts)]
    assert all(0 <= m < 1 << bits for m, bits in zip(totals, used, strict=True))
    assert max(used) <= packing.plaintext_bits
    expected = [sum(column) for column in zip(*parts, strict=True)]
    found = unpack(totals, packing, len(parts))
    assert found.dtype == np.int64
    assert found.tolist() == expected


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 20), st.integers(1, 1 << 50))
def test_one_bit_less_would_not_hold_the_largest_sum(departments: int, bias: int) -> None:
    width = slot_width(departments, bias)
    for bits, holds in ((width, True), (width - 1, False)):
        packing = Packing((Run(2, bits, bias),), 2 * bits)
        total = departments * by_shifts([bias, -bias], packing)[0]
        try:
            found = unpack([total], packing, departments).tolist()
        except ValueError:
            found = []
        assert (found == [departments * bias, -departments * bias]) == holds


PACKING = Packing((Run(3, 8, 16), Run(1, 10, 16)), plaintext_bits=24)


@pytest.mark.parametrize(("position", "value"), [
    (0, 17), (1, -17), (3, 1 << 40), (2, -(1 << 63)), (2, (1 << 63) - 1), (2, 1 << 63), (1, -(1 << 80))])
def test_a_value_out_of_its_slot_is_refused(position: int, value: int) -> None:
    values = [1, 2, 3, 4]
    values[position] = value
    with pytest.raises(OutOfSlot, match="its slot"):
        pack(values, PACKING)


def test_each_run_has_a_bias_of_its_own() -> None:
    packing = Packing((Run(1, 5, 8), Run(1, 8, 100)), 13)
    assert pack([8, -100], packing) == [16]
    with pytest.raises(OutOfSlot, match="value 0 "):
        pack([9, 0], packing)
    with pytest.raises(OutOfSlot, match="value 1 "):
        pack([0, 101], packing)


@pytest.mark.parametrize(("values", "read"), [
    ([240, 2, 3, 4], [-16, 3, 3, 4]),  # 256 overflows slot 0 by one
    ([-17, 2, 3, 4], [239, 1, 3, 4]),  # -1 borrows one from slot 1
    ([1 + 5 * 256, 2, 3, 4], [1, 7, 3, 4]),  # an additive lie about the neighbour
    ([1, 2, 240, 4], [1, 2, -16, 4]),  # carries out of the ciphertext, never into the next one
])
def test_what_a_liar_packs_out_of_a_slot_carries_into_the_next(values: list[int], read: list[int]) -> None:
    assert unpack(by_shifts(values, PACKING), PACKING, 1).tolist() == read


def test_slot_zero_is_least_significant_and_padding_is_zero() -> None:
    assert pack([0, 1, 2, 3], PACKING) == [16 + (17 << 8) + (18 << 16), 19]


@pytest.mark.parametrize("count", [0, 3, 7])
def test_a_vector_of_another_length_is_a_programming_error(count: int) -> None:
    with pytest.raises(ValueError, match="slots"):
        pack([0] * count, PACKING)


@pytest.mark.parametrize("run", [Run(1, 63, 5), Run(1, 0, 0), Run(1, 8, 256), Run(1, 8, 0), Run(1, 50, 5)])
def test_slots_that_cannot_be_are_a_programming_error(run: Run) -> None:
    with pytest.raises(ValueError, match="not possible"):
        pack([0], Packing((run,), 49 if run.slot_bits == 50 else 3071))


def test_plaintexts_and_departments_that_do_not_fit_are_a_programming_error() -> None:
    with pytest.raises(ValueError, match="1 plaintexts where 2"):
        unpack([0], PACKING, 1)
    with pytest.raises(ValueError, match="biases"):
        unpack([0, 0], PACKING, 1 << 60)
    with pytest.raises(ValueError, match="wider than a plaintext"):
        assert Packing((Run(1, 8, 1),), 7).cuts
