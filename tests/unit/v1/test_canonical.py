"""The canonical encoding and every signature over it, against committed vectors."""

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Struct, Value
from google.protobuf.wrappers_pb2 import DoubleValue, FloatValue
from hypothesis import given, settings
from hypothesis import strategies as st

from cotally.v1 import catalog_pb2, log_pb2, query_pb2, refresh_pb2, roster_pb2, round_pb2
from cotally.v1.canonical import NotCanonical, canonical, digest, to_sign

VECTORS = Path(__file__).parents[2] / "vectors"
CANONICAL: list[dict[str, Any]] = json.loads((VECTORS / "canonical.json").read_text(encoding="utf-8"))
SIGNATURES: dict[str, Any] = json.loads((VECTORS / "signatures.json").read_text(encoding="utf-8"))


def parsed(vector: dict[str, Any]) -> Message:
    """The message that a receiver would parse from the vector's wire bytes."""
    for module in (query_pb2, round_pb2, roster_pb2, catalog_pb2, log_pb2, refresh_pb2):
        if hasattr(module, vector["type"]):
            message: Message = getattr(module, vector["type"]).FromString(bytes.fromhex(vector["wire"]))
            return message
    raise LookupError(vector["type"])


@pytest.mark.parametrize("vector", [v for v in CANONICAL if "digest" in v], ids=lambda v: v["domain"])
def test_accepted_messages_have_the_stated_bytes_and_digest(vector: dict[str, Any]) -> None:
    message = parsed(vector)
    assert canonical(message).hex() == vector["canonical"]
    assert digest(vector["domain"], message).hex() == vector["digest"]


@pytest.mark.parametrize("vector", [v for v in CANONICAL if "refused" in v], ids=lambda v: v["refused"])
def test_what_has_no_canonical_form_is_refused(vector: dict[str, Any]) -> None:
    with pytest.raises(NotCanonical, match=vector["refused"]):
        canonical(parsed(vector))


def test_an_enum_that_no_version_can_know_is_refused() -> None:
    """Enums are open and signed in protobuf: a hostile peer may send a negative one."""
    entry = round_pb2.LedgerEntry.FromString(b"\x20" + b"\xff" * 9 + b"\x01")
    assert entry.kind == -1
    with pytest.raises(NotCanonical, match="negative"):
        canonical(entry)


@pytest.mark.parametrize(
    "message", [DoubleValue(value=1.5), FloatValue(value=1.5), Struct(fields={"a": Value()})],
    ids=["double", "float", "map"])
def test_types_without_one_spelling_are_refused(message: Message) -> None:
    with pytest.raises(NotCanonical, match="without canonical encoding"):
        canonical(message)


@pytest.mark.parametrize("vector", SIGNATURES["messages"])
def test_signatures_of_messages(vector: dict[str, Any]) -> None:
    assert verifies(to_sign(vector["domain"], parsed(vector)), vector["signature"]) is vector["verifies"]


@pytest.mark.parametrize("vector", SIGNATURES["checkpoints"])
def test_signatures_of_checkpoints(vector: dict[str, Any]) -> None:
    prefix = b"cotally cosignature v1\n" if vector["what"] == "cosignature" else b""
    assert verifies(prefix + vector["text"].encode(), vector["signature"]) is vector["verifies"]


def verifies(data: bytes, signature: str) -> bool:
    key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(SIGNATURES["public"]))
    try:
        key.verify(bytes.fromhex(signature), data)
    except InvalidSignature:
        return False
    return True


grants = st.builds(
    query_pb2.Grant, federation=st.sampled_from(["", "a", "ab"]), department=st.sampled_from(["", "a", "b"]),
    purposes=st.lists(st.sampled_from(["", "a", "ab"]), max_size=3),
    tables=st.lists(st.sampled_from(["", "a", "ab"]), max_size=3),
    not_before_ms=st.integers(-2, 2), not_after_ms=st.integers(-2, 2))


@settings(max_examples=300, deadline=None)
@given(grants, grants)
def test_different_messages_never_share_bytes(one: query_pb2.Grant, other: query_pb2.Grant) -> None:
    assert (canonical(one) == canonical(other)) == (one == other)


def test_an_unset_choice_and_a_zero_choice_differ() -> None:
    assert canonical(query_pb2.Literal()) != canonical(query_pb2.Literal(integer=0))
