"""The back end of all big-integer arithmetic: the fastest that this machine has, or the one that is named.

`COTALLY_BACKEND` set to `ifma` or `gmpy2` chooses; unset or empty, the first available one of that
list. Both give the same bytes for the same input.
"""

import os
from functools import lru_cache
from typing import Final

import gmpy2

from cotally.v1.refusals import Misconfigured

from . import library
from .arithmetic import Ring
from .gmp import GmpRing
from .ifma import MAX_BITS, IfmaRing

VARIABLE: Final = "COTALLY_BACKEND"
IFMA: Final = "ifma"
GMPY2: Final = "gmpy2"
_RINGS: Final[dict[str, type[Ring]]] = {IFMA: IfmaRing, GMPY2: GmpRing}  # fastest first


def available() -> tuple[str, ...]:
    """The back ends that work on this machine, fastest first."""
    return (IFMA, GMPY2) if library.missing() is None else (GMPY2,)


def name() -> str:
    """The back end in use. Raises Misconfigured where the environment names one that does not work here."""
    wanted = os.environ.get(VARIABLE, "")
    usable = available()
    if not wanted:
        return usable[0]
    if wanted not in usable:
        why = library.missing() if wanted == IFMA else "there is no such back end"
        raise Misconfigured(f"{VARIABLE}={wanted} cannot be used: {why}; "
                            f"this machine has {', '.join(usable)}")
    return wanted


def detail() -> str:
    """One line on the back end in use, the versions, and why a faster one is not used."""
    kernel = library.missing() or "compiled, supported by this processor"
    return f"back end {name()}; kernel: {kernel}; gmpy2 {gmpy2.version()}, {gmpy2.mp_version()}"


def ring(modulus: int, width: int) -> Ring:
    """Return the ring mod *modulus* on the back end in use, made once. Refuses MALFORMED an even modulus."""
    return _ring(name(), modulus, width)


@lru_cache(maxsize=32)
def _ring(backend: str, modulus: int, width: int) -> Ring:
    if modulus.bit_length() > MAX_BITS:
        return GmpRing(modulus, width)
    return _RINGS[backend](modulus, width)
