"""How fast a federation's nodes declare to be: part of the roster's policy, so that D is one for all."""

from enum import IntEnum


class Pace(IntEnum):
    """What every node of the federation has; the values are those on the wire.

    - PORTABLE: any machine, arithmetic without a compiled kernel, OpenDP's samplers; the default.
    - KERNEL: the compiled kernel (AVX-512 IFMA) and `noise = "exact"`.
    """

    PORTABLE = 1
    KERNEL = 2

    @property
    def spelling(self) -> str:
        """The pace as specs and people write it."""
        return self.name.lower()
