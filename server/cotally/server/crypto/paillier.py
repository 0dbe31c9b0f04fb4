"""Fast Paillier encryption: c = (1 + m N) h_s^r mod N^2 with an exponent r of |N|/2 bits (`djn`).

Damgard, Jurik and Nielsen 2010, section 4. Every ciphertext decrypts under any Paillier
implementation with g = N + 1. A faster kernel replaces `Encryptor` and nothing else.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field

from gmpy2 import mpz

from .fixed_base import encrypting_table
from .keys import PublicKey


@dataclass(frozen=True, slots=True)
class Encryption:
    """Ciphertexts and the exponents that hide their plaintexts, in order. The exponents never print."""

    ciphertexts: tuple[int, ...]
    randomness: tuple[int, ...] = field(repr=False)

    def __repr__(self) -> str:
        return f"Encryption({len(self.ciphertexts)} ciphertexts, randomness=...)"


class Encryptor:
    """Encrypts under one public key; builds its table (at most 32 MiB) when first used."""

    def __init__(self, public: PublicKey) -> None:
        self._public = public

    def warm(self) -> None:
        """Build the table now, for encryption and for the proof, so that no round waits for it."""
        encrypting_table(self._public).build()

    def encrypt(self, plaintexts: Sequence[int]) -> Encryption:
        """Return one fresh ciphertext per plaintext; plaintexts are taken mod N.

        The exponents come from the operating system; whoever keeps them can open the ciphertexts.
        """
        randomness = tuple(secrets.randbits(self._public.randomness_bits) for _ in plaintexts)
        table, n = encrypting_table(self._public), mpz(self._public.modulus)
        ciphertexts = (int(table.times_power(1 + plaintext % n * n, exponent))
                       for plaintext, exponent in zip(plaintexts, randomness, strict=True))
        return Encryption(tuple(ciphertexts), randomness)

    def __repr__(self) -> str:
        return f"Encryptor({self._public.bits} bits)"
