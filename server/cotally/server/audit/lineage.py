"""The chain of rosters: which roster may follow which, and that every department said so.

Rules, each refused by name:

- A roster names the digest of the one before and has the next epoch.
- Only the key differs: federation, version, catalog, members and policy stay as they were.
- Every department of the roster before approved it, by a signature over the whole roster.

Whoever believes one roster of a chain therefore believes those after it, and those before it by
their digests alone.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Final

from cotally.server.crypto import signing
from cotally.v1 import roster_pb2
from cotally.v1.canonical import NotCanonical, digest, to_sign
from cotally.v1.refusals import Refusal, Refused

MAX_LINKS: Final = 64  # rosters before the present one: what a charter may carry

_KEPT: Final[Mapping[str, str]] = {
    "version": "protocol version", "federation": "name", "catalog": "catalog", "members": "members",
    "policy": "rules"}


def own_link(charter: roster_pb2.Charter) -> roster_pb2.Succession:
    """The charter's own roster as a link."""
    return roster_pb2.Succession(roster=charter.roster, approvals=charter.approvals)


def links(charter: roster_pb2.Charter) -> list[roster_pb2.Succession]:
    """Every link of the charter's chain, from the federation's first roster to its own."""
    return [*charter.lineage, own_link(charter)]


def first(charter: roster_pb2.Charter) -> roster_pb2.Roster:
    """The roster with which the federation, and its log, began."""
    return links(charter)[0].roster


def digests(charter: roster_pb2.Charter) -> list[bytes]:
    """The fingerprints of the chain's rosters, in order."""
    return [digest("roster", link.roster) for link in links(charter)]


def check_chain(chain: Sequence[roster_pb2.Succession]) -> None:
    """Refuse a chain that is too long, does not begin with a first roster, or breaks a rule at some step."""
    if len(chain) > MAX_LINKS + 1:
        raise Refused(Refusal.MALFORMED, f"a charter carries {MAX_LINKS} former rosters at most")
    if not chain or chain[0].roster.previous:
        raise Refused(Refusal.MALFORMED, "the chain of rosters does not begin with a first one")
    for before, after in pairwise(chain):
        check_step(before.roster, after)


def check_step(before: roster_pb2.Roster, after: roster_pb2.Succession) -> None:
    """Refuse *after* unless it is an approved successor of the roster *before*.

    Raises Refused: EQUIVOCATION (it follows another roster), MALFORMED (epoch, or more than the key is
    changed), CREDENTIALS (a department's approval is missing or wrong).
    """
    check_change(before, after.roster)
    check_approvals(before, after)


def check_change(before: roster_pb2.Roster, roster: roster_pb2.Roster) -> None:
    """Refuse *roster* as what follows *before*, whoever approved it; raises what `check_step` does."""
    if roster.previous != digest("roster", before):
        raise Refused(Refusal.EQUIVOCATION,
                      f"the roster of epoch {roster.epoch} does not follow that of epoch {before.epoch}")
    if roster.epoch != before.epoch + 1:
        raise Refused(Refusal.MALFORMED, f"the roster after epoch {before.epoch} has epoch {roster.epoch}")
    changed = [word for name, word in _KEPT.items() if not _same(before, roster, name)]
    if changed:
        raise Refused(Refusal.MALFORMED, f"the roster of epoch {roster.epoch} changes the "
                                         f"{' and the '.join(changed)}; a succession changes the key alone")
    if roster.public_key == before.public_key:
        raise Refused(Refusal.MALFORMED, f"the roster of epoch {roster.epoch} brings no other key")


def check_approvals(before: roster_pb2.Roster, after: roster_pb2.Succession) -> None:
    """Refuse CREDENTIALS, by name, where a department of *before* has not approved the roster in *after*."""
    approvals = {a.department: a.signature for a in after.approvals}
    try:
        data = to_sign("roster", after.roster)
    except NotCanonical as reason:
        raise Refused(Refusal.MALFORMED, f"a roster is not canonical: {reason}") from None
    for member in before.members:
        if member.role != roster_pb2.ROLE_NODE:
            continue
        if not signing.verify(member.signing_key, data, approvals.get(member.name, b"")):
            raise Refused(Refusal.CREDENTIALS,
                          f"the roster is not signed by {member.name}, whose approval epoch "
                          f"{after.roster.epoch} needs")


def _same(before: roster_pb2.Roster, after: roster_pb2.Roster, name: str) -> bool:
    return bool(getattr(before, name) == getattr(after, name))
