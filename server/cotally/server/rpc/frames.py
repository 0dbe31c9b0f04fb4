"""Long messages in parts: split into frames of at most 256 KiB, joined under a limit."""

from collections.abc import AsyncIterable, Iterator
from typing import Final, Generic, TypeVar

from google.protobuf.message import DecodeError, Message

from cotally.v1.refusals import Refusal, Refused
from cotally.v1.work_pb2 import Frame

PART_BYTES: Final = 256 * 1024
LIMIT_BYTES: Final = 64 * 1024 * 1024

M = TypeVar("M", bound=Message)


def split(message: Message, part_bytes: int = PART_BYTES) -> Iterator[Frame]:
    """Yield *message* in frames of at most *part_bytes*; an empty message is one empty last frame."""
    data = memoryview(message.SerializeToString())
    for start in range(0, max(len(data), 1), part_bytes):
        part = data[start:start + part_bytes]
        yield Frame(part=bytes(part), last=start + part_bytes >= len(data))


class Joiner(Generic[M]):
    """Puts frames together, one message after another. Pure: no socket, no clock.

    - a part longer than 256 KiB, or empty without being the last, is MALFORMED;
    - parts that pass *limit* bytes are OVERLOADED before they are kept;
    - bytes that do not parse, or nest deeper than protobuf's 100 levels, are MALFORMED.
    """

    def __init__(self, message_type: type[M], limit: int = LIMIT_BYTES) -> None:
        self._type = message_type
        self._limit = limit
        self._parts: list[bytes] = []
        self._bytes = 0

    @property
    def pending(self) -> bool:
        """True in the middle of a message."""
        return bool(self._parts)

    def feed(self, frame: Frame) -> M | None:
        """The message that *frame* completes, or None. After a refusal the joiner starts afresh."""
        name = self._type.DESCRIPTOR.name
        if len(frame.part) > PART_BYTES or not (frame.part or frame.last):
            self._reset()
            raise Refused(Refusal.MALFORMED, f"a frame of {name} is empty or longer than {PART_BYTES} bytes")
        if self._bytes + len(frame.part) > self._limit:
            self._reset()
            raise Refused(Refusal.OVERLOADED, f"a {name} is longer than the {self._limit} bytes allowed")
        self._parts.append(frame.part)
        self._bytes += len(frame.part)
        if not frame.last:
            return None
        data = b"".join(self._parts)
        self._reset()
        try:
            return self._type.FromString(data)
        except DecodeError:
            raise Refused(Refusal.MALFORMED, f"the frames do not make a {name}") from None

    def _reset(self) -> None:
        self._parts.clear()
        self._bytes = 0


async def receive_one(frames: AsyncIterable[Frame], message_type: type[M], limit: int = LIMIT_BYTES) -> M:
    """The one message that a client streams; MALFORMED if the stream ends early or goes on after it."""
    joiner = Joiner(message_type, limit)
    message: M | None = None
    async for frame in frames:
        if message is not None:
            break
        message = joiner.feed(frame)
    else:
        if message is not None:
            return message
    raise Refused(Refusal.MALFORMED, f"the stream does not hold exactly one {message_type.DESCRIPTOR.name}")
