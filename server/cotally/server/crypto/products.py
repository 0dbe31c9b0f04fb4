"""Products of powers under public exponents, and work spread over threads."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import gmpy2
from gmpy2 import mpz

Item = TypeVar("Item")
Result = TypeVar("Result")


def power_product(bases: Sequence[int], exponents: Sequence[int], modulus: mpz) -> mpz:
    """Return the product of bases[k]^exponents[k] mod *modulus*, for public exponents >= 0.

    Straus 1964: all bases share one chain of squarings, four bits at a time.
    """
    tables = []
    for base in map(mpz, bases):
        row = [mpz(1), base]
        for _ in range(14):
            row.append(row[-1] * base % modulus)
        tables.append(row)
    longest = max((e.bit_length() for e in exponents), default=0)
    product = mpz(1)
    for shift in range(-(-longest // 4) * 4 - 4, -1, -4):
        if product != 1:
            for _ in range(4):
                product = product * product % modulus
        for row, exponent in zip(tables, exponents, strict=True):
            digit = exponent >> shift & 15
            if digit:
                product = product * row[digit] % modulus
    return product


def in_threads(function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    """Return [function(item) for item in items], computed by as many threads as there are processors.

    Each thread has a gmpy2 context that gives up the interpreter lock during long operations.
    """
    with ThreadPoolExecutor(os.cpu_count(), initializer=release_lock) as pool:
        return list(pool.map(function, items))


def release_lock() -> None:
    """Make this thread give up the interpreter lock during long operations, until it ends."""
    gmpy2.set_context(gmpy2.context(allow_release_gil=True))
