"""The charter file: roster, catalog and key, believed only as far as the pinned fingerprint reaches.

A pin reaches the roster that it names and, by the chain of approvals, every one that succeeds it.
"""

from pathlib import Path

from google.protobuf.message import DecodeError

from cotally.server.audit import lineage
from cotally.server.crypto import ceremony
from cotally.v1 import catalog_pb2, roster_pb2
from cotally.v1.canonical import NotCanonical, digest
from cotally.v1.refusals import Misconfigured, Refused

from .federation import VERSION, Federation
from .keys import encryption, from_message
from .numbers import decimal


def load(path: Path, fingerprint: bytes) -> Federation:
    """The federation whose charter lies at *path*; Misconfigured unless the pin reaches it.

    Checks that the pinned roster is its own or one that it succeeds, by departments' approvals at
    every step (audit/lineage); every digest in the roster; that nobody in it counts twice; and the
    ceremony's proofs about the Paillier key.
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


def fingerprint(path: Path) -> bytes:
    """The digest of the roster in the charter at *path*, which nobody has checked yet."""
    try:
        return digest("roster", roster_pb2.Charter.FromString(path.read_bytes()).roster)
    except (OSError, DecodeError, NotCanonical):
        raise Misconfigured(f"{path} is not a charter, or is damaged") from None


def check(charter: roster_pb2.Charter, fingerprint: bytes) -> None:
    """Raise Misconfigured or Refused unless *charter* is pinned or succeeds what is, whole and approved."""
    chain = lineage.links(charter)
    if fingerprint not in lineage.digests(charter):
        found = digest("roster", charter.roster)
        raise Misconfigured(f"the roster's fingerprint is {found.hex()}, but {fingerprint.hex()} is pinned")
    lineage.check_chain(chain)
    check_content(charter)
    lineage.check_approvals(charter.roster, chain[-1])


def check_proposed(charter: roster_pb2.Charter) -> None:
    """Raise Misconfigured or Refused for a charter that nobody should approve: `check`, but for approvals."""
    *before, last = lineage.links(charter)
    lineage.check_chain(before or [last])
    if before:
        lineage.check_change(before[-1].roster, last.roster)
    check_content(charter)


def check_content(charter: roster_pb2.Charter) -> None:
    """Raise Misconfigured or Refused unless catalog, key, members and rules are whole."""
    roster = charter.roster
    if digest("catalog", charter.catalog) != roster.catalog:
        raise Misconfigured("the catalog is not the one that the roster names")
    if digest("public_key", charter.public_key) != roster.public_key:
        raise Misconfigured("the Paillier key is not the one that the roster names")
    _check_members(roster, charter.public_key)
    _check_policy(charter)
    _check_populations(charter.catalog)
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


def _check_populations(catalog: catalog_pb2.Catalog) -> None:
    """Raise Misconfigured for a population that would count in two things at once."""
    said: dict[str, catalog_pb2.Table] = {}
    for table in catalog.tables:
        other = said.setdefault(table.population, table)
        if other.pure != table.pure:
            raise Misconfigured(f"the catalog's tables {other.name!r} and {table.name!r} of population "
                                f"{table.population!r} disagree on whether it is pure")


def _check_policy(charter: roster_pb2.Charter) -> None:
    """Raise Misconfigured for rules that nobody can follow."""
    roster, policy = charter.roster, charter.roster.policy
    if roster.version != VERSION:
        raise Misconfigured(f"the roster is of protocol version {roster.version}, not {VERSION}")
    if charter.catalog.federation != roster.federation:
        raise Misconfigured(f"the catalog is of {charter.catalog.federation!r}, not of {roster.federation!r}")
    if not 0 < decimal(policy.delta, "delta") < 1 or not 1 <= policy.tick_ms <= policy.round_ms:
        raise Misconfigured("the roster's delta, tick or round time makes no sense")
    encryption(policy)
