"""Framing is injective, and challenges are the stream of the frame."""

from hypothesis import given, settings
from hypothesis import strategies as st

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
