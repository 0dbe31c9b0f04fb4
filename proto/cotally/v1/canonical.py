"""Canonical bytes of a message, and the digests that everything signed or pinned is made of.

Protobuf's own serialisation is not canonical, so signatures never cover it. The receiver rebuilds
these bytes from the message it parsed. The encoding is injective: two different messages of one
type never share bytes, and a domain keeps types apart.

A message is its set fields in order of their numbers; a field is its number, a count of elements
and the elements. Integers are 8 bytes big-endian (two's complement when signed), text is NFC in
UTF-8, text, bytes and messages are preceded by their length in 8 bytes. Fields at their default
are left out, as on the wire; inside a `oneof`, and for sub-messages, presence counts instead.
Floats, maps and unknown fields are refused. `tests/vectors/canonical.json` holds examples.
"""

import hashlib
import unicodedata
from collections.abc import Callable
from functools import cache
from typing import Any, Final

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.unknown_fields import UnknownFieldSet

PREFIX: Final = b"cotally/v1/"
MAX_DEPTH: Final = 64


class NotCanonical(ValueError):
    """A message without canonical encoding: unknown fields, negative enums, text not NFC, too deep."""


def canonical(message: Message, depth: int = 0) -> bytes:
    """Return the canonical bytes of *message*; raise NotCanonical where it has none."""
    if depth > MAX_DEPTH:
        raise NotCanonical(f"{message.DESCRIPTOR.name} is nested more than {MAX_DEPTH} deep")
    if len(UnknownFieldSet(message)):
        raise NotCanonical(f"{message.DESCRIPTOR.name} holds unknown fields")
    out: list[bytes] = []
    for field, value in message.ListFields():  # in order of their numbers
        head, is_repeated, encode = _plan(field)
        elements = value if is_repeated else (value,)
        out += head, len(elements).to_bytes(4, "big")
        out += [encode(element, field, depth) for element in elements]
    return b"".join(out)


@cache
def _plan(field: FieldDescriptor) -> tuple[bytes, bool, Callable[[Any, FieldDescriptor, int], bytes]]:
    """The field's number in 4 bytes, whether it repeats, and what encodes one element of it."""
    is_map = field.message_type is not None and field.message_type.GetOptions().map_entry
    encode = _refuse if is_map else _ENCODE.get(field.type, _refuse)
    return field.number.to_bytes(4, "big"), field.is_repeated, encode


def _message(value: Message, _field: FieldDescriptor, depth: int) -> bytes:
    return _sized(canonical(value, depth + 1))


def _text(value: str, field: FieldDescriptor, _depth: int) -> bytes:
    if not unicodedata.is_normalized("NFC", value):
        raise NotCanonical(f"{field.full_name} is not NFC text")
    return _sized(value.encode())


def _bytes(value: bytes, _field: FieldDescriptor, _depth: int) -> bytes:
    return _sized(value)


def _signed(value: int, _field: FieldDescriptor, _depth: int) -> bytes:
    return value.to_bytes(8, "big", signed=True)


def _unsigned(value: int, field: FieldDescriptor, _depth: int) -> bytes:
    if value < 0:  # protobuf's enums are open, and signed
        raise NotCanonical(f"{field.full_name} has a negative number")
    return value.to_bytes(8, "big")


def _refuse(_value: object, field: FieldDescriptor, _depth: int) -> bytes:
    raise NotCanonical(f"{field.full_name} has a type without canonical encoding")


_ENCODE: Final[dict[int, Callable[[Any, FieldDescriptor, int], bytes]]] = {
    FieldDescriptor.TYPE_MESSAGE: _message,
    FieldDescriptor.TYPE_STRING: _text,
    FieldDescriptor.TYPE_BYTES: _bytes,
    **dict.fromkeys((FieldDescriptor.TYPE_SINT64, FieldDescriptor.TYPE_SINT32,
                     FieldDescriptor.TYPE_INT64, FieldDescriptor.TYPE_INT32), _signed),
    **dict.fromkeys((FieldDescriptor.TYPE_UINT64, FieldDescriptor.TYPE_UINT32,
                     FieldDescriptor.TYPE_BOOL, FieldDescriptor.TYPE_ENUM), _unsigned),
}


def _sized(data: bytes) -> bytes:
    return len(data).to_bytes(8, "big") + data


def digest(domain: str, message: Message) -> bytes:
    """Return SHA-256 over domain and canonical bytes: 32 bytes that name *message*."""
    return hashlib.sha256(to_sign(domain, message)).digest()


def to_sign(domain: str, message: Message) -> bytes:
    """Return the bytes that a signature of *message* covers."""
    return PREFIX + domain.encode() + b"\0" + canonical(message)
