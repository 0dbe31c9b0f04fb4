"""The product of departments' ciphertexts, streamed: memory does not grow with their number.

Parts are taken in blocks of about a mebibyte, which fills the lanes of the arithmetic, one running
product for each processor. A part that shares a factor with N shows in one gcd of the whole product;
only then are the parts read a second time.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final

import gmpy2
from gmpy2 import mpz

from cotally.v1.refusals import Refusal, Refused

from . import ciphertexts, parallel
from .keys import PublicKey

Part = tuple[str, bytes]  # who sent it, and a vector of ciphertexts

_BLOCK_BYTES: Final = 1 << 20
_COLUMN: Final = 64  # parts among which a culprit is sought by halving


@dataclass(frozen=True, slots=True)
class Stored:
    """Parts of *part_bytes* bytes that lie one after the other in *data*, such as a memory-mapped file."""

    data: memoryview
    part_bytes: int

    def __iter__(self) -> Iterator[Part]:
        """The parts, numbered from 0; what is left at the end is one too, for `multiply` to refuse."""
        for k, start in enumerate(range(0, len(self.data), self.part_bytes)):
            yield f"part {k}", bytes(self.data[start:start + self.part_bytes])


def multiply(parts: Iterable[Part], count: int, public: PublicKey) -> bytes:
    """Return the product of all parts per position, which encrypts the sum of their plaintexts.

    *parts* are names and vectors of *count* ciphertexts, and can be read twice.
    Refuses MALFORMED, naming the part: none at all, another length, a value out of range, a factor
    shared with N.
    """
    if isinstance(parts, Iterator):
        raise TypeError("parts may have to be read twice, so an iterator will not do")
    if count < 1:
        raise Refused(Refusal.MALFORMED, "a part holds at least one ciphertext")
    takers: list[_Taker] = []
    at_once = parallel.processors()
    blocks = _blocks(parts, max(1, _BLOCK_BYTES // (count * public.ciphertext_bytes)))
    while turn := list(islice(blocks, at_once)):
        takers += [_Taker(public, count, len(turn[0])) for _ in turn[len(takers):]]
        parallel.each(lambda pair: pair[0].take(pair[1]), list(zip(takers, turn, strict=False)))
    if not takers:
        raise Refused(Refusal.MALFORMED, "there is no ciphertext to multiply")
    product = ciphertexts.fold(b"".join(taker.product() for taker in takers), count, public)
    if gmpy2.gcd(int.from_bytes(ciphertexts.fold(product, 1, public), "big"), public.modulus) != 1:
        position = ciphertexts.first_with_factor(product, public)
        raise Refused(Refusal.MALFORMED, f"{_culprit(parts, position, public)}: ciphertext {position} shares "
                                         "a factor with the modulus")
    return product


class _Taker:
    """A running product of blocks of at most *size* parts."""

    def __init__(self, public: PublicKey, count: int, size: int) -> None:
        self._public, self._count, self._size = public, count, size
        self._running = public.ring.running_product(count * size)

    def take(self, block: list[Part]) -> None:
        """Take in one block; refuse MALFORMED, by name, a part that is not *count* ciphertexts."""
        joined = b"".join(part for _, part in block)
        length = self._count * self._public.ciphertext_bytes
        try:
            if any(len(part) != length for _, part in block):
                raise Refused(Refusal.MALFORMED, "a part has another length")
            ciphertexts.check(joined, self._count * len(block), self._public)
        except Refused:
            for name, part in block:
                try:
                    ciphertexts.check(part, self._count, self._public)
                except Refused as error:
                    raise Refused(error.refusal, f"{name}: {error.message}") from None
            raise
        missing = self._count * (self._size - len(block))
        self._running.multiply(joined + self._public.ring.vector([1]) * missing)

    def product(self) -> bytes:
        """Return the product per position of all parts taken."""
        return ciphertexts.fold(self._running.result(), self._count, self._public)


def _blocks(parts: Iterable[Part], size: int) -> Iterator[list[Part]]:
    stream = iter(parts)
    while block := list(islice(stream, size)):
        yield block


def _culprit(parts: Iterable[Part], position: int, public: PublicKey) -> str:
    """Return the name of the first part whose ciphertext at *position* shares a factor with N."""
    at = slice(position * public.ciphertext_bytes, (position + 1) * public.ciphertext_bytes)
    for block in _blocks(parts, _COLUMN):
        column = [mpz(int.from_bytes(part[at], "big")) for _, part in block]
        low, high = 0, len(column)
        while low < high and _has_factor(column[low:high], public):  # the first culprit lies in there
            middle = (low + high) // 2
            if high - low == 1:
                return block[low][0]
            low, high = (low, middle) if _has_factor(column[low:middle], public) else (middle, high)
    raise Refused(Refusal.MALFORMED, "the parts changed while they were read")


def _has_factor(column: list[mpz], public: PublicKey) -> bool:
    product = mpz(1)
    for ciphertext in column:
        product = product * ciphertext % public.modulus
    return bool(gmpy2.gcd(product, public.modulus) != 1)
