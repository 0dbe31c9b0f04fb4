"""The C kernel's functions, loaded from the shared library that was compiled when cotally was installed.

They are called through ctypes, which gives up the interpreter lock for the whole call. The library
knows nothing of Python, so one file serves every version of it.
"""

import ctypes
import weakref
from collections.abc import Callable
from ctypes import c_char_p, c_int, c_size_t, c_uint, c_uint64, c_void_p
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

LIBRARY: Final = Path(__file__).with_name("kernel.so")
_SOURCE: Final = LIBRARY.with_suffix(".c")

_RING: Final = c_void_p
_IN: Final = c_char_p  # bytes that are read
_OUT: Final = c_void_p  # memory that is written, or the kernel's own
_SIGNATURES: Final[dict[str, tuple[Any, list[Any]]]] = {
    "source": (c_char_p, []),
    "ring_new": (c_void_p, [c_size_t, c_size_t, _IN, c_uint64]),
    "ring_free": (None, [_RING]),
    "multiply": (c_int, [_RING, _IN, _IN, c_size_t, _OUT]),
    "product_new": (c_void_p, [_RING, c_size_t]),
    "product_free": (None, [_OUT]),
    "product_multiply": (c_int, [_RING, _OUT, _IN, c_size_t]),
    "product_result": (c_int, [_RING, _OUT, _IN, c_size_t, _OUT]),
    "secret_powers": (c_int, [_RING, _IN, c_size_t, _IN, c_size_t, c_size_t, _OUT]),
    "lone_power": (c_int, [_RING, _IN, _IN, _IN, c_size_t, c_size_t, _OUT]),
    "power_product": (c_int, [_RING, _IN, c_size_t, _IN, c_size_t, c_size_t, _OUT]),
    "table_fill": (c_int, [_RING, _IN, c_uint, c_size_t, _OUT]),
    "table_times": (c_int, [_RING, _OUT, c_uint, c_size_t, _IN, _IN, c_size_t, c_size_t, _OUT]),
    "table_power": (c_int, [_RING, _OUT, c_uint, c_size_t, _IN, c_size_t, _OUT]),
    "chain": (c_int, [_RING, _IN, c_size_t]),
    "additions": (c_uint64, [c_uint64]),
}


class Kernel:
    """The functions of one shared library. Raises OSError with a sentence where it cannot be used."""

    def __init__(self, library: Path) -> None:
        if not library.exists():
            raise OSError("it was not compiled when cotally was installed, for want of a C compiler")
        self._functions: dict[str, Callable[..., Any]] = {}
        try:
            functions = _opened(library)
            if not functions.cotally_supported():
                raise OSError("this processor has no AVX512-IFMA")
            for name, (result, arguments) in _SIGNATURES.items():
                function = getattr(functions, f"cotally_{name}")
                function.restype, function.argtypes = result, arguments
                self._functions[name] = function
            stale = self.get("source")().decode() != sha256(_SOURCE.read_bytes()).hexdigest()
        except AttributeError:
            stale = True
        if stale:  # its functions may want other arguments, or lack what was mended since
            raise OSError("its library is of another version; install cotally again")

    def get(self, name: str) -> Callable[..., Any]:
        """The function itself, for the few that do not return a code."""
        return self._functions[name]

    def call(self, name: str, *arguments: Any) -> None:
        """Call what returns a code. Raises MemoryError where there was not enough."""
        if self._functions[name](*arguments) != 0:
            raise MemoryError(f"not enough memory for {name.replace('_', ' ')}")

    def new(self, name: str, owner: object, *arguments: Any) -> int:
        """Return what `name_new` makes, freed together with *owner*. Raises MemoryError."""
        made = self._functions[f"{name}_new"](*arguments)
        if not made:
            raise MemoryError(f"not enough memory for a {name}")
        weakref.finalize(owner, self._functions[f"{name}_free"], made).atexit = False
        return int(made)


def _opened(library: Path) -> ctypes.CDLL:
    try:
        return ctypes.CDLL(str(library))
    except OSError:
        raise OSError("its library does not load; install cotally again") from None


@lru_cache(maxsize=1)
def _loaded() -> Kernel | str:
    try:
        return Kernel(LIBRARY)
    except OSError as reason:
        return str(reason)


def missing() -> str | None:
    """Why the kernel cannot be used on this machine; None if it can."""
    loaded = _loaded()
    return loaded if isinstance(loaded, str) else None


def kernel() -> Kernel:
    """Return the kernel. Raises OSError where `missing` says why."""
    loaded = _loaded()
    if isinstance(loaded, str):
        raise OSError(loaded)
    return loaded
