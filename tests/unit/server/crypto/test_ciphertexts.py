"""What arrives is checked: length, range, and a factor shared with N."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cotally.server.crypto import ciphertexts
from cotally.v1.refusals import Refusal, Refused
from tests.fixtures.keys import P_512, Q_512, small_dealt

PUBLIC = small_dealt().public
SQUARE = PUBLIC.modulus_squared


def test_a_vector_holds_ciphertexts_in_fixed_width() -> None:
    data = PUBLIC.ring.vector([1, SQUARE - 1, 256])
    assert len(data) == 3 * PUBLIC.ciphertext_bytes == 3 * 256
    ciphertexts.check(data, 3, PUBLIC)


@pytest.mark.parametrize(("data", "count", "word"), [
    (b"", 1, "0 bytes"),
    (b"\1" * 255, 1, "255 bytes"),
    (b"\1" * 257, 1, "257 bytes"),
    (b"\0" * 255 + b"\1", 2, "256 bytes"),
    (b"\0" * 256, 1, "ciphertext 0"),
    (b"\0" * 255 + b"\1" + SQUARE.to_bytes(256, "big"), 2, "ciphertext 1"),
    (b"\0" * 255 + b"\1" + (SQUARE + 1).to_bytes(256, "big"), 2, "ciphertext 1"),
    (b"\xff" * 256, 1, "ciphertext 0"),
    (b"\1" * 512 + b"\0" * 256 + b"\1" * 256, 4, "ciphertext 2"),
])
def test_another_length_or_range_is_refused(data: bytes, count: int, word: str) -> None:
    with pytest.raises(Refused, match=word) as caught:
        ciphertexts.check(data, count, PUBLIC)
    assert caught.value.refusal is Refusal.MALFORMED


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 3).flatmap(lambda kind: st.sampled_from([
    st.integers(0, 3), st.integers(SQUARE - 3, SQUARE + 3), st.integers(0, SQUARE - 1),
    st.integers(0, (1 << 2048) - 1)][kind:kind + 1]).flatmap(lambda s: s)), max_size=5))
def test_the_check_agrees_with_python_integers(numbers: list[int]) -> None:
    data = b"".join(number.to_bytes(256, "big") for number in numbers)
    wrong = [k for k, number in enumerate(numbers) if not 0 < number < SQUARE]
    if wrong:
        with pytest.raises(Refused, match=f"ciphertext {wrong[0]} "):
            ciphertexts.check(data, len(numbers), PUBLIC)
    else:
        ciphertexts.check(data, len(numbers), PUBLIC)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=800), st.integers(0, 4))
def test_any_bytes_are_checked_or_refused(data: bytes, count: int) -> None:
    try:
        ciphertexts.check(data, count, PUBLIC)
    except Refused as refused:
        assert refused.refusal is Refusal.MALFORMED
    else:
        assert all(0 < number < SQUARE for number in PUBLIC.ring.numbers(data))


@pytest.mark.parametrize("value", [P_512, Q_512 * 12345, PUBLIC.modulus])
@pytest.mark.parametrize("position", [0, 2, 4])
def test_a_factor_of_the_modulus_is_found(value: int, position: int) -> None:
    numbers = [2, 3, 4, 5, 6]
    ciphertexts.check_units(PUBLIC.ring.vector(numbers), PUBLIC, Refusal.MALFORMED, "number")
    numbers[position] = value
    with pytest.raises(Refused, match=f"^number {position} shares a factor") as caught:
        ciphertexts.check_units(PUBLIC.ring.vector(numbers), PUBLIC, Refusal.BAD_PROOF, "number")
    assert caught.value.refusal is Refusal.BAD_PROOF


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 4), st.integers(1, 9))
def test_folding_multiplies_vectors(count: int, vectors: int) -> None:
    numbers = [[k + 1000 * v + 2 for k in range(count)] for v in range(vectors)]
    expected = [1] * count
    for row in numbers:
        expected = [a * b % SQUARE for a, b in zip(expected, row, strict=True)]
    joined = b"".join(PUBLIC.ring.vector(row) for row in numbers)
    assert PUBLIC.ring.numbers(ciphertexts.fold(joined, count, PUBLIC)) == expected
