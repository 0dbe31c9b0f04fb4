"""Many small integers in one plaintext, and why no sum of honest ones leaves its slot.

Layout. Slot i of plaintext j is coordinate j * slots + i, slot 0 being the least significant. Every
department adds the public bias b to each coordinate; slots beyond the last coordinate hold 0.

No carry. `pack` refuses a coordinate outside -b..b, so an honest slot holds 0..2b, and slots of
`slot_width(D, b)` bits hold every sum over at most D departments: 0..2bD < 2^width. Sums of packed
plaintexts are then the packed sums, slot by slot, and stay below 2^(width * slots) < N. One bit
less would not do: D coordinates of b give 2bD >= 2^(width - 1). How b is chosen so that the refusal
happens in fewer than 2^-80 of the releases stands in `planner.packing`.

Dishonest departments encrypt what they please; what leaves a slot carries into the next one of the
same plaintext: an additive lie like any other about one's data.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cotally.server.model.plan import Packing

WIDEST: Final = 62  # bits of a slot, so that slots and biases are signed 64-bit integers

Integers = NDArray[np.int64]


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

    >>> pack([1, -2, 3], Packing(slot_bits=8, slots=2, ciphertexts=2, bias=16))
    [3601, 19]
    """
    _check(packing, len(values))
    try:
        numbers = np.asarray(values, np.int64)
    except OverflowError:
        raise OutOfSlot("a value does not fit 64 bits, let alone its slot") from None
    outside = np.flatnonzero((numbers < -packing.bias) | (numbers > packing.bias))
    if outside.size:
        raise OutOfSlot(f"value {outside[0]} lies outside its slot")
    slots = np.zeros(packing.ciphertexts * packing.slots, "<i8")
    slots[:len(numbers)] = numbers + packing.bias
    rows = _bits(slots.view(np.uint8), 64)[:, :packing.slot_bits].reshape(packing.ciphertexts, -1)
    return [int.from_bytes(row.tobytes(), "little") for row in np.packbits(rows, axis=1, bitorder="little")]


def unpack(plaintexts: Sequence[int], packing: Packing, departments: int, count: int) -> Integers:
    """Return the first *count* coordinates of the sum over *departments* packed vectors, as they lie there.

    Raises ValueError for another number of plaintexts, or biases that no slot holds.

    >>> unpack([3601, 19], Packing(slot_bits=8, slots=2, ciphertexts=2, bias=16), 1, 3).tolist()
    [1, -2, 3]
    """
    _check(packing, count)
    if len(plaintexts) != packing.ciphertexts:
        raise ValueError(f"{len(plaintexts)} plaintexts where {packing.ciphertexts} belong")
    if (packing.bias * departments).bit_length() > WIDEST:
        raise ValueError(f"the biases of {departments} departments are wider than {WIDEST} bits")
    used = packing.slot_bits * packing.slots
    row_bytes, mask = -(-used // 8), (1 << used) - 1
    data = b"".join((int(plaintext) & mask).to_bytes(row_bytes, "little") for plaintext in plaintexts)
    rows = _bits(np.frombuffer(data, np.uint8), 8 * row_bytes)[:, :used]
    slots = np.zeros((packing.ciphertexts * packing.slots, 64), np.uint8)
    slots[:, :packing.slot_bits] = rows.reshape(-1, packing.slot_bits)
    words = np.packbits(slots, axis=1, bitorder="little").view("<i8")[:count, 0].astype(np.int64)
    return words - packing.bias * departments


def _bits(data: NDArray[np.uint8], row_bits: int) -> NDArray[np.uint8]:
    return np.unpackbits(data, bitorder="little").reshape(-1, row_bits)


def _check(packing: Packing, count: int) -> None:
    if not 1 <= packing.slot_bits <= WIDEST or not 0 < packing.bias < 1 << packing.slot_bits:
        raise ValueError(f"slots of {packing.slot_bits} bits with a bias of {packing.bias} are not possible")
    if not packing.slots * (packing.ciphertexts - 1) < count <= packing.slots * packing.ciphertexts:
        raise ValueError(f"{count} values do not fill {packing.ciphertexts} x {packing.slots} slots")
