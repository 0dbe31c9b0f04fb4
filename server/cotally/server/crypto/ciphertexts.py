"""Vectors of ciphertexts as they travel: ciphertexts one after the other, big-endian, as wide as N^2.

What arrives is checked in this order: form and length, then 0 < c < N^2, then one gcd with N.
"""

import gmpy2
import numpy as np

from cotally.v1.refusals import Refusal, Refused

from .keys import PublicKey


def check(vector: bytes, count: int, public: PublicKey) -> None:
    """Refuse MALFORMED what is not *count* ciphertexts, or holds one outside 0 < c < N^2, by position."""
    width = public.ciphertext_bytes
    if len(vector) != count * width:
        raise Refused(Refusal.MALFORMED, f"{len(vector)} bytes are not {count} ciphertexts of {width} bytes")
    bound = public.modulus_squared.to_bytes(width, "big")
    heads = np.frombuffer(vector, np.uint8).reshape(count, width)[:, :8].copy().view(">u8")[:, 0]
    suspects = (heads == 0) | (heads >= int.from_bytes(bound[:8], "big"))  # the others are within
    for position in np.flatnonzero(suspects):
        ciphertext = vector[position * width:(position + 1) * width]
        if ciphertext >= bound or not any(ciphertext):
            raise Refused(Refusal.MALFORMED, f"ciphertext {position} is not a residue mod N^2")


def check_units(vector: bytes, public: PublicKey, refusal: Refusal, what: str) -> None:
    """Refuse a checked vector with a number that shares a factor with N; *what* and a position name it."""
    if vector and gmpy2.gcd(int.from_bytes(fold(vector, 1, public), "big"), public.modulus) != 1:
        raise Refused(refusal, f"{what} {first_with_factor(vector, public)} shares a factor with the modulus")


def first_with_factor(vector: bytes, public: PublicKey) -> int:
    """Return the position of the first number of *vector* that shares a factor with N; there is one."""
    return next(k for k, c in enumerate(public.ring.numbers(vector)) if gmpy2.gcd(c, public.modulus) != 1)


def fold(vector: bytes, count: int, public: PublicKey) -> bytes:
    """Return the product, per position, of the vectors of *count* residues that lie joined in *vector*."""
    ring, length = public.ring, count * public.ciphertext_bytes
    while (vectors := len(vector) // length) > 1:
        half = -(-vectors // 2) * length
        rest = len(vector) - half
        vector = ring.multiply(vector[:rest], vector[half:]) + vector[rest:half]
    return vector
