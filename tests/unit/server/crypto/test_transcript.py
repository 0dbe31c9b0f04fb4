"""Framing is injective and the products of powers agree with plain powers."""

import threading

from gmpy2 import mpz
from hypothesis import given, settings
from hypothesis import strategies as st

from cotally.server.crypto.products import in_threads, power_product
from cotally.server.crypto.transcript import challenge, expand, frame, weights

PARTS = st.lists(st.binary(max_size=4), max_size=4)


@settings(max_examples=200, deadline=None)
@given(PARTS, PARTS)
def test_framing_is_injective(first: list[bytes], second: list[bytes]) -> None:
    assert (frame(*first) == frame(*second)) == (first == second)


def test_challenges_and_weights_are_the_stream_of_the_frame() -> None:
    stream = expand(48, b"domain", 5)
    assert weights(3, b"domain", 5) == [int.from_bytes(stream[k:k + 16], "big") for k in (0, 16, 32)]
    assert challenge(b"domain", 5) == weights(3, b"domain", 5)[0]
    assert challenge(b"domain", 5) != challenge(b"domain", 6)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 10**40), st.integers(0, 1 << 130)), max_size=6))
def test_products_of_powers(pairs: list[tuple[int, int]]) -> None:
    modulus, expected = (1 << 127) - 1, 1
    for base, exponent in pairs:
        expected = expected * pow(base, exponent, modulus) % modulus
    assert power_product([b for b, _ in pairs], [e for _, e in pairs], mpz(modulus)) == expected


def test_threads_keep_the_order() -> None:
    assert in_threads(lambda k: (k, threading.get_ident() != threading.main_thread().ident),
                      range(20)) == [(k, True) for k in range(20)]
