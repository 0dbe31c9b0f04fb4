"""Packing is lossless for what fits and carries, no more, for what does not."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cotally.server.crypto.packing import pack, unpack
from cotally.server.model.plan import Packing


@st.composite
def vectors(draw: st.DrawFn) -> tuple[Packing, list[list[int]]]:
    departments, slots = draw(st.integers(1, 6)), draw(st.integers(1, 5))
    bias = draw(st.integers(1, 1 << 40))
    count = draw(st.integers(1, 12))
    one = st.lists(st.integers(-bias, bias), min_size=count, max_size=count)
    values = draw(st.lists(one, min_size=departments, max_size=departments))
    slot_bits = (2 * bias * departments).bit_length()
    return Packing(slot_bits, slots, -(-count // slots), bias), values


@settings(max_examples=200, deadline=None)
@given(vectors())
def test_the_sum_of_packed_vectors_unpacks_to_the_sum(case: tuple[Packing, list[list[int]]]) -> None:
    packing, parts = case
    packed = [pack(values, packing) for values in parts]
    totals = [sum(column) for column in zip(*packed, strict=True)]
    assert all(0 <= m < 1 << packing.slot_bits * packing.slots for m in totals)
    expected = [sum(column) for column in zip(*parts, strict=True)]
    assert unpack(totals, packing, len(parts), len(expected)) == expected
    assert unpack(totals, packing, len(parts) + 1, len(expected)) != expected  # one bias too many


PACKING = Packing(slot_bits=8, slots=3, ciphertexts=2, bias=16)


@pytest.mark.parametrize(("values", "read"), [
    ([1, 2, 3, 4], [1, 2, 3, 4]),
    ([240, 2, 3, 4], [-16, 3, 3, 4]),  # 256 overflows slot 0 by one
    ([-17, 2, 3, 4], [239, 1, 3, 4]),  # -1 borrows one from slot 1
    ([1 + 5 * 256, 2, 3, 4], [1, 7, 3, 4]),  # an additive lie about the neighbour
    ([1, 2, 240, 4], [1, 2, -16, 4]),  # carries out of the ciphertext, never into the next one
])
def test_a_value_out_of_its_slot_carries(values: list[int], read: list[int]) -> None:
    assert unpack(pack(values, PACKING), PACKING, 1, 4) == read


def test_slot_zero_is_least_significant_and_padding_is_zero() -> None:
    assert pack([0, 1, 2, 3], PACKING) == [16 + (17 << 8) + (18 << 16), 19]


@pytest.mark.parametrize("count", [0, 3, 7])
def test_a_vector_of_another_length_is_a_programming_error(count: int) -> None:
    with pytest.raises(ValueError, match="slots"):
        pack([0] * count, PACKING)
