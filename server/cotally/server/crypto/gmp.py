"""The ring on gmpy2: what runs where the C kernel cannot, and what the kernel is compared with.

GMP does the arithmetic on one number at a time. Long operations give up the interpreter lock;
gmpy2 wants that said per thread, hence `_unlocked` around every method.
"""

from collections.abc import Iterable, Iterator, Sequence
from threading import Lock
from typing import Any, Final

import gmpy2
from gmpy2 import mpz

from .arithmetic import FixedBase, Ring, RunningProduct, exponents_of, widest_window

_ENTRY_OVERHEAD: Final = 48  # bytes of one stored integer beside its limbs, and of its slot in a row
_STRAUS_WINDOW: Final = 4


class GmpRing(Ring):
    """Residues as GMP integers, converted at the door."""

    def __init__(self, modulus: int, width: int) -> None:
        super().__init__(modulus, width)
        self._n = mpz(modulus)

    def multiply(self, left: bytes, right: bytes) -> bytes:
        """Return left[k] * right[k] as a vector. Refuses MALFORMED unequal lengths."""
        self.check_pair(left, right)
        with _unlocked():
            pairs = zip(self._each(left), self._each(right), strict=True)
            return self._join(a * b % self._n for a, b in pairs)

    def running_product(self, count: int) -> "GmpProduct":
        """Return an empty product of vectors of *count* residues."""
        return GmpProduct(self, count)

    def powers(self, bases: bytes, exponent: int) -> bytes:
        """Return bases[k]^exponent for one public exponent >= 0."""
        exponents_of([exponent])
        self.check(bases)
        with _unlocked():
            return self._join(gmpy2.powmod_base_list(list(self._each(bases)), mpz(exponent), self._n))

    def secret_powers(self, bases: bytes, exponents: Sequence[int], bits: int) -> bytes:
        """Return bases[k]^exponents[k] by GMP's side-channel silent powering.

        Its time depends on how many 64-bit words the exponent has, so on *bits* alone but for a
        2^-64 share of exponents; and an exponent of zero, which is no secret, is told apart.
        """
        count = self.check(bases)
        exponents_of(exponents, count, bits)
        with _unlocked():
            results = [gmpy2.powmod_sec(base, mpz(exponent or 1), self._n)
                       for base, exponent in zip(self._each(bases), exponents, strict=True)]
            return self._join(x if e else mpz(1) for x, e in zip(results, exponents, strict=True))

    def power_product(self, bases: bytes, exponents: Sequence[int]) -> int:
        """Return the product of bases[k]^exponents[k] for public exponents >= 0.

        Straus 1964: all bases share one chain of squarings, four bits at a time.
        """
        exponents_of(exponents, self.check(bases))
        longest = max((e.bit_length() for e in exponents), default=0)
        with _unlocked():
            rows = [_row(base, _STRAUS_WINDOW, self._n) for base in self._each(bases)]
            product = mpz(1)
            for shift in reversed(range(0, longest, _STRAUS_WINDOW)):
                for _ in range(_STRAUS_WINDOW):
                    product = product * product % self._n
                for row, exponent in zip(rows, exponents, strict=True):
                    if digit := exponent >> shift & (1 << _STRAUS_WINDOW) - 1:
                        product = product * row[digit - 1] % self._n
            return int(product)

    def fixed_base(self, base: int, exponent_bits: int, table_bytes: int) -> "GmpFixedBase":
        """Return powers of *base*, with the widest window whose table stays within *table_bytes*."""
        return GmpFixedBase(self, base, exponent_bits, table_bytes)

    def _each(self, vector: bytes) -> Iterator[mpz]:
        width = self.width
        return (mpz.from_bytes(vector[k:k + width], "big") for k in range(0, len(vector), width))

    def _join(self, numbers: Iterable[mpz]) -> bytes:
        return b"".join([number.to_bytes(self.width, "big") for number in numbers])


class GmpProduct(RunningProduct):
    """One GMP integer per position."""

    def __init__(self, ring: GmpRing, count: int) -> None:
        self._ring = ring
        self._numbers = [mpz(1)] * count

    def multiply(self, vector: bytes) -> None:
        """Take in one more vector of the same length. Refuses MALFORMED one that is not of this ring."""
        self._ring.check_length(vector, len(self._numbers))
        with _unlocked():
            n = self._ring._n
            self._numbers = [a * b % n for a, b in zip(self._numbers, self._ring._each(vector), strict=True)]

    def result(self) -> bytes:
        """Return the product of all vectors so far; of none, ones."""
        return self._ring._join(self._numbers)


class GmpFixedBase(FixedBase):
    """A table of GMP integers, one row per window."""

    def __init__(self, ring: GmpRing, base: int, exponent_bits: int, table_bytes: int) -> None:
        self._ring = ring
        self._base = next(ring._each(ring.vector([base])))
        self.exponent_bits = exponent_bits
        entry_bytes = ring.width + _ENTRY_OVERHEAD
        self.window, self.table_bytes = widest_window(exponent_bits, entry_bytes, table_bytes)
        self._rows: list[list[mpz]] = []
        self._building = Lock()

    def build(self) -> None:
        """Build the table now, so that no later call waits for it."""
        with self._building, _unlocked():
            if self._rows:
                return
            rows, power = [], self._base
            for _ in range(0, self.exponent_bits, self.window):
                rows.append(_row(power, self.window, self._ring._n))
                power = rows[-1][-1] * power % self._ring._n
            self._rows = rows

    def times_powers(self, factors: bytes, exponents: Sequence[int]) -> bytes:
        """Return factors[k] * base^exponents[k] as a vector, for exponents of at most `exponent_bits`."""
        exponents_of(exponents, self._ring.check(factors), self.exponent_bits)
        self.build()
        with _unlocked():
            return self._ring._join(self._times(factor, exponent) for factor, exponent in zip(
                self._ring._each(factors), exponents, strict=True))

    def power(self, exponent: int) -> int:
        """Return base^exponent, for one exponent of at most `exponent_bits`."""
        exponents_of([exponent], 1, self.exponent_bits)
        self.build()
        with _unlocked():
            return int(self._times(mpz(1), exponent))

    def _times(self, product: mpz, exponent: int) -> mpz:
        n, window, mask = self._ring._n, self.window, (1 << self.window) - 1
        for row in self._rows:
            if not exponent:
                break
            if digit := exponent & mask:
                product = product * row[digit - 1] % n
            exponent >>= window
        return product


def _row(base: mpz, window: int, n: mpz) -> list[mpz]:
    """The powers 1 to 2^window - 1 of *base*."""
    row = [base]
    for _ in range((1 << window) - 2):
        row.append(row[-1] * base % n)
    return row


def _unlocked() -> Any:
    """A gmpy2 context in which long operations of this thread give up the interpreter lock."""
    return gmpy2.context(gmpy2.get_context(), allow_release_gil=True)
