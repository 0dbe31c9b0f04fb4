"""Injective framing of what is hashed, and the extendable hash that every challenge comes from."""

import hashlib

CHALLENGE_BYTES = 16


def minimal(value: int) -> bytes:
    """Return *value* >= 0 as big-endian bytes without leading zeros; 0 is empty."""
    return value.to_bytes((value.bit_length() + 7) // 8, "big")


def frame(*parts: bytes | int) -> bytes:
    """Return the parts joined, each preceded by its length in 8 bytes big-endian; integers are minimal.

    >>> frame(b"ab", 0, 258).hex()
    '00000000000000026162000000000000000000000000000000020102'
    """
    encoded = (part if isinstance(part, bytes) else minimal(part) for part in parts)
    return b"".join(len(part).to_bytes(8, "big") + part for part in encoded)


def expand(length: int, *parts: bytes | int) -> bytes:
    """Return *length* bytes of SHAKE256 over the framed parts; the first part is the domain."""
    return hashlib.shake_256(frame(*parts)).digest(length)


def challenge(*parts: bytes | int) -> int:
    """Return the 128-bit Fiat-Shamir challenge for the framed parts."""
    return int.from_bytes(expand(CHALLENGE_BYTES, *parts), "big")


def weights(count: int, *parts: bytes | int) -> list[int]:
    """Return *count* 128-bit weights for the framed parts."""
    stream = expand(CHALLENGE_BYTES * count, *parts)
    return [int.from_bytes(stream[i:i + CHALLENGE_BYTES], "big")
            for i in range(0, len(stream), CHALLENGE_BYTES)]
