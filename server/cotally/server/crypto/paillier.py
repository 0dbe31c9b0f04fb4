"""Paillier encryption, c = (1 + m N) mask mod N^2, with the mask that the federation's policy names.

Under DJN and SHORT the mask is h_s^r by a table (Damgard, Jurik and Nielsen 2010, section 4), under
TEXTBOOK it is r^N (Paillier 1999). Every ciphertext decrypts under any implementation with g = N + 1.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from gmpy2 import mpz

from cotally.server.model.encryption import Encryption

from . import parallel, randomness
from .keys import PublicKey
from .tables import encrypting_table


@dataclass(frozen=True, slots=True)
class Encrypted:
    """Ciphertexts as a vector, and what hides each plaintext. That never prints."""

    ciphertexts: bytes
    randomness: tuple[int, ...] = field(repr=False)

    def __repr__(self) -> str:
        return f"Encrypted({len(self.randomness)} ciphertexts, randomness=...)"


class Encryptor:
    """Encrypts under one public key; builds its table (at most 64 MiB) when first used."""

    def __init__(self, public: PublicKey) -> None:
        self._public = public

    def warm(self) -> None:
        """Build the table now, for encryption and for the proof, so that no round waits for it."""
        if self._public.encryption is not Encryption.TEXTBOOK:
            encrypting_table(self._public).build()

    def encrypt(self, plaintexts: Sequence[int]) -> Encrypted:
        """Return one fresh ciphertext per plaintext; plaintexts are taken mod N.

        The randomness comes from the operating system; whoever keeps it can open the ciphertexts.
        """
        public, ring = self._public, self._public.ring
        factors = openings(public, plaintexts)
        if public.encryption is Encryption.TEXTBOOK:
            drawn = randomness.residues(len(plaintexts), public.modulus)
            masks = parallel.powers(ring, ring.vector(drawn), public.modulus)
            return Encrypted(ring.multiply(factors, masks), tuple(drawn))
        drawn = randomness.exponents(len(plaintexts), public.randomness_bits)
        made = parallel.times_powers(ring, encrypting_table(public), factors, drawn)
        return Encrypted(made, tuple(drawn))

    def __repr__(self) -> str:
        return f"Encryptor({self._public.bits} bits, {self._public.encryption.spelling})"


def openings(public: PublicKey, plaintexts: Sequence[int]) -> bytes:
    """Return (1 + N)^m = 1 + m N mod N^2 per plaintext, as a vector."""
    n = mpz(public.modulus)
    width = public.ciphertext_bytes
    return b"".join((1 + plaintext % n * n).to_bytes(width, "big") for plaintext in plaintexts)
