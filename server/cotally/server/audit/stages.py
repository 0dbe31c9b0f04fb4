"""How far each round has come, as the log says, beside what it costs (`admissions`).

Rules, in the order of the log:

- The first roster leaf of a round counts, with all that it says of ledgers and grants, if it comes before the
  round's transcript: a checkpoint that covers the transcript covers the roster too.
- Announcement, release and dead leaves mark their round. A void leaf marks it as dead too.
- The first grant leaf of a grant counts; who decrypts under the grant compares it.
"""

from collections.abc import Collection
from typing import Any

from cotally.v1 import log_pb2, query_pb2
from cotally.v1.canonical import digest


def grant_leaf(grant: query_pb2.Grant) -> log_pb2.GrantLeaf:
    """Return the public fields of *grant*, as the log shows them."""
    return log_pb2.GrantLeaf(
        grant=digest("grant", grant), department=grant.department, analyst=grant.analyst,
        purposes=grant.purposes, not_after_ms=grant.not_after_ms)


class Stages:
    """The fold of the rules above."""

    def __init__(self) -> None:
        self.rosters: dict[bytes, bytes] = {}  # round -> digest("leaf", RosterLeaf)
        self.announced: set[bytes] = set()
        self.released: set[bytes] = set()
        self.dead: set[bytes] = set()
        self.grants: dict[bytes, tuple[int, bytes]] = {}  # digest -> index and digest("leaf") of its leaf

    def fold(self, index: int, kind: str, entry: log_pb2.LogEntry, combined: Collection[bytes]) -> None:
        """Take the entry of this *kind* at *index*; *combined* holds the rounds with a transcript so far."""
        if kind == "announcement":
            self.announced.add(entry.announcement.round)
        elif kind == "roster" and entry.roster.round not in combined:
            self.rosters.setdefault(entry.roster.round, digest("leaf", entry.roster))
        elif kind == "release":
            self.released.add(entry.release.round)
        elif kind == "dead":
            self.dead.add(entry.dead.round)
        elif kind == "void":
            self.dead.add(entry.void.round)
        elif kind == "grant":
            self.grants.setdefault(entry.grant.grant, (index, digest("leaf", entry.grant)))

    def dump(self) -> dict[str, object]:
        """Return everything as JSON values, for `load`."""
        return {
            "rosters": [[round_.hex(), leaf.hex()] for round_, leaf in self.rosters.items()],
            "announced": sorted(round_.hex() for round_ in self.announced),
            "released": sorted(round_.hex() for round_ in self.released),
            "dead": sorted(round_.hex() for round_ in self.dead),
            "grants": [[grant.hex(), index, leaf.hex()] for grant, (index, leaf) in self.grants.items()],
        }

    @classmethod
    def load(cls, state: dict[str, Any]) -> "Stages":
        """Return what `dump` described; raises TypeError, KeyError or ValueError for anything else."""
        found = cls()
        found.rosters = {bytes.fromhex(round_): bytes.fromhex(leaf) for round_, leaf in state["rosters"]}
        found.announced = {bytes.fromhex(round_) for round_ in state["announced"]}
        found.released = {bytes.fromhex(round_) for round_ in state["released"]}
        found.dead = {bytes.fromhex(round_) for round_ in state["dead"]}
        found.grants = {bytes.fromhex(grant): (int(index), bytes.fromhex(leaf))
                        for grant, index, leaf in state["grants"]}
        return found
