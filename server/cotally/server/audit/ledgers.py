"""The departments' ledgers as the log shows them: one chain of links per department, and who has forked.

A department whose links do not continue its known chain is recorded as forked, its chain stays as it
was, and none of its links is believed again (`chain` has the rules of one chain).
"""

from collections.abc import Callable, Container, Sequence
from typing import Any

from cotally.v1 import log_pb2, round_pb2
from cotally.v1.refusals import Refusal, Refused

from .chain import Allowed, Chain

AllowedTo = Callable[[str], Allowed]


class Ledgers:
    """The chains of all departments."""

    def __init__(self, pure: Container[str] = ()) -> None:
        self._pure = pure  # populations that count in epsilon
        self.forked: set[str] = set()
        self._chains: dict[str, Chain] = {}

    def fold(self, leaf: log_pb2.RosterLeaf, allowed: AllowedTo) -> None:
        """Take the links that a roster leaf carries."""
        for ledger in leaf.ledgers:
            if ledger.node in self.forked:
                continue
            chain = self._chains.setdefault(ledger.node, Chain(ledger.node, self._pure))
            try:
                chain.extend(ledger.links, leaf.round, allowed(ledger.node))
            except Refused:
                self.forked.add(ledger.node)

    def last(self, node: str) -> tuple[int, bytes] | None:
        """Return (length, hash) of the last logged entry of *node*'s ledger, or None."""
        chain = self._chains.get(node)
        return (len(chain.hashes), chain.hashes[-1]) if chain and chain.hashes else None

    def budget(self, node: str, population: str) -> int | None:
        """Return the last budget that *node*'s logged ledger states for *population*, or None."""
        chain = self._chains.get(node)
        return chain.budget(population) if chain else None

    def spent(self, node: str, population: str, void: Container[bytes]) -> int:
        """Return what *node*'s logged ledger has spent of *population*, less what void rounds may return."""
        chain = self._chains.get(node)
        return chain.spent(population, void) if chain else 0

    def at(self, node: str, length: int) -> bytes | None:
        """Return the hash of entry *length* of *node*'s logged ledger, or None."""
        chain = self._chains.get(node)
        return chain.hashes[length - 1] if chain and 1 <= length <= len(chain.hashes) else None

    def check(self, node: str, links: Sequence[round_pb2.LedgerEntry], round_: bytes,
              allowed: Allowed) -> None:
        """Refuse links that do not continue *node*'s logged chain up to the reservation of this round."""
        if node in self.forked:
            raise Refused(Refusal.EQUIVOCATION, f"the log holds a fork of {node}'s ledger")
        self._chains.get(node, Chain(node, self._pure)).check(links, round_, allowed)

    def dump(self) -> dict[str, object]:
        """Return everything as JSON values, for `load`."""
        return {"chains": {node: chain.dump() for node, chain in self._chains.items()},
                "forked": sorted(self.forked)}

    @classmethod
    def load(cls, state: dict[str, Any], pure: Container[str] = ()) -> "Ledgers":
        """Return what `dump` described; raises TypeError, KeyError or ValueError for anything else."""
        found = cls(pure)
        found._chains = {node: Chain.load(node, chain, pure) for node, chain in state["chains"].items()}
        found.forked = set(state["forked"])
        return found
