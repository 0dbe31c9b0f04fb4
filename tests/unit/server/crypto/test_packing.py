"""Packing is lossless for what fits; what does not is refused, or carries where somebody lies."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cotally.server.crypto.packing import WIDEST, OutOfSlot, pack, slot_width, unpack
from cotally.server.model.plan import Packing


@st.composite
def vectors(draw: st.DrawFn) -> tuple[Packing, list[list[int]]]:
    """Vectors of several departments, with extremes, in the narrowest slots, for any width to the widest."""
    departments = draw(st.integers(1, 6))
    bias = draw(st.integers(1, (1 << draw(st.integers(1, WIDEST - 1))) // departments + 1).filter(
        lambda b: slot_width(departments, b) <= WIDEST))
    slots, count = draw(st.integers(1, 60)), draw(st.integers(1, 130))
    values = st.integers(-bias, bias) | st.sampled_from([-bias, bias, 0])
    one = st.lists(values, min_size=count, max_size=count)
    parts = draw(st.lists(one, min_size=departments, max_size=departments))
    return Packing(slot_width(departments, bias), slots, -(-count // slots), bias), parts


def by_shifts(values: list[int], packing: Packing) -> list[int]:
    """The plaintexts as the layout defines them, value by value, whatever the values."""
    return [sum(value + packing.bias << packing.slot_bits * k
                for k, value in enumerate(values[start:start + packing.slots]))
            for start in range(0, len(values), packing.slots)]


@settings(max_examples=80, deadline=None)
@given(vectors())
@example((Packing(62, 49, 1, (1 << 61) - 1), [[-(1 << 61) + 1, (1 << 61) - 1, 0]]))
@example((Packing(2, 3, 2, 1), [[-1, 1, 0, 1]]))
def test_the_sum_of_packed_vectors_unpacks_to_the_sum(case: tuple[Packing, list[list[int]]]) -> None:
    packing, parts = case
    packed = [pack(values, packing) for values in parts]
    assert packed == [by_shifts(values, packing) for values in parts]
    assert packed == [pack(np.array(values), packing) for values in parts]
    totals = [sum(column) for column in zip(*packed, strict=True)]
    assert all(0 <= m < 1 << packing.slot_bits * packing.slots for m in totals)
    expected = [sum(column) for column in zip(*parts, strict=True)]
    found = unpack(totals, packing, len(parts), len(expected))
    assert found.dtype == np.int64
    assert found.tolist() == expected


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 20), st.integers(1, 1 << 50))
def test_one_bit_less_would_not_hold_the_largest_sum(departments: int, bias: int) -> None:
    width = slot_width(departments, bias)
    for bits, holds in ((width, True), (width - 1, False)):
        packing = Packing(bits, 2, 1, bias)
        total = departments * by_shifts([bias, -bias], packing)[0]
        try:
            found = unpack([total], packing, departments, 2).tolist()
        except ValueError:
            found = []
        assert (found == [departments * bias, -departments * bias]) == holds


PACKING = Packing(slot_bits=8, slots=3, ciphertexts=2, bias=16)


@pytest.mark.parametrize(("position", "value"), [
    (0, 17), (1, -17), (3, 1 << 40), (2, -(1 << 63)), (2, (1 << 63) - 1), (2, 1 << 63), (1, -(1 << 80))])
def test_a_value_out_of_its_slot_is_refused(position: int, value: int) -> None:
    values = [1, 2, 3, 4]
    values[position] = value
    with pytest.raises(OutOfSlot, match="its slot"):
        pack(values, PACKING)


@pytest.mark.parametrize(("values", "read"), [
    ([240, 2, 3, 4], [-16, 3, 3, 4]),  # 256 overflows slot 0 by one
    ([-17, 2, 3, 4], [239, 1, 3, 4]),  # -1 borrows one from slot 1
    ([1 + 5 * 256, 2, 3, 4], [1, 7, 3, 4]),  # an additive lie about the neighbour
    ([1, 2, 240, 4], [1, 2, -16, 4]),  # carries out of the ciphertext, never into the next one
])
def test_what_a_liar_packs_out_of_a_slot_carries_into_the_next(values: list[int], read: list[int]) -> None:
    assert unpack(by_shifts(values, PACKING), PACKING, 1, 4).tolist() == read


def test_slot_zero_is_least_significant_and_padding_is_zero() -> None:
    assert pack([0, 1, 2, 3], PACKING) == [16 + (17 << 8) + (18 << 16), 19]


@pytest.mark.parametrize("count", [0, 3, 7])
def test_a_vector_of_another_length_is_a_programming_error(count: int) -> None:
    with pytest.raises(ValueError, match="slots"):
        pack([0] * count, PACKING)
    with pytest.raises(ValueError, match="slots"):
        unpack([0, 0], PACKING, 1, count)


@pytest.mark.parametrize("packing", [
    Packing(63, 1, 1, 5), Packing(0, 1, 1, 0), Packing(8, 3, 1, 256), Packing(8, 3, 1, 0)])
def test_slots_that_cannot_be_are_a_programming_error(packing: Packing) -> None:
    with pytest.raises(ValueError, match="not possible"):
        pack([0], packing)


def test_plaintexts_and_departments_that_do_not_fit_are_a_programming_error() -> None:
    with pytest.raises(ValueError, match="1 plaintexts where 2"):
        unpack([0], PACKING, 1, 4)
    with pytest.raises(ValueError, match="biases"):
        unpack([0, 0], PACKING, 1 << 60, 4)
