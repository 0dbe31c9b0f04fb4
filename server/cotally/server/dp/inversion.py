"""Magnitudes and signs drawn by inverting a distribution function, with bits drawn as they are needed.

A magnitude is the number of thresholds F_j = S_j / limit (see `bounds`) that lie at or below a uniform
real number. Its first 15 bits decide nearly always, by a look at a guide; 63 bits decide unless they
are the leading bits of a threshold; then 64 more are drawn until they do. A sign takes one bit.
"""

from bisect import bisect_right
from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt

from .bounds import Sums, sum_weights
from .law import Law

RandomBytes = Callable[[int], bytes]
Integers = npt.NDArray[np.int64]

WORD: Final = 63  # bits of a threshold
_LEAD: Final = 15  # bits that index the guide
_REST: Final = WORD - _LEAD
_UNDECIDED: Final = np.iinfo(np.int32).min
_DEEPEST: Final = 1 << 12  # bits; chance never leads here


class Inversion:
    """Draws y of weight exp(-law.exponent(y)) for y = 0, 1, 2, ... without end, each with a fair sign."""

    def __init__(self, law: Law, thresholds: npt.NDArray[np.uint64]) -> None:
        self._law = law
        self._thresholds = thresholds
        self._guide = _guide(thresholds)

    def draw(self, count: int, random_bytes: RandomBytes) -> Integers:
        """*count* magnitudes y, as y for a positive sign and as -1 - y for a negative one."""
        lead = np.frombuffer(random_bytes(2 * count), "<u2")
        codes = self._guide.take(lead).astype(np.int64)
        undecided = np.flatnonzero(codes == _UNDECIDED)
        if undecided.size:
            codes[undecided] = self._search(lead[undecided], random_bytes)
        return codes

    def _search(self, lead: npt.NDArray[np.uint16], random_bytes: RandomBytes) -> Integers:
        """Codes of numbers that begin with *lead*: its top bit is the sign, then come 48 more bits."""
        rest = np.frombuffer(random_bytes(8 * lead.size), "<u8") >> np.uint64(64 - _REST)
        words = (lead & np.uint64(2**_LEAD - 1)) << np.uint64(_REST) | rest
        found = np.searchsorted(self._thresholds, words, side="right").astype(np.int64)
        for at in np.flatnonzero(self._thresholds[np.maximum(found, 1) - 1] == words):
            found[at] = resolve(self._law, int(words[at]), random_bytes)
        return found ^ -(lead >> np.uint16(_LEAD)).astype(np.int64)


def resolve(law: Law, word: int, random_bytes: RandomBytes) -> int:
    """The magnitude of a uniform number whose first 63 bits are *word*, drawing 64 more until it is sure."""
    bits = WORD
    while bits < _DEEPEST:
        word, bits = word << 64 | int.from_bytes(random_bytes(8), "little"), bits + 64
        known = sum_weights(law, bits)
        passed = bisect_right(known.sums, (word * known.low >> bits) - known.error)  # F_j <= word for sure
        if passed < len(known.sums) and known.sums[passed] << bits >= (word + 1) * known.high:
            return passed
    raise ArithmeticError("random bits follow a threshold without end")


def tabulate(law: Law) -> tuple[Sums, npt.NDArray[np.uint64]]:
    """Sums, and floor(2**63 F_j) for all j up to the first where it is 2**63 - 1, the largest word."""
    largest = (1 << WORD) - 1
    for extra in range(1, _DEEPEST, 64):
        known = sum_weights(law, WORD + extra)
        shift = known.precision + WORD
        least = (1 << shift + WORD) // known.high  # 2**63/limit from below, in units of 2**-shift
        most = -(-(1 << shift + WORD) // known.low)
        doubt = (known.sums[-1] + known.error) * most - known.sums[-1] * least  # grows with the sum
        scaled = [total * least for total in known.sums]
        floors = [value >> shift for value in scaled]
        # F_j < 1, whatever its upper bound says
        if floors == [min(value + doubt >> shift, largest) for value in scaled] and floors[-1] == largest:
            return known, np.array(floors[: floors.index(largest) + 1], np.uint64)
    raise ArithmeticError("a threshold cannot be told from a multiple of 2**-63")


def _guide(thresholds: npt.NDArray[np.uint64]) -> npt.NDArray[np.int32]:
    """Codes by sign and first 15 bits; _UNDECIDED where a threshold begins with them."""
    starts = np.arange(2**_LEAD, dtype=np.uint64) << np.uint64(_REST)
    below = np.searchsorted(thresholds, starts, side="left")
    through = np.searchsorted(thresholds, starts | np.uint64(2**_REST - 1), side="right")
    codes = below.astype(np.int32)
    guide = np.concatenate([codes, ~codes])
    guide[np.tile(below != through, 2)] = _UNDECIDED
    return guide
