"""Arithmetic on vectors of residues mod one odd modulus: the interface that every back end fills.

A vector is `bytes`: residues one after the other, each big-endian in the ring's width and below
its modulus. `Ring` checks that once, here, for all back ends; 0 and modulus - 1 are residues like
others (whether a ciphertext may be 0 is not the ring's business). Methods run on one thread and
release the interpreter lock; `parallel` spreads vectors over threads.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Final

import numpy as np

from cotally.v1.refusals import Refusal, Refused

MAX_WINDOW: Final = 12  # bits: beyond it a table outgrows every cache before it saves a product


def exponents_of(exponents: Sequence[int], count: int | None = None, bits: int | None = None) -> None:
    """Refuse MALFORMED exponents below 0, of more than *bits* bits, or not *count* of them."""
    if count is not None and len(exponents) != count:
        raise Refused(Refusal.MALFORMED, f"{len(exponents)} exponents do not fit {count} residues")
    for position, exponent in enumerate(exponents):
        if exponent < 0 or (bits is not None and exponent.bit_length() > bits):
            raise Refused(Refusal.MALFORMED, f"exponent {position} is out of range")


def widest_window(exponent_bits: int, entry_bytes: int, table_bytes: int) -> tuple[int, int]:
    """Return the widest window whose table stays within *table_bytes*, or 1, and that table's bytes.

    A row has no entry for the digit 0. Of windows with equally many rows the narrowest is taken.
    """
    def rows(window: int) -> int:
        return -(-exponent_bits // window)

    def size(window: int) -> int:
        return rows(window) * ((1 << window) - 1) * entry_bytes

    window = max((w for w in range(2, MAX_WINDOW + 1) if size(w) <= table_bytes), default=1)
    while window > 1 and rows(window - 1) == rows(window):
        window -= 1
    return window, size(window)


class FixedBase(ABC):
    """Powers of one public base, from a table of its multiples in every window of an exponent.

    Brickell, Gordon, McCurley and Wilson 1992 with the table unrolled: one product per window and
    no squarings. The table is built when it is first needed. It holds public values only, but which
    entries are read depends on the exponent: fit for encryption in a process of one's own and for
    checking, never for a key share.
    """

    window: int  # bits of an exponent that one row of the table answers
    exponent_bits: int  # of the longest exponent
    table_bytes: int  # of the whole table

    @abstractmethod
    def build(self) -> None:
        """Build the table now, so that no later call waits for it."""

    @abstractmethod
    def times_powers(self, factors: bytes, exponents: Sequence[int]) -> bytes:
        """Return factors[k] * base^exponents[k] as a vector, for exponents of at most `exponent_bits`."""

    @abstractmethod
    def power(self, exponent: int) -> int:
        """Return base^exponent, for one exponent of at most `exponent_bits`."""


class RunningProduct(ABC):
    """The product, position by position, of vectors that arrive one at a time; its memory is one vector."""

    @abstractmethod
    def multiply(self, vector: bytes) -> None:
        """Take in one more vector of the same length. Refuses MALFORMED one that is not of this ring."""

    @abstractmethod
    def result(self) -> bytes:
        """Return the product of all vectors so far; of none, ones."""


class Ring(ABC):
    """The integers mod one odd *modulus*, as vectors whose residues are *width* bytes wide."""

    lanes = 1  # residues that a power takes together in the time of one

    def __init__(self, modulus: int, width: int) -> None:
        if modulus < 3 or modulus % 2 == 0:
            raise Refused(Refusal.MALFORMED, "a modulus must be odd and at least 3")
        if modulus.bit_length() > 8 * width:
            raise Refused(Refusal.MALFORMED, f"a modulus does not fit {width} bytes")
        self.modulus = modulus
        self.width = width
        self._head = min(width, 8)
        self._bound = modulus.to_bytes(width, "big")

    def vector(self, numbers: Sequence[int]) -> bytes:
        """Return *numbers*, each 0 <= x < modulus, as a vector. Refuses MALFORMED others."""
        for position, number in enumerate(numbers):
            if not 0 <= number < self.modulus:
                raise Refused(Refusal.MALFORMED, f"number {position} is not a residue")
        return b"".join(int(number).to_bytes(self.width, "big") for number in numbers)

    def numbers(self, vector: bytes) -> list[int]:
        """Return the residues of *vector*. Refuses MALFORMED what is not a vector of this ring."""
        self.check(vector)
        return [int.from_bytes(vector[k:k + self.width], "big") for k in range(0, len(vector), self.width)]

    def check(self, vector: bytes) -> int:
        """Return how many residues *vector* holds. Refuses MALFORMED a wrong length or a number too large."""
        count, rest = divmod(len(vector), self.width)
        if rest:
            raise Refused(Refusal.MALFORMED, f"{len(vector)} bytes are not residues of {self.width} bytes")
        heads = np.frombuffer(vector, np.uint8).reshape(count, self.width)[:, :self._head]
        words = np.zeros((count, 8), np.uint8)
        words[:, 8 - self._head:] = heads
        suspects = words.view(">u8")[:, 0] >= int.from_bytes(self._bound[:self._head], "big")
        for position in np.flatnonzero(suspects):
            if vector[position * self.width:(position + 1) * self.width] >= self._bound:
                raise Refused(Refusal.MALFORMED, f"number {position} is not a residue")
        return count

    def check_length(self, vector: bytes, count: int) -> None:
        """Refuse MALFORMED what is not a vector of *count* residues of this ring."""
        if self.check(vector) != count:
            raise Refused(Refusal.MALFORMED, f"{len(vector) // self.width} residues, where {count} belong")

    def check_pair(self, left: bytes, right: bytes) -> int:
        """Return how many residues each of two vectors holds. Refuses MALFORMED unequal lengths."""
        count = self.check(left)
        self.check_length(right, count)
        return count

    @abstractmethod
    def multiply(self, left: bytes, right: bytes) -> bytes:
        """Return left[k] * right[k] as a vector. Refuses MALFORMED unequal lengths."""

    @abstractmethod
    def running_product(self, count: int) -> RunningProduct:
        """Return an empty product of vectors of *count* residues."""

    @abstractmethod
    def powers(self, bases: bytes, exponent: int) -> bytes:
        """Return bases[k]^exponent for one public exponent >= 0; its time depends on the exponent."""

    @abstractmethod
    def secret_powers(self, bases: bytes, exponents: Sequence[int], bits: int) -> bytes:
        """Return bases[k]^exponents[k] for exponents of at most *bits* bits, without branching or
        indexing by them: time and memory accesses depend on *bits* and the length alone."""

    @abstractmethod
    def power_product(self, bases: bytes, exponents: Sequence[int]) -> int:
        """Return the product of bases[k]^exponents[k] for public exponents >= 0."""

    @abstractmethod
    def fixed_base(self, base: int, exponent_bits: int, table_bytes: int) -> FixedBase:
        """Return powers of *base*, with the widest window whose table stays within *table_bytes*."""
