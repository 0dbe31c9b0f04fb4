"""Decryption with the whole key, by the Chinese remainder theorem (Paillier 1999, section 7).

For interoperability, tests and benchmarks: in a federation nobody holds the whole key once the
ceremony is over. Its time depends on the key.
"""

from dataclasses import dataclass, field

import gmpy2
from gmpy2 import mpz

from cotally.v1.refusals import Misconfigured, Refusal

from . import backend, parallel
from .ciphertexts import check, check_units
from .keys import PublicKey


@dataclass(frozen=True, slots=True)
class PrivateKey:
    """The distinct odd primes p and q of N = p q. Never printed. Raises Misconfigured for other numbers."""

    p: int = field(repr=False)
    q: int = field(repr=False)

    def __post_init__(self) -> None:
        if self.p == self.q or not all(prime > 2 and gmpy2.is_prime(prime) for prime in (self.p, self.q)):
            raise Misconfigured("a private key is two distinct odd primes")
        if gmpy2.gcd(self.p * self.q, (self.p - 1) * (self.q - 1)) != 1:
            raise Misconfigured("the modulus of a private key must be prime to its order")

    def decrypt(self, vector: bytes, public: PublicKey) -> list[int]:
        """Return the plaintexts, 0 <= m < N, of ciphertexts under *public*, whatever masks them.

        Raises Misconfigured for another key's modulus; refuses MALFORMED ciphertexts out of range or
        sharing a factor with N.
        """
        if self.p * self.q != public.modulus:
            raise Misconfigured("the private key does not belong to this public key")
        check(vector, len(vector) // public.ciphertext_bytes, public)
        check_units(vector, public, Refusal.MALFORMED, "ciphertext")
        numbers = [mpz(number) for number in public.ring.numbers(vector)]
        by_p, by_q = _modulo(numbers, self.p, public.modulus), _modulo(numbers, self.q, public.modulus)
        inverse = gmpy2.invert(self.p, self.q)
        return [int(a + (b - a) * inverse % self.q * self.p) for a, b in zip(by_p, by_q, strict=True)]

    def __repr__(self) -> str:
        return f"PrivateKey({(self.p * self.q).bit_length()} bits)"


def _modulo(numbers: list[mpz], prime: int, modulus: int) -> list[mpz]:
    """Return the plaintexts mod *prime*: c^(p-1) = 1 + m (p-1) N mod p^2."""
    square = prime * prime
    ring = backend.ring(square, (square.bit_length() + 7) // 8)
    raised = parallel.powers(ring, ring.vector([int(number % square) for number in numbers]), prime - 1)
    scale = gmpy2.invert(-(modulus // prime), prime)  # (p-1) N / p, mod p
    return [(power - 1) // prime * scale % prime for power in ring.numbers(raised)]
