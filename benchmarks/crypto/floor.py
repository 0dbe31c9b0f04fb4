"""How near encryption comes to what the processor can do: its multiplications alone, at full speed.

A product mod N^2 by the schoolbook takes 2 d^2 multiply-and-add instructions, and Montgomery's
reduction 2 d^2 more, for eight numbers of d digits of 52 bits. The floor of an encryption is its
products at the rate that `floor.c` measures on this machine at this moment; `floor_*` is that
floor divided by the time of the quickest encryption, for the rate is the quickest too. Karatsuba's
method can go below the floor.
"""

import ctypes
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Final

from cotally.server.crypto.packing import pack
from cotally.server.crypto.tables import encrypting_table
from cotally.server.ops.bench.rows import Missing, Row
from cotally.server.ops.bench.timing import Work, duration

from ..program import Workload
from . import key
from .setting import MODES, Setting

_SOURCE: Final = Path(__file__).with_suffix(".c")
_FLAGS: Final = ("-O2", "-shared", "-fPIC")
_A_TURN: Final = 16  # instructions
_TURNS: Final = 500_000
_TRIES: Final = 100
_DIGIT, _LANES = 52, 8


def _measure(setting: Setting) -> Iterable[Row]:
    with tempfile.TemporaryDirectory(prefix="cotally-bench-") as folder:
        library = _compiled(Path(folder))
        rate = _rate(library.multiply_add)
        yield Row(row="floor_clock_ghz", count=_rate(library.add) / 1e9)
        yield Row(row="floor_multiply_adds_a_second", count=rate)
    digits = -(-2 * setting.bits // _DIGIT)
    product = 4 * digits**2 / _LANES / rate  # seconds
    yield Row(row="floor_products_a_second", count=1 / product)
    for mode in MODES:
        encryptor, plaintexts = setting.encryptor(mode), pack(setting.vector(1), setting.packing())
        public = key.public(setting.bits, mode)
        products = -(-public.randomness_bits // encrypting_table(public).window)
        taken = duration(Work(partial(encryptor.encrypt, plaintexts)), setting.rounds).low
        yield Row(row=f"floor_encrypt_{mode.spelling}", share=products * product * len(plaintexts) / taken)


def _compiled(folder: Path) -> ctypes.CDLL:
    compiler, target = shutil.which("cc"), folder / "floor.so"
    if compiler is None:
        raise Missing("there is no C compiler to measure the processor with")
    command = [compiler, *_FLAGS, str(_SOURCE), "-o", str(target)]
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode != 0:
        raise Missing("the C compiler does not know this processor's wide multiplications")
    library = ctypes.CDLL(str(target))
    if not library.supported():
        raise Missing("this processor has no AVX512-IFMA")
    for function in (library.multiply_add, library.add):
        function.argtypes, function.restype = [ctypes.c_uint64], ctypes.c_uint64
    return library


def _rate(function: Callable[[int], int]) -> float:
    """Instructions a second: the best of many short tries, one of which meets no other work."""
    best = float("inf")
    for _ in range(_TRIES):
        start = time.perf_counter()
        function(_TURNS)
        best = min(best, time.perf_counter() - start)
    return _A_TURN * _TURNS / best


WORKLOADS = (Workload(("floor_encrypt_djn", "floor_encrypt_short"), _measure),)
