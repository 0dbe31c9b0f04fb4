"""Many small integers in one plaintext: slot i of ciphertext j is coordinate j * slots + i.

Slot 0 is the least significant. Each department adds the public bias to each coordinate so that
honest slots stay non-negative; slots beyond the last coordinate hold 0. The plan sizes slots so
that no honest sum overflows; a value out of range carries into its neighbour, which is an additive
lie like any other.
"""

from collections.abc import Sequence

from cotally.server.model.plan import Packing


def pack(values: Sequence[int], packing: Packing) -> list[int]:
    """Return `packing.ciphertexts` plaintexts that hold *values*, biased.

    >>> pack([1, -2, 3], Packing(slot_bits=8, slots=2, ciphertexts=2, bias=16))
    [3601, 19]
    """
    if not packing.slots * (packing.ciphertexts - 1) < len(values) <= packing.slots * packing.ciphertexts:
        raise ValueError(f"{len(values)} values do not fill {packing.ciphertexts} x {packing.slots} slots")
    plaintexts = []
    for start in range(0, len(values), packing.slots):
        plaintext = 0
        for value in reversed(values[start:start + packing.slots]):
            plaintext = (plaintext << packing.slot_bits) + value + packing.bias
        plaintexts.append(plaintext)
    return plaintexts


def unpack(plaintexts: Sequence[int], packing: Packing, departments: int, count: int) -> list[int]:
    """Return the first *count* coordinates of the sum over *departments* packed vectors.

    >>> unpack([3601, 19], Packing(slot_bits=8, slots=2, ciphertexts=2, bias=16), 1, 3)
    [1, -2, 3]
    """
    if len(plaintexts) != packing.ciphertexts or count > packing.slots * packing.ciphertexts:
        raise ValueError(f"{len(plaintexts)} plaintexts do not hold {count} values")
    mask, bias = (1 << packing.slot_bits) - 1, packing.bias * departments
    return [(plaintexts[k // packing.slots] >> packing.slot_bits * (k % packing.slots) & mask) - bias
            for k in range(count)]
