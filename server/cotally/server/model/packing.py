"""Where the coordinates of a vector lie in plaintexts."""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Run:
    """Coordinates that follow one another in slots of one width: those of one block."""

    cells: int
    slot_bits: int
    bias: int  # added to each coordinate by each department


@dataclass(frozen=True, slots=True)
class Packing:
    """Slots one after the other, in the vector's order, none across the end of a plaintext.

    A plaintext takes as many slots as `plaintext_bits` hold, the first of them least significant.

    >>> Packing((Run(3, 8, 16), Run(2, 12, 300)), plaintext_bits=30).cuts
    (0, 24, 48)
    """

    runs: tuple[Run, ...]
    plaintext_bits: int  # at most; one less than the modulus has, so that each is below it

    @property
    def cuts(self) -> tuple[int, ...]:
        """The bits of all slots, one after the other, before each plaintext, and at the end."""
        return (0, *self._ends())

    @property
    def ciphertexts(self) -> int:
        """How many plaintexts hold the vector."""
        return sum(1 for _ in self._ends())

    @property
    def coordinates(self) -> int:
        """Length of the vector."""
        return sum(run.cells for run in self.runs)

    def _ends(self) -> Iterator[int]:
        begun = at = 0  # where the plaintext begins, and where its slots end so far
        for run in self.runs:
            left = run.cells
            while left > (fit := (begun + self.plaintext_bits - at) // run.slot_bits):
                if not fit and begun == at:
                    raise ValueError(f"a slot of {run.slot_bits} bits is wider than a plaintext")
                at += fit * run.slot_bits
                left -= fit
                begun = at
                yield at
            at += left * run.slot_bits
        if at > begun:
            yield at
