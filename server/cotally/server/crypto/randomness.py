"""Secret numbers, one bulk read from the operating system for each call; never stored."""

import os

SPARE_BITS = 128  # that make a residue of a longer number uniform but for 2^-128


def exponents(count: int, bits: int) -> list[int]:
    """Return *count* uniform integers of at most *bits* bits."""
    width, surplus = -(-bits // 8), -bits % 8
    stream = os.urandom(count * width)
    return [int.from_bytes(stream[k:k + width], "big") >> surplus for k in range(0, len(stream), width)]


def residues(count: int, modulus: int) -> list[int]:
    """Return *count* integers below *modulus*, within 2^-128 of uniform."""
    return [number % modulus for number in exponents(count, modulus.bit_length() + SPARE_BITS)]
