"""Who may have signed what: Ed25519 signatures under the keys of one pinned roster, and no others."""

from collections.abc import Mapping
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from google.protobuf.message import Message

from cotally.v1 import roster_pb2
from cotally.v1.canonical import to_sign
from cotally.v1.refusals import Refusal, Refused

ROLE_WORDS: Final[Mapping[int, str]] = {
    roster_pb2.ROLE_ANALYST: "analyst",
    roster_pb2.ROLE_NODE: "department",
    roster_pb2.ROLE_COORDINATOR: "coordinator",
    roster_pb2.ROLE_KEY_HOLDER: "key holder",
}
_WORDS: Final[Mapping[str, str]] = {"frozen": "frozen roster", "partial": "partial decryption"}  # domains


def signed_by(public: bytes, data: bytes, signature: bytes) -> bool:
    """Return whether *signature* is Ed25519 (RFC 8032) by the 32-byte key *public* over *data*."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, data)
    except (InvalidSignature, ValueError):
        return False
    return True


class Signatories:
    """The members of a roster, found by name and role."""

    def __init__(self, roster: roster_pb2.Roster) -> None:
        """Take *roster*; refuse one whose names repeat or that lacks its one coordinator."""
        self._members = {member.name: member for member in roster.members}
        if len(self._members) != len(roster.members):
            raise Refused(Refusal.CREDENTIALS, "the roster names a member twice")
        coordinators = self.names(roster_pb2.ROLE_COORDINATOR)
        if len(coordinators) != 1:
            raise Refused(Refusal.CREDENTIALS, "the roster does not name exactly one coordinator")
        self.coordinator = coordinators[0]

    def names(self, *roles: int) -> tuple[str, ...]:
        """Return the sorted names of the members that have one of *roles*."""
        return tuple(sorted(name for name, member in self._members.items() if member.role in roles))

    def member(self, name: str, role: int) -> roster_pb2.Member:
        """Return the member called *name*; refuse strangers and members in another role."""
        member = self._members.get(name)
        if member is None or member.role != role:
            raise Refused(Refusal.CREDENTIALS, f"the roster names no {ROLE_WORDS[role]} {name!r}")
        return member

    def check(self, name: str, role: int, domain: str, body: Message, signature: bytes) -> None:
        """Refuse unless *signature* is the member's own over *body* under *domain*."""
        member = self.member(name, role)
        if not signed_by(member.signing_key, to_sign(domain, body), signature):
            raise Refused(Refusal.CREDENTIALS, f"the {_WORDS.get(domain, domain)} is not signed by the "
                                               f"{ROLE_WORDS[role]} {name!r} that it names")

    def signed_raw(self, name: str, data: bytes, signature: bytes) -> bool:
        """Return whether the member called *name*, in whatever role, signed the bytes *data*."""
        member = self._members.get(name)
        return member is not None and signed_by(member.signing_key, data, signature)
