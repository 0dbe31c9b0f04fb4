"""No field of a bundle can be changed and no part left out: each is tried in turn."""

from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from cotally.client.verify.bundle import verify
from cotally.v1 import log_pb2
from cotally.v1.refusals import Refused
from tests.fixtures.bundle import HOLDERS, NODES, Round

Step = tuple[str, int | None]


@cache
def honest() -> tuple[log_pb2.Bundle, bytes]:
    return Round(witnesses=(NODES + HOLDERS)[:5]).bundle()


def leaves(message: Message, path: tuple[Step, ...] = ()) -> Iterator[tuple[Step, ...]]:
    """Yield the path of every set scalar below *message*; of repeated ones the first and the last."""
    for field, value in message.ListFields():
        places: list[tuple[int | None, Any]] = [(None, value)]
        if field.is_repeated:
            places = [(k, value[k]) for k in sorted({0, len(value) - 1})]
        for place, element in places:
            here = (*path, (field.name, place))
            if field.type == FieldDescriptor.TYPE_MESSAGE:
                yield from leaves(element, here)
            else:
                yield here


def changed(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1 if value != 4 else value - 1
    if isinstance(value, bytes):
        return bytes([value[0] ^ 1]) + value[1:]
    return value[:-1] + chr(ord(value[-1]) ^ 1)


def walk(message: Any, path: tuple[Step, ...]) -> Any:
    for name, place in path:
        message = getattr(message, name) if place is None else getattr(message, name)[place]
    return message


def label(path: tuple[Step, ...]) -> str:
    return ".".join(name if place is None else f"{name}[{place}]" for name, place in path)


@pytest.mark.parametrize("path", list(leaves(honest()[0])), ids=label)
def test_no_field_can_be_changed(path: tuple[Step, ...]) -> None:
    bundle, fingerprint = honest()
    bundle = log_pb2.Bundle.FromString(bundle.SerializeToString())
    parent, (name, place) = walk(bundle, path[:-1]), path[-1]
    if place is None:
        setattr(parent, name, changed(getattr(parent, name)))
    else:
        getattr(parent, name)[place] = changed(getattr(parent, name)[place])
    with pytest.raises(Refused):
        verify(bundle, fingerprint)


# An honest bundle under the pinned roster needs no successors of it: tests/protocol/test_succession.py.
@pytest.mark.parametrize("name", [
    field.name for field in log_pb2.Bundle.DESCRIPTOR.fields if field.name != "successors"])
def test_no_part_can_be_left_out(name: str) -> None:
    bundle, fingerprint = honest()
    bundle = log_pb2.Bundle.FromString(bundle.SerializeToString())
    bundle.ClearField(name)  # type: ignore[arg-type]
    with pytest.raises(Refused):
        verify(bundle, fingerprint)
