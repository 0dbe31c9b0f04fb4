"""The charter file: roster, catalog and key, believed only as far as the pinned fingerprint reaches."""

from pathlib import Path

from google.protobuf.message import DecodeError

from cotally.server.crypto import ceremony
from cotally.v1 import roster_pb2
from cotally.v1.canonical import NotCanonical, digest
from cotally.v1.refusals import Misconfigured, Refused

from . import signed
from .federation import VERSION, Federation
from .keys import from_message
from .numbers import decimal


def load(path: Path, fingerprint: bytes) -> Federation:
    """The federation whose charter lies at *path*; Misconfigured unless it is the pinned one.

    Checks the fingerprint, every digest in the roster, that nobody in it counts twice, each
    department's approval, and the ceremony's proofs about the Paillier key.
    """
    try:
        charter = roster_pb2.Charter.FromString(path.read_bytes())
        check(charter, fingerprint)
        return Federation(charter)
    except FileNotFoundError:
        raise Misconfigured(f"{path}: there is no charter here; ask the dealer for it") from None
    except OSError as reason:
        raise Misconfigured(f"{path} cannot be read: {reason.strerror}") from None
    except (DecodeError, NotCanonical):
        raise Misconfigured(f"{path} is not a charter, or is damaged") from None
    except (Refused, Misconfigured, ValueError) as reason:
        raise Misconfigured(f"{path}: {reason}") from None


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
    _check_members(roster, charter.public_key)
    _check_policy(charter)
    approvals = {a.department: a.signature for a in charter.approvals}
    for member in roster.members:
        if member.role == roster_pb2.ROLE_NODE:
            signed.check(member, "roster", roster, approvals.get(member.name, b""))
    ceremony.check_public(from_message(charter.public_key), charter.public_key.wellformed,
                          charter.public_key.trial)


def _check_members(roster: roster_pb2.Roster, key: roster_pb2.PublicKey) -> None:
    """Raise Misconfigured where one party could act, witness or decrypt as two, or somebody is missing."""
    for what, values in (("name", [m.name for m in roster.members]),
                         ("signing key", [m.signing_key for m in roster.members]),
                         ("TLS key", [m.tls_key for m in roster.members])):
        if not all(values) or len({*values}) != len(values):
            raise Misconfigured(f"the roster has a member without a {what}, or two with the same")
    if [m.role for m in roster.members].count(roster_pb2.ROLE_COORDINATOR) != 1:
        raise Misconfigured("the roster does not name exactly one coordinator")
    shares = sorted(m.share for m in roster.members if m.role == roster_pb2.ROLE_KEY_HOLDER)
    if shares != [*range(1, key.key_holders + 1)] or roster.policy.threshold != key.threshold:
        raise Misconfigured("the roster's key holders or threshold are not those of the Paillier key")


def _check_policy(charter: roster_pb2.Charter) -> None:
    """Raise Misconfigured for rules that nobody can follow."""
    roster, policy = charter.roster, charter.roster.policy
    if roster.version != VERSION:
        raise Misconfigured(f"the roster is of protocol version {roster.version}, not {VERSION}")
    if charter.catalog.federation != roster.federation:
        raise Misconfigured(f"the catalog is of {charter.catalog.federation!r}, not of {roster.federation!r}")
    if not 0 < decimal(policy.delta, "delta") < 1 or not 1 <= policy.tick_ms <= policy.round_ms:
        raise Misconfigured("the roster's delta, tick or round time makes no sense")
