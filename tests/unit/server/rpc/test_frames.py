import asyncio
from collections.abc import AsyncIterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cotally.server.rpc.frames import PART_BYTES, Joiner, receive_one, split
from cotally.v1 import query_pb2, round_pb2, work_pb2
from cotally.v1.refusals import Refusal, Refused
from cotally.v1.work_pb2 import Frame


def reveal(size: int) -> round_pb2.Reveal:
    ciphertexts = bytes(range(256)) * (size // 256)
    return round_pb2.Reveal(body=round_pb2.RevealBody(node="north", ciphertexts=ciphertexts))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.binary(max_size=40), max_size=4), st.integers(1, 50))
def test_messages_come_back_in_order(contents: list[bytes], part: int) -> None:
    messages = [round_pb2.Reveal(signature=data) for data in contents]
    joiner = Joiner(round_pb2.Reveal, 1000)
    joined = [joiner.feed(frame) for message in messages for frame in split(message, part)]
    assert [m for m in joined if m is not None] == messages and not joiner.pending


def test_five_megabytes_travel_in_small_frames() -> None:
    message = reveal(5 << 20)
    frames = list(split(message))
    assert len(frames) >= 20 and all(f.ByteSize() <= PART_BYTES + 16 for f in frames)
    joiner = Joiner(round_pb2.Reveal)
    assert [m for f in frames if (m := joiner.feed(f))] == [message]


def refusal_of(joiner: Joiner[round_pb2.Reveal], *frames: Frame) -> Refusal:
    with pytest.raises(Refused) as caught:
        for frame in frames:
            joiner.feed(frame)
    return caught.value.refusal


def test_the_limit_holds_before_the_last_part() -> None:
    part = b"x" * 1000
    joiner = Joiner(round_pb2.Reveal, 2500)
    assert refusal_of(joiner, Frame(part=part), Frame(part=part), Frame(part=part)) == Refusal.OVERLOADED
    assert not joiner.pending
    exact = reveal(2560)
    assert Joiner(round_pb2.Reveal, exact.ByteSize()).feed(next(split(exact))) == exact
    tighter = Joiner(round_pb2.Reveal, exact.ByteSize() - 1)
    assert refusal_of(tighter, next(split(exact))) == Refusal.OVERLOADED


@pytest.mark.parametrize("frame", [
    Frame(part=b""), Frame(part=b"x" * (PART_BYTES + 1)), Frame(part=b"\xff\xff", last=True),
    Frame(part=b"\x0a\x02\x0a\x00\xff", last=True),
])
def test_strange_frames_are_malformed(frame: Frame) -> None:
    assert refusal_of(Joiner(round_pb2.Reveal), frame) == Refusal.MALFORMED


def test_text_that_is_not_utf8_is_malformed() -> None:
    data = query_pb2.Query(table="ab").SerializeToString().replace(b"ab", b"\xff\xfe")
    with pytest.raises(Refused, match="do not make a Query"):
        Joiner(query_pb2.Query).feed(Frame(part=data, last=True))


@pytest.mark.parametrize("depth, accepted", [(30, True), (2000, False)])
def test_nesting_is_bounded(depth: int, accepted: bool) -> None:
    data = b""
    for _ in range(depth):
        data = b"\x32" + _varint(len(data)) + data  # Predicate.negation
    if accepted:
        assert Joiner(query_pb2.Predicate).feed(Frame(part=data, last=True)) is not None
    else:
        with pytest.raises(Refused):
            Joiner(query_pb2.Predicate).feed(Frame(part=data, last=True))


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


async def _stream(frames: list[Frame]) -> AsyncIterator[Frame]:
    for frame in frames:
        yield frame


@pytest.mark.parametrize("cut, more, accepted", [(0, 0, True), (1, 0, False), (0, 1, False), (99, 0, False)])
def test_a_stream_holds_exactly_one_message(cut: int, more: int, accepted: bool) -> None:
    frames = list(split(reveal(1 << 20)))
    frames = frames[:max(len(frames) - cut, 0)] + [Frame(part=b"x")] * more
    if accepted:
        assert asyncio.run(receive_one(_stream(frames), round_pb2.Reveal)) == reveal(1 << 20)
    else:
        with pytest.raises(Refused, match="exactly one Reveal"):
            asyncio.run(receive_one(_stream(frames), round_pb2.Reveal))


def test_an_empty_message_is_one_frame() -> None:
    assert list(split(work_pb2.Hello())) == [Frame(last=True)]
    assert Joiner(work_pb2.Hello).feed(Frame(last=True)) == work_pb2.Hello()
