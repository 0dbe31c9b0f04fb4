"""Many small integers in one plaintext, and why no sum of honest ones leaves its slot.

Layout. The slots of all coordinates lie one after the other, each as wide as its run's; a plaintext
takes as many whole ones as it holds, the first of them least significant. Every department adds the
public bias b of its run to each coordinate; bits beyond a plaintext's last slot are 0.

No carry. `pack` refuses a coordinate outside -b..b, so an honest slot holds 0..2b, and slots of
`slot_width(D, b)` bits hold every sum over at most D departments: 0..2bD < 2^width. Sums of packed
plaintexts are then the packed sums, slot by slot, whatever the widths of their neighbours, and stay
below 2^plaintext_bits < N. One bit less would not do: D coordinates of b give 2bD >= 2^(width - 1).
How b is chosen so that the refusal happens in fewer than 2^-80 of the releases stands in
`planner.packing`.

Dishonest departments encrypt what they please; what leaves a slot carries into the next one of the
same plaintext: an additive lie like any other about one's data.
"""

from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cotally.server.model.packing import Packing, Run

WIDEST: Final = 62  # bits of a slot, so that slots and biases are signed 64-bit integers

Integers = NDArray[np.int64]
_Bits = NDArray[np.uint8]  # one bit each, least significant first


class OutOfSlot(ValueError):
    """A coordinate that its slot does not promise to hold."""


def slot_width(departments: int, bias: int) -> int:
    """Return the bits of the narrowest slot for sums of at most *departments* coordinates -bias..bias.

    >>> slot_width(3, 16), slot_width(4, 16)
    (7, 8)
    """
    return (2 * bias * departments).bit_length()


def pack(values: Sequence[int] | Integers, packing: Packing) -> list[int]:
    """Return `packing.ciphertexts` plaintexts that hold *values*, biased.

    Raises OutOfSlot for a value outside -bias..bias, ValueError for a vector of another length.

    >>> pack([1, -2, 3], Packing((Run(cells=3, slot_bits=8, bias=16),), plaintext_bits=16))
    [3601, 19]
    """
    _check(packing, len(values))
    try:
        numbers = np.asarray(values, np.int64)
    except OverflowError:
        raise OutOfSlot("a value does not fit 64 bits, let alone its slot") from None
    bits = np.concatenate([_slots(numbers[start:stop], run, start) for start, stop, run in _runs(packing)])
    return [int.from_bytes(np.packbits(bits[start:stop], bitorder="little").tobytes(), "little")
            for start, stop in pairwise(packing.cuts)]


def unpack(plaintexts: Sequence[int], packing: Packing, departments: int) -> Integers:
    """Return the coordinates of the sum over *departments* packed vectors, as they lie there.

    Raises ValueError for another number of plaintexts, or biases that no slot holds.

    >>> unpack([3601, 19], Packing((Run(cells=3, slot_bits=8, bias=16),), plaintext_bits=16), 1).tolist()
    [1, -2, 3]
    """
    _check(packing, packing.coordinates)
    if len(plaintexts) != packing.ciphertexts:
        raise ValueError(f"{len(plaintexts)} plaintexts where {packing.ciphertexts} belong")
    if any((run.bias * departments).bit_length() > WIDEST for run in packing.runs):
        raise ValueError(f"the biases of {departments} departments are wider than {WIDEST} bits")
    bits = np.concatenate([_low_bits(int(plaintext), stop - start) for plaintext, (start, stop)
                           in zip(plaintexts, pairwise(packing.cuts), strict=True)])
    totals, at = [], 0
    for run in packing.runs:
        end = at + run.cells * run.slot_bits
        slots = np.zeros((run.cells, 64), np.uint8)
        slots[:, :run.slot_bits] = bits[at:end].reshape(run.cells, run.slot_bits)
        words = np.packbits(slots, axis=1, bitorder="little").view("<i8")[:, 0].astype(np.int64)
        totals.append(words - run.bias * departments)
        at = end
    return np.concatenate(totals)


def _slots(numbers: Integers, run: Run, first: int) -> _Bits:
    """The bits of a run's slots; *first* is the position of its first coordinate in the vector."""
    outside = np.flatnonzero((numbers < -run.bias) | (numbers > run.bias))
    if outside.size:
        raise OutOfSlot(f"value {first + outside[0]} lies outside its slot")
    words = (numbers + run.bias).astype("<i8")
    return np.unpackbits(words.view(np.uint8), bitorder="little").reshape(-1, 64)[:, :run.slot_bits].ravel()


def _low_bits(number: int, count: int) -> _Bits:
    data = (number & (1 << count) - 1).to_bytes(-(-count // 8), "little")
    return np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little")[:count]


def _runs(packing: Packing) -> Iterator[tuple[int, int, Run]]:
    """Positions of each run's first coordinate and of the one after its last, and the run."""
    ends = [*accumulate((run.cells for run in packing.runs), initial=0)]
    return zip(ends, ends[1:], packing.runs, strict=False)


def _check(packing: Packing, count: int) -> None:
    for run in packing.runs:
        if not (1 <= run.slot_bits <= min(WIDEST, packing.plaintext_bits)
                and 0 < run.bias < 1 << run.slot_bits and run.cells >= 1):
            raise ValueError(f"{run.cells} slots of {run.slot_bits} bits with a bias of {run.bias} in "
                             f"plaintexts of {packing.plaintext_bits} bits are not possible")
    if not packing.runs or count != packing.coordinates:
        raise ValueError(f"{count} values do not fill {packing.coordinates} slots")
