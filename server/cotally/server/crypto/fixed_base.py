"""Powers of one base to many exponents, by a table of its small multiples in every window.

Brickell, Gordon, McCurley and Wilson 1992 with the table unrolled: one product per window and no
squarings. Rows are added when an exponent first needs them. Tables hold public values only, and a
lookup's timing depends on the exponent: fit for encryption in a process of one's own and for
checking, never for a key share.
"""

from functools import lru_cache
from threading import Lock

from gmpy2 import mpz

from .keys import PublicKey

_ENTRY_OVERHEAD = 48  # bytes of one stored integer beside its limbs, and of its slot in a row
_NONCE_EXTRA = 544  # bits by which the plaintext proof's answer outgrows an encryption's exponent
_RESPONSE_EXTRA = 416  # bits by which the equality proof's answer outgrows N^2, for small n


class FixedBase:
    """Powers of *base* mod *modulus*, fast for exponents of about *exponent_bits* bits.

    The window is the widest whose table stays within *table_bytes*.
    """

    def __init__(self, base: int, modulus: int, exponent_bits: int, table_bytes: int) -> None:
        self._modulus = mpz(modulus)
        self._exponent_bits = exponent_bits
        self._window = _widest(exponent_bits, (modulus.bit_length() + 7) // 8, table_bytes)
        self._next = mpz(base)  # base^(2^(window * rows built))
        self._rows: list[list[mpz]] = []
        self._growing = Lock()

    @property
    def window(self) -> int:
        """Bits of an exponent that one table row answers."""
        return self._window

    def power(self, exponent: int) -> mpz:
        """Return base^exponent mod modulus, for exponent >= 0."""
        return self.times_power(mpz(1), exponent)

    def times_power(self, factor: mpz, exponent: int) -> mpz:
        """Return factor * base^exponent mod modulus, for exponent >= 0."""
        window, modulus = self._window, self._modulus
        self._grow(exponent.bit_length())
        mask = (1 << window) - 1
        product = factor
        for row in self._rows:
            if not exponent:
                break
            product = product * row[exponent & mask] % modulus
            exponent >>= window
        return product

    def build(self) -> None:
        """Build the whole table now, so that no later call waits for it."""
        self._grow(self._exponent_bits)

    def _grow(self, bits: int) -> None:
        with self._growing:
            while len(self._rows) * self._window < bits:
                row = [mpz(1), self._next]
                for _ in range(2, 1 << self._window):
                    row.append(row[-1] * self._next % self._modulus)
                self._next = row[-1] * self._next % self._modulus
                self._rows.append(row)


def _widest(exponent_bits: int, entry_bytes: int, table_bytes: int) -> int:
    for window in range(10, 1, -1):
        rows = -(-exponent_bits // window)
        if (rows << window) * (entry_bytes + _ENTRY_OVERHEAD) <= table_bytes:
            return window
    return 1


@lru_cache(maxsize=4)
def encrypting_table(public: PublicKey) -> FixedBase:
    """Return the table of h_s for a node: at most 32 MiB, the nonce of its proof included."""
    return _of_generator(public, 32 << 20)


@lru_cache(maxsize=4)
def checking_table(public: PublicKey) -> FixedBase:
    """Return the table of h_s for who checks proofs: smaller, hence sooner built (at most 20 MiB)."""
    return _of_generator(public, 20 << 20)


@lru_cache(maxsize=4)
def verification_table(public: PublicKey) -> FixedBase:
    """Return the table of v for who checks partial decryptions (at most 40 MiB)."""
    return FixedBase(public.base, public.modulus_squared, 2 * public.bits + _RESPONSE_EXTRA, 40 << 20)


def _of_generator(public: PublicKey, table_bytes: int) -> FixedBase:
    bits = public.randomness_bits + _NONCE_EXTRA
    return FixedBase(public.generator, public.modulus_squared, bits, table_bytes)
