"""The charter file: roster, catalog and key, believed only as far as the pinned fingerprint reaches."""

from pathlib import Path

from google.protobuf.message import DecodeError

from cotally.server.crypto import ceremony
from cotally.v1 import roster_pb2
from cotally.v1.canonical import NotCanonical, digest
from cotally.v1.refusals import Misconfigured, Refused

from . import signed
from .federation import Federation
from .keys import from_message


def load(path: Path, fingerprint: bytes) -> Federation:
    """The federation whose charter lies at *path*; Misconfigured unless it is the pinned one.

    Checks the fingerprint, every digest in the roster, each department's approval, and the
    ceremony's proofs about the Paillier key.
    """
    try:
        charter = roster_pb2.Charter.FromString(path.read_bytes())
        check(charter, fingerprint)
    except FileNotFoundError:
        raise Misconfigured(f"{path}: there is no charter here; ask the dealer for it") from None
    except (DecodeError, NotCanonical):
        raise Misconfigured(f"{path} is not a charter, or is damaged") from None
    except (Refused, ValueError) as reason:
        raise Misconfigured(f"{path}: {reason}") from None
    return Federation(charter)


def check(charter: roster_pb2.Charter, fingerprint: bytes) -> None:
    """Raise Misconfigured or Refused unless *charter* is the pinned one, whole and approved."""
    roster = charter.roster
    found = digest("roster", roster)
    if found != fingerprint:
        raise Misconfigured(f"the roster's fingerprint is {found.hex()}, but {fingerprint.hex()} is pinned")
    if digest("catalog", charter.catalog) != roster.catalog:
        raise Misconfigured("the catalog is not the one that the roster names")
    if digest("public_key", charter.public_key) != roster.public_key:
        raise Misconfigured("the Paillier key is not the one that the roster names")
    approvals = {a.department: a.signature for a in charter.approvals}
    for member in roster.members:
        if member.role == roster_pb2.ROLE_NODE:
            signed.check(member, "roster", roster, approvals.get(member.name, b""))
    ceremony.check_public(from_message(charter.public_key), charter.public_key.wellformed,
                          charter.public_key.trial)
