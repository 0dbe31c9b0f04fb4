"""How a pinned roster leads to another: a chain in which every department approved each next step.

A roster names the one before by digest. From the pin *forward*, a step counts only with the approval of
every department of the roster before; *backward* the digest alone is enough, for the pinned roster states
what it follows. A step changes the key, epoch and digest of the roster before, and nothing else.
"""

from collections.abc import Sequence
from typing import Final

from cotally.v1 import roster_pb2
from cotally.v1.canonical import digest, to_sign
from cotally.v1.refusals import Refusal, Refused

from .signatures import signed_by

MAX_LINKS: Final = 130  # far above what a federation has in its lifetime; a bound on work


def own_link(charter: roster_pb2.Charter) -> roster_pb2.Succession:
    """Return the charter's own roster and approvals as a link."""
    return roster_pb2.Succession(roster=charter.roster, approvals=charter.approvals)


def first(charter: roster_pb2.Charter) -> roster_pb2.Roster:
    """Return the roster with which the federation, and its log, began."""
    return [*charter.lineage, own_link(charter)][0].roster


def check_reached(
    charter: roster_pb2.Charter, successors: Sequence[roster_pb2.Succession], fingerprint: bytes,
) -> tuple[bytes, ...]:
    """Return the digests of the rosters up to the charter's own; refuse one that the pin does not reach.

    The chain is the charter's lineage, its own roster, and *successors*. The pinned roster must be one of
    them. Every step in it must be a succession; those after the pin must be approved.
    """
    chain = [*charter.lineage, own_link(charter), *successors]
    if len(chain) > MAX_LINKS:
        raise Refused(Refusal.MALFORMED, f"a chain of {len(chain)} rosters is longer than any federation's")
    digests = [digest("roster", link.roster) for link in chain]
    if fingerprint not in digests:
        raise Refused(Refusal.CREDENTIALS, "the roster shown is not the pinned one, nor does a chain "
                                           "of approved successors connect the two")
    pinned = digests.index(fingerprint)
    for at, after in enumerate(chain[1:], start=1):
        _check_step(chain[at - 1].roster, digests[at - 1], after.roster)
        if at > pinned:
            _check_approved(chain[at - 1].roster, after)
    return tuple(digests[:len(charter.lineage) + 1])


def check_approved_step(before: roster_pb2.Roster, after: roster_pb2.Succession) -> None:
    """Refuse *after* unless it follows *before* with the approval of every department there."""
    _check_step(before, digest("roster", before), after.roster)
    _check_approved(before, after)


def _check_step(before: roster_pb2.Roster, digest_before: bytes, after: roster_pb2.Roster) -> None:
    if after.previous != digest_before:
        raise Refused(
            Refusal.EQUIVOCATION,
            f"the roster of epoch {after.epoch} follows another than that of epoch {before.epoch}")
    due = roster_pb2.Roster()
    due.CopyFrom(before)
    due.epoch, due.previous, due.public_key = before.epoch + 1, digest_before, after.public_key
    if due != after:
        raise Refused(
            Refusal.EQUIVOCATION,
            f"the roster of epoch {after.epoch} changes more than the key of the one before")
    if after.public_key == before.public_key:
        raise Refused(Refusal.EQUIVOCATION, f"the roster of epoch {after.epoch} brings no other key")


def _check_approved(before: roster_pb2.Roster, after: roster_pb2.Succession) -> None:
    data = to_sign("roster", after.roster)
    approvals = {approval.department: approval.signature for approval in after.approvals}
    for member in before.members:
        if member.role == roster_pb2.ROLE_NODE and not signed_by(
                member.signing_key, data, approvals.get(member.name, b"")):
            raise Refused(
                Refusal.CREDENTIALS,
                f"{member.name!r} has not approved the roster of epoch {after.roster.epoch}")
