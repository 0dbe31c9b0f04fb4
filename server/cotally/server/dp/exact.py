"""Exact integer noise in bulk: inversion for small scales; buckets, offsets and rejection for large ones.

The proof is docs/proofs/noise.md.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from functools import lru_cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from .bounds import exp_below
from .inversion import Integers, Inversion, RandomBytes, tabulate
from .law import Law

Words = npt.NDArray[np.unsignedinteger[Any]]

LARGEST: Final = 2**62  # what noise beyond is drawn as
_BUCKETS: Final = 128  # within which a law falls to 1/e, at most
_WIDEST: Final = 53  # bits of an offset: it is exact as a double, and leaves 11 of 64 bits to decide with
_SHORT: Final = 16  # bits of an offset, up to which 32 bits are enough for both
_KEPT: Final = 64  # samplers of the laws drawn last, with tables of less than 400 kB each
_CHUNK: Final = 15_000  # draws at a time, at most: larger arrays would be mapped and unmapped each time
_SLACK: Final = 2.0**-40  # more than all roundings of the doubles in `_decide`
_EXTRA: Final = 64  # bits


class Sampler:
    """Draws of *law*, independent and exact where the random bytes are uniform and none is given twice."""

    def __init__(self, law: Law) -> None:
        self._law = law
        self._shift = _shift(law)
        self._coarse = law.stretched(1 << self._shift)
        known, thresholds = tabulate(self._coarse)
        self._inversion = Inversion(self._coarse, thresholds)
        self._words = np.dtype("<u4" if self._shift <= _SHORT else "<u8")
        self._deciding = 8 * self._words.itemsize - self._shift  # upper bits of a word, above its offset
        surely = [ratio >> known.precision - self._deciding for ratio in known.ratios[: len(thresholds)]]
        self._surely = np.array([*surely, 0], self._words) << self._shift  # below: every offset is accepted

    def draw(self, count: int, random_bytes: RandomBytes) -> Integers:
        """*count* draws; those beyond LARGEST either way as LARGEST."""
        values, refused = self._propose(count, random_bytes)
        while refused.size:
            again, still = self._propose(refused.size, random_bytes)
            values[refused] = again
            refused = refused[still]
        return values

    def _propose(self, count: int, random_bytes: RandomBytes) -> tuple[Integers, npt.NDArray[np.intp]]:
        """Proposals, and where they are refused; a negative zero is, or zero would come twice as often."""
        codes = self._inversion.draw(count, random_bytes)
        if not self._shift:
            return codes - (codes >> 63), np.flatnonzero(codes == -1)
        words = np.frombuffer(random_bytes(self._words.itemsize * count), self._words)
        offsets = (words & ((1 << self._shift) - 1)).astype(np.int64)
        signs = codes >> 63
        buckets = codes ^ signs
        refused = (codes == -1) & (offsets == 0)
        near = np.flatnonzero(words >= self._surely.take(buckets, mode="clip"))
        refused[near] |= ~self._decide(buckets[near], offsets[near], words[near], random_bytes)
        values = (np.minimum(buckets, LARGEST >> self._shift) << self._shift) + offsets
        np.minimum(values, LARGEST, out=values)
        return (values ^ signs) - signs, np.flatnonzero(refused)

    def _decide(self, buckets: Integers, offsets: Integers, words: Words,
                random_bytes: RandomBytes) -> npt.NDArray[np.bool_]:
        """Whether U < exp(-d), where U begins with a word's upper bits and d is what the offset costs.

        1 - d <= exp(-d) <= 1 - d + d^2/2 decides nearly always, in doubles and with room for their
        roundings; what is left is decided exactly, bit by bit.
        """
        part = offsets * 2.0**-self._shift
        falls = part * (float(self._coarse.linear) + float(self._coarse.square) * (2.0 * buckets + part))
        upper = words >> self._shift
        unit = 2.0**-self._deciding
        least = upper * unit
        accepted = least + unit <= 1 - falls - _SLACK
        for at in np.flatnonzero(~accepted & (least < 1 - falls + falls * falls / 2 + _SLACK)):
            start = int(buckets[at]) << self._shift
            exponent = self._law.exponent(start + int(offsets[at])) - self._law.exponent(start)
            accepted[at] = below_exp(exponent, int(upper[at]), self._deciding, random_bytes)
        return accepted


def below_exp(exponent: Fraction, word: int, bits: int, random_bytes: RandomBytes) -> bool:
    """Whether a uniform number whose first *bits* bits are *word* is below exp(-exponent)."""
    while True:
        least = exp_below(exponent, bits + _EXTRA)
        if (word + 1) << _EXTRA <= least:
            return True
        if word << _EXTRA >= least + 2:
            return False
        word = word << _EXTRA | int.from_bytes(random_bytes(_EXTRA // 8), "little")
        bits += _EXTRA


@lru_cache(maxsize=_KEPT)
def sampler(law: Law) -> Sampler:
    """The sampler of *law*; its tables are kept for the next draw."""
    return Sampler(law)


def draw(law: Law, count: int, threads: int | None = None) -> Integers:
    """*count* draws, from the operating system's random bytes and by as many threads as it lends cores.

    Raises ValueError for a law too wide for 64-bit integers.
    """
    source = sampler(law)
    values = np.empty(count, np.int64)
    chunks = max(-(-count // _CHUNK), 1)
    threads = min(threads or cores(), chunks)
    parts = np.array_split(values, -(-chunks // threads) * threads)

    def fill(part: Integers) -> None:
        part[:] = source.draw(part.size, os.urandom)

    if threads < 2:
        for part in parts:
            fill(part)
    else:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(fill, parts))
    return values


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _shift(law: Law) -> int:
    """The binary logarithm of a bucket's width; 0 for laws narrow enough to do without offsets."""
    for shift in range(_WIDEST + 1):
        if law.exponent(_BUCKETS << shift) >= 1:
            return shift
    raise ValueError("the law is too wide for 64-bit integers")
