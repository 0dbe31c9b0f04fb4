"""The opening of a release: partial decryptions checked, combined and unpacked again.

Threshold Paillier after Damgard, Jurik and Nielsen 2010: a share of the key raises every product to
2 Delta s_i (Delta = n!), and any t of them give the plaintexts. A batched proof (Chaum and Pedersen's,
over squares modulo N^2, 128-bit Fiat-Shamir weights and challenge) shows that a key holder used the
share that the roster's public key commits it to.
"""

import hashlib
import math
import os
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeVar

import gmpy2
from gmpy2 import mpz

from cotally.v1 import roster_pb2, round_pb2
from cotally.v1.refusals import Refusal, Refused

from .powers import power_product

Result = TypeVar("Result")

_WEIGHT_BYTES = 16
_SPARE_RESPONSE_BITS = 512  # above Delta and the share: the challenge and the nonce's margin


def frame(*parts: bytes | str | int | mpz) -> bytes:
    """Return *parts* in order, each after its length in 8 bytes; integers are minimal big-endian."""
    return b"".join(len(part).to_bytes(8, "big") + part for part in map(_as_bytes, parts))


def _as_bytes(part: bytes | str | int | mpz) -> bytes:
    if isinstance(part, bytes):
        return part
    if isinstance(part, str):
        return part.encode()
    value = int(part)
    return value.to_bytes((value.bit_length() + 7) // 8, "big")


def _integers(domain: str, count: int, *statement: bytes | int | mpz) -> Iterator[mpz]:
    stream = hashlib.shake_256(frame(domain, *statement)).digest(_WEIGHT_BYTES * count)
    for start in range(0, len(stream), _WEIGHT_BYTES):
        yield mpz(int.from_bytes(stream[start:start + _WEIGHT_BYTES], "big"))


@dataclass(frozen=True, slots=True)
class Key:
    """The federation's public key, parsed: modulus N, its square, t of n, v and v_1..v_n."""

    modulus: mpz
    square: mpz
    key_holders: int
    threshold: int
    base: mpz
    verification: tuple[mpz, ...]
    refreshes: int = 0

    @classmethod
    def of(cls, message: roster_pb2.PublicKey) -> "Key":
        """Return the key in *message*; refuse one whose numbers cannot belong together."""
        modulus = mpz(int.from_bytes(message.modulus, "big"))
        square = modulus * modulus
        base = mpz(int.from_bytes(message.base, "big"))
        verification = tuple(mpz(int.from_bytes(each, "big")) for each in message.verification)
        if modulus.bit_length() < 512 or not modulus.is_odd():
            raise Refused(Refusal.MALFORMED, "the federation's public key has no usable modulus")
        if not 1 <= message.threshold <= message.key_holders or len(verification) != message.key_holders:
            raise Refused(Refusal.MALFORMED, "the public key contradicts itself about its shares")
        if any(not 1 < each < square or math.gcd(each, modulus) != 1 for each in (base, *verification)):
            raise Refused(Refusal.MALFORMED, "the public key has values out of range")
        return cls(modulus, square, message.key_holders, message.threshold, base, verification,
                   message.refreshes)

    @property
    def width(self) -> int:
        """Bytes of one ciphertext on the wire."""
        return 2 * ((int(self.modulus.bit_length()) + 7) // 8)

    @property
    def response_bits(self) -> int:
        """Bits that no honest answer in a proof of equality reaches.

        A dealt share is below N^2. Refreshes multiply it once by Delta = n! and add below
        2^(2|N| + 3|(n+1)!| + 128) (n + ... + n^(t-1)) for each holder and time.
        """
        n, delta = self.key_holders, math.factorial(self.key_holders)
        double = 2 * int(self.modulus.bit_length())
        share = 1 << double
        if self.refreshes:
            bits = double + 3 * math.factorial(n + 1).bit_length() + 128
            share = delta * share + (self.refreshes * n * sum(n**k for k in range(1, self.threshold)) << bits)
        return share.bit_length() + delta.bit_length() + _SPARE_RESPONSE_BITS

    def ciphertexts(self, data: bytes, count: int, what: str) -> tuple[mpz, ...]:
        """Return the *count* residues in *data*; refuse a wrong length, and values that are not units."""
        width = self.width
        if len(data) != count * width:
            raise Refused(Refusal.MALFORMED, f"{what} are not {count} ciphertexts of {width} bytes")
        values = tuple(
            mpz(int.from_bytes(data[at:at + width], "big")) for at in range(0, len(data), width))
        folded = mpz(1)  # one common divisor for all: a factor that one shares with N, the product shares
        for value in values:
            folded = folded * value % self.modulus
        if any(not 0 < value < self.square for value in values) or gmpy2.gcd(folded, self.modulus) != 1:
            raise Refused(Refusal.MALFORMED, f"{what} hold a value that is no unit modulo N^2")
        return values


def check_equality(
    key: Key, share: int, context: bytes, products: bytes, partials: bytes, count: int,
    proof: round_pb2.EqualityProof, culprit: str,
) -> tuple[mpz, ...]:
    """Return the *count* partial decryptions in *partials*; refuse them unless *proof* fits share *share*.

    v^z = A1 v_i^e and (C^4)^z = A2 (P^2)^e modulo N^2, with C and P the products weighted from the
    whole statement. *culprit* is the key holder that a refusal names.
    """
    bad = Refused(Refusal.BAD_PROOF, f"the proof of key holder {culprit!r} does not verify")
    cs = key.ciphertexts(products, count, "the products")
    ps = key.ciphertexts(partials, count, f"the partial decryptions of {culprit!r}")
    on_base, on_product, response = (
        mpz(int.from_bytes(part, "big")) for part in (proof.on_base, proof.on_product, proof.response))
    if not (0 < on_base < key.square and 0 < on_product < key.square):
        raise bad
    if response.bit_length() > key.response_bits:
        raise bad
    own = key.verification[share - 1]
    statement = (context, key.modulus, key.base, own, products, partials)
    weights = list(_integers("cotally/v1/equality-weights", count, *statement))
    combined_c, combined_p = (power_product(each, weights, 8 * _WEIGHT_BYTES, key.square)
                              for each in (cs, ps))
    challenge, = _integers(
        "cotally/v1/equality-challenge", 1,
        context, key.modulus, key.base, own, combined_c, combined_p, on_base, on_product)
    # Both equations at once, the second to a random power: one long power instead of two (Bellare, Garay
    # and Rabin 1998). Squared, since that test says nothing about factors of small order, and the only
    # small order modulo a product of safe primes is two; the statement is about squares.
    rho = secrets.randbits(8 * _WEIGHT_BYTES)
    left = key.base * gmpy2.powmod(combined_c, 4 * rho, key.square) % key.square
    left = gmpy2.powmod(left, 2 * response, key.square)
    right = on_product * gmpy2.powmod(combined_p, 2 * challenge, key.square) % key.square
    right = gmpy2.powmod(right, rho, key.square) * gmpy2.powmod(own, challenge, key.square) % key.square
    if left != gmpy2.powmod(on_base * right, 2, key.square):
        raise bad
    return ps


def side_by_side(check: Callable[[int], Result], shares: Iterable[int]) -> list[Result]:
    """Return what *check* returns for each share, checked by as many threads as there are processors.

    The first refusal, in order, is raised. gmpy2 gives up the interpreter lock only where its thread's
    context says so.
    """
    with ThreadPoolExecutor(os.cpu_count(), initializer=_release_lock) as pool:
        return list(pool.map(check, shares))


def _release_lock() -> None:
    gmpy2.set_context(gmpy2.context(allow_release_gil=True))


def combine(key: Key, partials: Mapping[int, Sequence[mpz]]) -> list[int]:
    """Return the plaintexts that exactly t *partials*, by share index, open.

    Raises BAD_PROOF when a combination is not 1 modulo N, which that of valid partials always is.
    """
    if len(partials) != key.threshold or len({len(parts) for parts in partials.values()}) != 1:
        raise Refused(
            Refusal.MALFORMED, f"a plaintext is opened by {key.threshold} partial decryptions of one length")
    delta = math.factorial(key.key_holders)
    exponents: dict[int, int] = {}
    for i in partials:
        ratio = Fraction(2 * delta)
        for j in partials:
            if j != i:
                ratio *= Fraction(-j, i - j)
        exponents[i] = int(ratio)  # exact: Delta clears every denominator
    factor = 4 * delta ** (3 if key.refreshes else 2)  # the first refresh multiplied the shares by Delta
    scale = gmpy2.invert(mpz(factor), key.modulus)
    plaintexts = []
    for position in zip(*partials.values(), strict=True):
        value = mpz(1)
        for exponent, part in zip(exponents.values(), position, strict=True):
            value = value * gmpy2.powmod(part, exponent, key.square) % key.square
        if value % key.modulus != 1:
            raise Refused(Refusal.BAD_PROOF, "the partial decryptions do not combine to a plaintext")
        plaintexts.append(int((value - 1) // key.modulus * scale % key.modulus))
    return plaintexts
