"""Whom the departments let ask, as the log shows it: grants, and what was taken back.

- A grant counts from its first entry on. A list replaces its issuer's one before, by a higher serial.
- A list takes back grants by digest, or all of its department's to an analyst (for one purpose, or any);
  the coordinator's takes back members, and whatever they granted or were granted.
- A question rests on one grant of every department that answers it, which the roster (or the replay) names by
  its digest. That grant stands ahead of the transcript (or the replay), is of this department to this
  analyst for this purpose, had not expired when the round was announced, and is not taken back.

A replay's entry tells no time, so whether its grants had expired by then is not seen.
"""

from typing import Final

from cotally.v1 import log_pb2, query_pb2

UNTIMED: Final = 0  # of what has no time in the log: nothing has expired

Resting = tuple[tuple[str, bytes], ...]  # departments, and the digest of the grant of each


class Grants:
    """Grants and lists so far."""

    def __init__(self) -> None:
        self._known: dict[bytes, log_pb2.GrantLeaf] = {}
        self._lists: dict[str, query_pb2.Revocation] = {}

    def grant(self, leaf: log_pb2.GrantLeaf) -> None:
        """Take a grant; of one digest, the first."""
        self._known.setdefault(leaf.grant, leaf)

    def revoke(self, body: query_pb2.Revocation) -> str:
        """Take a list, which has no flaw; or return why not, as the end of a sentence."""
        before = self._lists.get(body.issuer)
        if before is not None and body.serial <= before.serial:
            return f"whose serial {body.serial} is not above {before.serial}"
        self._lists[body.issuer] = body
        return ""

    def lacking(self, resting: Resting, analyst: str, purpose: str, at_ms: int) -> str:
        """Return the first department whose grant does not let *analyst* ask at *at_ms*; empty: all do."""
        for department, grant in resting:
            if not self._allows(grant, department, analyst, purpose, at_ms):
                return department
        return ""

    def _allows(self, grant: bytes, department: str, analyst: str, purpose: str, at_ms: int) -> bool:
        leaf = self._known.get(grant)
        return (leaf is not None and (leaf.department, leaf.analyst) == (department, analyst)
                and purpose in leaf.purposes and at_ms <= leaf.not_after_ms
                and not self._taken_back(grant, department, analyst, purpose))

    def _taken_back(self, grant: bytes, department: str, analyst: str, purpose: str) -> bool:
        issued = self._lists.get(department)
        named = issued is not None and (grant in issued.grants or any(
            each.analyst == analyst and each.purpose in ("", purpose) for each in issued.analysts))
        return named or any(name in each.members for each in self._lists.values()
                            for name in (department, analyst))
