"""What arrives is checked: length, range, and a factor shared with N, by name."""

import pytest

from cotally.server.crypto import ciphertexts
from cotally.server.crypto.paillier import Encryptor
from cotally.v1.refusals import Refusal, Refused
from tests.fixtures.keys import P_512, Q_512, small_dealt

PUBLIC = small_dealt().public
SQUARE = PUBLIC.modulus_squared


def test_bytes_round_trip_in_fixed_width() -> None:
    values = (1, SQUARE - 1, 256)
    data = ciphertexts.to_bytes(values, PUBLIC)
    assert len(data) == 3 * PUBLIC.ciphertext_bytes == 3 * 256
    assert ciphertexts.from_bytes(data, 3, PUBLIC) == values


@pytest.mark.parametrize(("data", "count", "word"), [
    (b"", 1, "0 bytes"),
    (b"\1" * 255, 1, "255 bytes"),
    (b"\1" * 257, 1, "257 bytes"),
    (b"\0" * 255 + b"\1", 2, "256 bytes"),
    (b"\0" * 256, 1, "ciphertext 0"),
    (b"\0" * 255 + b"\1" + SQUARE.to_bytes(256, "big"), 2, "ciphertext 1"),
    (b"\xff" * 256, 1, "ciphertext 0"),
])
def test_another_length_or_range_is_refused(data: bytes, count: int, word: str) -> None:
    with pytest.raises(Refused, match=word) as caught:
        ciphertexts.from_bytes(data, count, PUBLIC)
    assert caught.value.refusal is Refusal.MALFORMED


@pytest.mark.parametrize("culprit", ["a", "b", "c", "d", "e"])
@pytest.mark.parametrize("value", [P_512, Q_512 * 12345, PUBLIC.modulus])
def test_a_factor_of_the_modulus_is_found_and_named(culprit: str, value: int) -> None:
    honest = Encryptor(PUBLIC).encrypt([1, 2]).ciphertexts
    parts = dict.fromkeys("abcde", honest) | {culprit: (honest[0], value)}
    with pytest.raises(Refused, match=f"^{culprit}: ciphertext 1 shares a factor") as caught:
        ciphertexts.multiply(parts, PUBLIC)
    assert caught.value.refusal is Refusal.MALFORMED


@pytest.mark.parametrize(("bad", "word"), [((1,), "b sent 1"), ((1, 0), "b: ciphertext 1"),
                                           ((SQUARE, 1), "b: ciphertext 0"), ((1, -1), "b: ciphertext 1")])
def test_a_part_of_another_form_is_named(bad: tuple[int, ...], word: str) -> None:
    honest = Encryptor(PUBLIC).encrypt([1, 2]).ciphertexts
    with pytest.raises(Refused, match=word):
        ciphertexts.multiply({"a": honest, "b": bad}, PUBLIC)


def test_nothing_to_multiply_is_refused() -> None:
    with pytest.raises(Refused, match="no ciphertext"):
        ciphertexts.multiply({}, PUBLIC)
