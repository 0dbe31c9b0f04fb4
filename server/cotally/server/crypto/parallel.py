"""Long operations on vectors, spread over the processors that this process may use.

A vector is cut into ranges of whole lane groups, one for each processor; the caller's own thread
computes the last of them, the threads of one shared pool the others. No work of the pool may wait
for the pool.
"""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from typing import Final, TypeVar

import gmpy2

from .arithmetic import FixedBase, Ring

_LONG: Final = 64  # residues whose shared chain of squarings is worth doing twice to wait half as long

Item = TypeVar("Item")
Result = TypeVar("Result")


def processors() -> int:
    """How many processors this process may use now."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def release_lock() -> None:
    """Make this thread give up the interpreter lock during gmpy2's long operations, until it ends."""
    gmpy2.set_context(gmpy2.context(allow_release_gil=True))


def each(function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    """Return [function(item) for item in items], computed by the pool's threads."""
    if len(items) < 2 or processors() < 2:
        return [function(item) for item in items]
    return list(_pool().map(function, items))


def ranges(count: int, lanes: int, parts: int) -> list[tuple[int, int]]:
    """Return at most *parts* ranges that cover 0..count, cut at multiples of *lanes*, as even as can be.

    >>> ranges(21, 8, 2)
    [(0, 16), (16, 21)]
    """
    groups = -(-count // lanes)
    cuts = [min(-(-groups * k // parts) * lanes, count) for k in range(parts + 1)]
    return [(start, stop) for start, stop in pairwise(cuts) if start < stop]


def secret_powers(ring: Ring, bases: bytes, exponents: Sequence[int], bits: int) -> bytes:
    """`Ring.secret_powers`, spread."""
    count = len(exponents)
    ring.check_length(bases, count)
    return b"".join(_spread(count, _grain(ring, count), lambda start, stop: ring.secret_powers(
        _cut(ring, bases, start, stop), exponents[start:stop], bits)))


def powers(ring: Ring, bases: bytes, exponent: int) -> bytes:
    """`Ring.powers`, spread."""
    count = ring.check(bases)
    return b"".join(_spread(count, _grain(ring, count), lambda start, stop: ring.powers(
        _cut(ring, bases, start, stop), exponent)))


def times_powers(ring: Ring, table: FixedBase, factors: bytes, exponents: Sequence[int]) -> bytes:
    """`FixedBase.times_powers`, spread; *ring* is the table's."""
    count = len(exponents)
    ring.check_length(factors, count)
    table.build()  # once, not by each thread
    return b"".join(_spread(count, ring.lanes, lambda start, stop: table.times_powers(
        _cut(ring, factors, start, stop), exponents[start:stop])))


def power_product(ring: Ring, bases: bytes, exponents: Sequence[int]) -> int:
    """`Ring.power_product`, spread."""
    ring.check_length(bases, len(exponents))
    product = 1
    for part in _spread(len(exponents), _LONG, lambda start, stop: ring.power_product(
            _cut(ring, bases, start, stop), exponents[start:stop])):
        product = product * part % ring.modulus
    return product


def _grain(ring: Ring, count: int) -> int:
    """Where a vector of powers may be cut: a few take longer together than one after the other."""
    return ring.lanes if count > ring.lanes // 2 else 1


def _spread(count: int, grain: int, work: Callable[[int, int], Result]) -> list[Result]:
    parts = ranges(count, grain, processors())
    if len(parts) < 2:
        return [work(0, count)]
    waiting = [_pool().submit(work, *part) for part in parts[:-1]]
    last = work(*parts[-1])
    return [*(future.result() for future in waiting), last]


def _cut(ring: Ring, vector: bytes, start: int, stop: int) -> bytes:
    whole = start == 0 and stop * ring.width == len(vector)
    return vector if whole else vector[start * ring.width:stop * ring.width]


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(os.cpu_count(), "crypto", initializer=release_lock)
