"""Signatures over canonical messages, by the keys of the roster and no others."""

from google.protobuf.message import Message

from cotally.server.crypto import signing
from cotally.v1 import roster_pb2
from cotally.v1.canonical import NotCanonical, to_sign
from cotally.v1.refusals import Refusal, Refused


def sign(key: signing.SigningKey, domain: str, body: Message) -> bytes:
    """The signature of *body* under *domain*."""
    return key.sign(to_sign(domain, body))


def check(member: roster_pb2.Member, domain: str, body: Message, signature: bytes) -> None:
    """Refuse *body* unless *member* signed it under *domain*."""
    try:
        data = to_sign(domain, body)
    except NotCanonical as reason:
        raise Refused(Refusal.MALFORMED, f"a message of {member.name} is not canonical: {reason}") from None
    if not signing.verify(member.signing_key, data, signature):
        raise Refused(Refusal.CREDENTIALS, f"the {domain} is not signed by {member.name}")
