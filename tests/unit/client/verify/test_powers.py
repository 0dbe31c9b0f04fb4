"""A product of powers by buckets is the product of powers."""

from math import prod

import pytest
from gmpy2 import mpz
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cotally.client.verify.powers import power_product

SMALL = st.lists(st.tuples(st.integers(0, 10**9), st.integers(0, (1 << 20) - 1)), max_size=40)


@settings(max_examples=100, deadline=None)
@given(SMALL, st.integers(2, 10**9))
@example([], 7)
@example([(3, 0), (5, (1 << 20) - 1)], 1009)
def test_it_is_the_product(pairs: list[tuple[int, int]], modulus: int) -> None:
    expected = prod(pow(base, exponent, modulus) for base, exponent in pairs) % modulus
    bases, exponents = [mpz(base) for base, _ in pairs], [exponent for _, exponent in pairs]
    assert power_product(bases, exponents, 20, mpz(modulus)) % modulus == expected


@pytest.mark.parametrize("count", [1, 30, 700])
@pytest.mark.parametrize("bits", [1, 5, 127, 128])
def test_every_window_that_it_chooses_is_right(count: int, bits: int) -> None:
    modulus = mpz(2**127 - 1)
    bases = [mpz(k * 2**70 + 3) for k in range(count)]
    exponents = [(k * 0x9E3779B97F4A7C15F39CC0605CEDC835 + 1) % (1 << bits) for k in range(count)]
    expected = prod(pow(b, e, modulus) for b, e in zip(bases, exponents, strict=True)) % modulus
    assert power_product(bases, exponents, bits, modulus) == expected
