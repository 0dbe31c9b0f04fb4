"""Randomness is read in one go, uniform over its range, and never twice the same."""

import os

import pytest

from cotally.server.crypto import randomness


@pytest.mark.parametrize("bits", [1, 7, 8, 13, 512, 1537])
def test_exponents_fill_their_bits_and_no_more(bits: int) -> None:
    drawn = randomness.exponents(300, bits)
    assert all(0 <= number < 1 << bits for number in drawn)
    assert max(number.bit_length() for number in drawn) == bits
    high = sum(number >> bits - 1 for number in drawn)
    assert 80 < high < 220  # 8 standard deviations: the top bit is fair
    assert bits < 100 or len(set(drawn)) == 300


def test_residues_are_below_the_modulus_and_spread() -> None:
    drawn = randomness.residues(600, 3 << 500)
    assert max(drawn) < 3 << 500
    thirds = [sum(number >> 500 == third for number in drawn) for third in range(3)]
    assert all(110 < third < 290 for third in thirds)


def test_one_call_reads_the_operating_system_once(monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[int] = []

    def read(size: int) -> bytes:
        reads.append(size)
        return bytes(size)

    monkeypatch.setattr(os, "urandom", read)
    randomness.exponents(50, 1536)
    randomness.residues(50, 1 << 1535)
    assert reads == [50 * 192, 50 * 208]
