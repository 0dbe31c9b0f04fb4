"""Long messages in parts, joined under a limit: the analyst's side of `docs/wire.md`, framing."""

from collections.abc import Iterable
from typing import Final, Generic, TypeVar

from google.protobuf.message import DecodeError, Message

from cotally.v1.refusals import Refusal, Refused
from cotally.v1.work_pb2 import Frame

PART_BYTES: Final = 256 * 1024
LIMIT_BYTES: Final = 64 * 1024 * 1024

M = TypeVar("M", bound=Message)


class Joiner(Generic[M]):
    """Puts frames together, one message after another; refuses strange, endless and broken ones."""

    def __init__(self, message_type: type[M], limit: int = LIMIT_BYTES) -> None:
        self._type = message_type
        self._limit = limit
        self._parts: list[bytes] = []
        self._bytes = 0

    def feed(self, frame: Frame) -> M | None:
        """The message that *frame* completes, or None. Raises Refused MALFORMED or OVERLOADED."""
        name = self._type.DESCRIPTOR.name
        if len(frame.part) > PART_BYTES or not (frame.part or frame.last):
            raise Refused(Refusal.MALFORMED, f"the coordinator sent a strange frame of a {name}")
        self._bytes += len(frame.part)
        if self._bytes > self._limit:
            raise Refused(Refusal.OVERLOADED, f"the coordinator's {name} is longer than {self._limit} bytes")
        self._parts.append(frame.part)
        if not frame.last:
            return None
        data = b"".join(self._parts)
        self._parts.clear()
        self._bytes = 0
        try:
            return self._type.FromString(data)
        except DecodeError:
            raise Refused(Refusal.MALFORMED, f"what the coordinator sent is no {name}") from None


def join(frames: Iterable[Frame], message_type: type[M], limit: int = LIMIT_BYTES) -> M:
    """The one message in *frames*; Refused MALFORMED if they end early."""
    joiner = Joiner(message_type, limit)
    for frame in frames:
        message = joiner.feed(frame)
        if message is not None:
            return message
    raise Refused(Refusal.MALFORMED, f"the coordinator's {message_type.DESCRIPTOR.name} ended early")
