"""What was granted and is taken back: signed lists, each issuer's in order of their serials.

Rules, each refused by name:

- A department revokes grants of its own, by digest or by analyst and purpose; the coordinator revokes
  members: their certificates, and what was granted to them. Nobody else issues lists.
- A list replaces its issuer's one before and has a higher serial; a lower one, or another of the same
  serial, is refused for ever.
- In the log a list counts for every round whose transcript comes later. A department heeds its own
  list before that, from when it reads it.

Taking back is safe from anybody who may refuse anyway, so no list needs another party's consent.
"""

from collections.abc import Iterable
from typing import Final

from cotally.server.crypto import signing
from cotally.v1 import query_pb2, roster_pb2
from cotally.v1.canonical import NotCanonical, digest, to_sign
from cotally.v1.refusals import Refusal, Refused

DOMAIN: Final = "revocation"
MAX_ENTRIES: Final = 1_000  # of one list, which travels in the log whole


def check_list(first: roster_pb2.Roster, signed: query_pb2.SignedRevocation) -> None:
    """Refuse a list that its issuer did not sign for this federation, or may not issue.

    *first* is the roster with which the federation began: a list of a federation of the same name, founded
    before, may have a higher serial and take back less.

    Raises Refused: CREDENTIALS (nobody's, or not signed), NOT_ALLOWED (another federation, or entries that
    are not its issuer's to make), MALFORMED (no serial, times or order, or too long).
    """
    body = signed.body
    issuer = next((m for m in first.members if m.name == body.issuer
                   and m.role in (roster_pb2.ROLE_NODE, roster_pb2.ROLE_COORDINATOR)), None)
    if issuer is None:
        raise Refused(Refusal.CREDENTIALS, f"{body.issuer!r} may revoke nothing")
    try:
        data = to_sign(DOMAIN, body)
    except NotCanonical as reason:
        raise Refused(Refusal.MALFORMED, f"a revocation list is not canonical: {reason}") from None
    if not signing.verify(issuer.signing_key, data, signed.signature):
        raise Refused(Refusal.CREDENTIALS, f"the revocation list is not signed by {issuer.name}")
    if (body.federation, body.founding) != (first.federation, digest("roster", first)):
        raise Refused(Refusal.NOT_ALLOWED,
                      f"the revocation list is of another federation, called {body.federation!r}")
    is_department = issuer.role == roster_pb2.ROLE_NODE
    if body.members if is_department else (body.grants or body.analysts):
        raise Refused(Refusal.NOT_ALLOWED, f"the revocation list of {issuer.name} takes back what is not "
                                           "its own: departments revoke grants, the coordinator members")
    _check_form(body)


def _check_form(body: query_pb2.Revocation) -> None:
    analysts = [(a.analyst, a.purpose) for a in body.analysts]
    ordered = (list(body.grants), analysts, list(body.members)) == (
        sorted(set(body.grants)), sorted(set(analysts)), sorted(set(body.members)))
    if not body.serial or body.next_update_ms <= body.issued_ms or not ordered:
        raise Refused(Refusal.MALFORMED,
                      f"the revocation list of {body.issuer} lacks a serial, times, or the order of entries")
    if len(body.grants) + len(analysts) + len(body.members) > MAX_ENTRIES:
        raise Refused(Refusal.MALFORMED,
                      f"the revocation list of {body.issuer} has more than {MAX_ENTRIES} entries")


def check_later(before: query_pb2.SignedRevocation | None, signed: query_pb2.SignedRevocation) -> None:
    """Refuse a list that does not come after *before* (of the same issuer; None: there was none)."""
    if before is None or signed.body.serial > before.body.serial:
        return
    same = signed.body.serial == before.body.serial
    raise Refused(
        Refusal.EQUIVOCATION if same else Refusal.STEPPED_BACK,
        f"{signed.body.issuer} has a revocation list with serial {before.body.serial} already; the next "
        "one needs a higher serial")


def check_standing(signed: query_pb2.SignedRevocation | None, grant: query_pb2.Grant, purpose: str) -> None:
    """Refuse what a list (None: there is none) takes back of *grant*, asked under for *purpose*.

    Raises Refused: NOT_ALLOWED for a revoked grant, CREDENTIALS for a revoked member.
    """
    if signed is None:
        return
    body = signed.body
    for name in (grant.analyst, grant.department):
        check_member(signed, name)
    if body.issuer != grant.department:
        return
    taken = any(each.analyst == grant.analyst and each.purpose in ("", purpose) for each in body.analysts)
    if taken or digest("grant", grant) in body.grants:
        raise Refused(Refusal.NOT_ALLOWED,
                      f"department {grant.department} has revoked what it granted {grant.analyst} for the "
                      f"purpose {purpose!r}")


def check_member(signed: query_pb2.SignedRevocation | None, name: str) -> None:
    """Refuse CREDENTIALS a member that the list revokes."""
    if signed is not None and name in signed.body.members:
        raise Refused(Refusal.CREDENTIALS, f"the federation's operator has revoked {name}")


class Revocations:
    """The lists of all issuers that the log holds, in its order."""

    def __init__(self) -> None:
        self._lists: dict[str, list[tuple[int, query_pb2.SignedRevocation]]] = {}

    def check(self, first: roster_pb2.Roster, signed: query_pb2.SignedRevocation,
              pending: Iterable[query_pb2.SignedRevocation] = ()) -> None:
        """Refuse a list that may not come next, after all that were folded and then the *pending* ones."""
        check_list(first, signed)
        before = self.last(signed.body.issuer)
        for each in pending:
            before = each if each.body.issuer == signed.body.issuer else before
        check_later(before, signed)

    def fold(self, index: int, signed: query_pb2.SignedRevocation) -> None:
        """Take over a checked list, which stands at *index* of the log."""
        self._lists.setdefault(signed.body.issuer, []).append((index, signed))

    def last(self, issuer: str, before: int | None = None) -> query_pb2.SignedRevocation | None:
        """Return the issuer's list in force at the end of the log, or ahead of index *before*; or None."""
        known = [each for index, each in self._lists.get(issuer, ()) if before is None or index < before]
        return known[-1] if known else None

    def check_standing(self, grant: query_pb2.Grant, purpose: str, before: int | None = None) -> None:
        """Refuse a grant that some list takes back: at the end of the log, or ahead of index *before*."""
        for issuer in sorted(self._lists):
            check_standing(self.last(issuer, before), grant, purpose)

    def check_member(self, name: str) -> None:
        """Refuse CREDENTIALS a member that is revoked at the end of the log."""
        for issuer in self._lists:
            check_member(self.last(issuer), name)

    def dump(self) -> list[list[object]]:
        """Return everything as JSON values, for `load`."""
        return [[index, signed.SerializeToString(deterministic=True).hex()]
                for lists in self._lists.values() for index, signed in lists]

    @classmethod
    def load(cls, state: Iterable[tuple[int, str]]) -> "Revocations":
        """Return what `dump` described; raises ValueError, TypeError or DecodeError for anything else."""
        found = cls()
        for index, data in state:
            found.fold(int(index), query_pb2.SignedRevocation.FromString(bytes.fromhex(data)))
        return found
