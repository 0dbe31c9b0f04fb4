"""Coordinates read from opened plaintexts: slots one after the other, each as wide as its run's."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from cotally.v1 import round_pb2
from cotally.v1.refusals import Refusal, Refused

_WORD = 64  # bits that totals fit, with their biases


def cuts(packing: round_pb2.Packing) -> list[int]:
    """Return how many bits of slots, all in a row, lie before each plaintext, and at the end how many in all.

    A plaintext takes as many whole slots as its bits hold. No slot may be wider than that.
    """
    found, at = [0], 0
    for run in packing.runs:
        left = run.cells
        while left > (room := (found[-1] + packing.plaintext_bits - at) // run.slot_bits):
            at += room * run.slot_bits
            left -= room
            found.append(at)
        at += left * run.slot_bits
    return [*found, at]


def unpack(plaintexts: Sequence[int], packing: round_pb2.Packing, departments: int) -> list[int]:
    """Return the coordinates in *plaintexts*, less the bias of each of *departments*.

    Refuses slots that are wider than totals are, and plaintexts that are not as many as the slots fill.
    """
    ends = cuts(packing)
    widest = max(run.slot_bits for run in packing.runs)
    if widest >= _WORD or departments * max(run.bias for run in packing.runs) >> _WORD - 1:
        raise Refused(Refusal.MALFORMED, f"the plan's slots of {widest} bits are wider than totals can be")
    if len(plaintexts) != len(ends) - 1:
        raise Refused(Refusal.MALFORMED, f"{len(plaintexts)} plaintexts were opened where the plan has "
                                         f"{len(ends) - 1}")
    bits = np.concatenate([_low_bits(plaintext, end - start)
                           for plaintext, (start, end) in zip(plaintexts, pairwise(ends), strict=True)])
    totals: list[int] = []
    at = 0
    for run in packing.runs:
        end = at + run.cells * run.slot_bits
        slots = np.zeros((run.cells, _WORD), np.uint8)
        slots[:, :run.slot_bits] = bits[at:end].reshape(run.cells, run.slot_bits)
        words = np.packbits(slots, axis=1, bitorder="little").view("<i8")[:, 0]
        totals += (words - departments * run.bias).tolist()
        at = end
    return totals


def _low_bits(plaintext: int, count: int) -> np.ndarray:
    data = (plaintext & (1 << count) - 1).to_bytes(-(-count // 8), "little")
    return np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little")[:count]
