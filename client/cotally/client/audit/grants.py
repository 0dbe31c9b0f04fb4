"""Whom the departments let ask, as far as the log shows it: grants, and what was taken back.

- A grant counts from its first entry on. A list replaces its issuer's one before, by a higher serial.
- A list takes back grants by digest, or all of its department's to an analyst (for one purpose, or any);
  the coordinator's takes back members, and whatever they granted or were granted.
- From the first grant entry of a log on, a question needs a grant of every department that answers it,
  which stands ahead of its transcript or replay and is not taken back. (Older logs show no grants.)
"""

from collections.abc import Iterable

from cotally.v1 import log_pb2, query_pb2

Terms = tuple[str, str, str]  # department, analyst, purpose


class Grants:
    """Grants and lists so far."""

    def __init__(self) -> None:
        self._known: dict[bytes, frozenset[Terms]] = {}
        self._under: dict[Terms, set[bytes]] = {}
        self._lists: dict[str, query_pb2.Revocation] = {}

    def grant(self, leaf: log_pb2.GrantLeaf) -> None:
        """Take a grant; of one digest, the first."""
        if leaf.grant in self._known:
            return
        terms = frozenset((leaf.department, leaf.analyst, purpose) for purpose in leaf.purposes)
        self._known[leaf.grant] = terms
        for each in terms:
            self._under.setdefault(each, set()).add(leaf.grant)

    def revoke(self, body: query_pb2.Revocation) -> str:
        """Take a list, which has no flaw; or return why not, as the end of a sentence."""
        before = self._lists.get(body.issuer)
        if before is not None and body.serial <= before.serial:
            return f"whose serial {body.serial} is not above {before.serial}"
        self._lists[body.issuer] = body
        return ""

    def lacking(self, departments: Iterable[str], analyst: str, purpose: str) -> str:
        """Return the first of *departments* that does not let *analyst* ask for *purpose*; empty: all do."""
        for department in departments:
            terms = department, analyst, purpose
            standing = self._under.get(terms, set()).difference(self._revoked(department))
            if self._taken_back(terms) or (self._known and not standing):
                return department
        return ""

    def is_lacking(self, shown: Iterable[bytes], departments: Iterable[str], analyst: str,
                   purpose: str) -> bool:
        """Whether *shown*, digests, are not of a grant of each of *departments* that lets *analyst* ask."""
        if any(self._taken_back((department, analyst, purpose)) for department in departments):
            return True
        granting = [terms[0] for digest in shown for terms in self._known.get(digest, ())
                    if terms[1:] == (analyst, purpose) and digest not in self._revoked(terms[0])]
        return bool(self._known) and sorted(granting) != sorted(departments)

    def _revoked(self, department: str) -> Iterable[bytes]:
        issued = self._lists.get(department)
        return issued.grants if issued is not None else ()

    def _taken_back(self, terms: Terms) -> bool:
        department, analyst, purpose = terms
        issued = self._lists.get(department)
        named = issued is not None and any(
            each.analyst == analyst and each.purpose in ("", purpose) for each in issued.analysts)
        return named or any(name in each.members for each in self._lists.values()
                            for name in (department, analyst))
