"""A successor of the charter in force: made from it, and checked against it before anybody switches."""

from collections.abc import Iterable

from cotally.server.audit import lineage
from cotally.v1 import roster_pb2
from cotally.v1.canonical import digest
from cotally.v1.refusals import Misconfigured, Refusal, Refused

from . import charter as charters
from .federation import Federation
from .keys import from_message


def succeed(charter: roster_pb2.Charter, key: roster_pb2.PublicKey,
            approvals: Iterable[roster_pb2.Approval] = ()) -> roster_pb2.Charter:
    """The charter that follows *charter* with the new *key*, approved so far by *approvals*."""
    if len(charter.lineage) >= lineage.MAX_LINKS:
        raise Misconfigured(f"{charter.roster.federation} has had {lineage.MAX_LINKS} successions; found it "
                            "anew, so that everybody pins a new fingerprint")
    roster = roster_pb2.Roster()
    roster.CopyFrom(charter.roster)
    roster.epoch = charter.roster.epoch + 1
    roster.previous = digest("roster", charter.roster)
    roster.public_key = digest("public_key", key)
    return roster_pb2.Charter(roster=roster, catalog=charter.catalog, public_key=key, approvals=approvals,
                              lineage=lineage.links(charter))


def check_successor(federation: Federation, charter: roster_pb2.Charter) -> Federation:
    """The federation under *charter*, which must succeed the one in force; raises Refused, by name.

    Checks everything that `charter.check` does from the roster in force, and that the key was either
    refreshed, which keeps the modulus, or is one of a later epoch.
    """
    try:
        charters.check(charter, federation.roster)
        after = Federation(charter)
    except (Misconfigured, ValueError) as reason:
        raise Refused(Refusal.CREDENTIALS, f"the successor is not acceptable: {reason}") from None
    if after.roster == federation.roster:
        raise Refused(Refusal.REPLAYED, "the successor is the charter in force")
    check_keys(federation.charter.public_key, charter.public_key)
    return after


def check_keys(before: roster_pb2.PublicKey, after: roster_pb2.PublicKey) -> None:
    """Refuse a key that is neither refreshed from *before* nor of a later epoch."""
    one, two = from_message(before), from_message(after)
    if (one.key_holders, one.threshold) != (two.key_holders, two.threshold):
        raise Refused(Refusal.MALFORMED, "the new key has another number of key holders or threshold")
    if two.epoch > one.epoch:
        if two.modulus == one.modulus:
            raise Refused(Refusal.MALFORMED, "the key of a new epoch has the old modulus")
        return
    if (one.epoch, one.modulus, one.base) != (two.epoch, two.modulus, two.base):
        raise Refused(Refusal.MALFORMED, "the key changed and its epoch did not advance")
    if two.refreshes <= one.refreshes:
        raise Refused(Refusal.REPLAYED, "the shares of the new key are not refreshed from those in force")
