"""Ciphertexts on the wire, and their product: form and length first, then range, then one gcd."""

from collections.abc import Mapping, Sequence

import gmpy2
from gmpy2 import mpz

from cotally.v1.refusals import Refusal, Refused

from .keys import PublicKey


def to_bytes(ciphertexts: Sequence[int], public: PublicKey) -> bytes:
    """Return the ciphertexts joined, each big-endian in `public.ciphertext_bytes` bytes."""
    return b"".join(int(c).to_bytes(public.ciphertext_bytes, "big") for c in ciphertexts)


def from_bytes(data: bytes, count: int, public: PublicKey) -> tuple[int, ...]:
    """Return *count* ciphertexts; refuse MALFORMED another length, or one outside 0 < c < N^2."""
    width = public.ciphertext_bytes
    if len(data) != count * width:
        raise Refused(Refusal.MALFORMED, f"{len(data)} bytes are not {count} ciphertexts of {width} bytes")
    ciphertexts = tuple(int.from_bytes(data[k:k + width], "big") for k in range(0, len(data), width))
    check_range(ciphertexts, public)
    return ciphertexts


def check_range(ciphertexts: Sequence[int], public: PublicKey) -> None:
    """Refuse MALFORMED a list with a ciphertext outside 0 < c < N^2."""
    square = public.modulus_squared
    for position, ciphertext in enumerate(ciphertexts):
        if not 0 < ciphertext < square:
            raise Refused(Refusal.MALFORMED, f"ciphertext {position} is not a residue mod N^2")


def multiply(parts: Mapping[str, Sequence[int]], public: PublicKey) -> tuple[int, ...]:
    """Return the product of all parts per position, which encrypts the sum of their plaintexts.

    Refuses MALFORMED, naming the part: no parts, unequal lengths, values out of range, or a factor
    shared with N (found by one gcd per product, then by halving).
    """
    if not parts:
        raise Refused(Refusal.MALFORMED, "there is no ciphertext to multiply")
    names = list(parts)
    length = len(parts[names[0]])
    for name in names:
        if len(parts[name]) != length:
            raise Refused(Refusal.MALFORMED, f"{name} sent {len(parts[name])} ciphertexts, not {length}")
        try:
            check_range(parts[name], public)
        except Refused as error:
            raise Refused(error.refusal, f"{name}: {error.message}") from None
    n = mpz(public.modulus)
    products = []
    for position in range(length):
        column = [mpz(parts[name][position]) for name in names]
        product = _product(column, n)
        if gmpy2.gcd(product, n) != 1:
            name = names[_culprit(column, n)]
            raise Refused(Refusal.MALFORMED,
                          f"{name}: ciphertext {position} shares a factor with the modulus")
        products.append(int(product))
    return tuple(products)


def _product(column: Sequence[mpz], n: mpz) -> mpz:
    square, product = n * n, mpz(1)
    for ciphertext in column:
        product = product * ciphertext % square
    return product


def _culprit(column: Sequence[mpz], n: mpz) -> int:
    low, high = 0, len(column)  # a culprit lies in column[low:high]
    while high - low > 1:
        middle = (low + high) // 2
        if gmpy2.gcd(_product(column[low:middle], n), n) != 1:
            high = middle
        else:
            low = middle
    return low
