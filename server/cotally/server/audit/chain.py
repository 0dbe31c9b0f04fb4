"""One department's ledger as the log tells it: hashes by length, and what they add up to.

Rule (design section 4, Ledger): links are accepted if they extend the logged chain or already are
links of it. Refused are another hash at a known length, a gap, an entry that names another round
than the one it was sent for, and a chain that breaks its own rules or budget (store/book), takes a
price back for a round that is not void in the log, or raises a budget that no policy in it raises.
"""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from cotally.server.store.book import Book, Kind, Reservation
from cotally.v1.canonical import NotCanonical, digest
from cotally.v1.refusals import Refusal, Refused
from cotally.v1.round_pb2 import LedgerEntry, LedgerKind

MAX_LINKS: Final = 100_000  # in one commitment; a bound on work, far above what rounds need
_KINDS: Final = frozenset(int(kind) for kind in Kind)


@dataclass(frozen=True, slots=True)
class Allowed:
    """What the log allows one node's ledger: refunds, by round, and budgets above the present ones."""

    void: Container[bytes] = ()
    budgets: Mapping[str, int] = field(default_factory=dict)  # most that a policy said, by population


class Chain:
    """The logged part of one node's ledger."""

    def __init__(self, node: str, pure: Container[str] = ()) -> None:
        self._book = Book(node, pure)
        self.hashes: list[bytes] = []  # of entry i + 1

    def check(self, links: Sequence[LedgerEntry], round_: bytes, allowed: Allowed) -> None:
        """Refuse links that do not continue this chain up to an entry that reserves *round_*.

        EQUIVOCATION: another hash at a known length, or another round. STEPPED_BACK: that, by a chain
        shorter than the logged one. MALFORMED: a gap, broken form. BUDGET_SPENT, REPLAYED,
        OUT_OF_ORDER: entries that break the ledger's own rules. NOT_ALLOWED: a refund or a budget without
        proof.
        """
        self._follow(links, round_, allowed)

    def extend(self, links: Sequence[LedgerEntry], round_: bytes, allowed: Allowed) -> None:
        """Fold links into the chain, all or none; refuses as `check` does."""
        hashes, trial = self._follow(links, round_, allowed)
        self._book.accept(trial)
        self.hashes += hashes

    def _follow(
        self, links: Sequence[LedgerEntry], round_: bytes, allowed: Allowed
    ) -> tuple[list[bytes], Book]:
        """The hashes of the entries that are new, and the book after them."""
        node = self._book.node
        if not 0 < len(links) <= MAX_LINKS:
            raise Refused(Refusal.MALFORMED, f"{node} sent {len(links)} ledger links")
        hashes = [_hash(node, link) for link in links]
        self._check_form(links, hashes)
        known = len(self.hashes)
        first, last = links[0].length, links[-1]
        if first > known + 1:
            raise Refused(
                Refusal.MALFORMED, f"{node}'s ledger links start at {first}; the log knows {known} entries"
            )
        if first > 1 and links[0].previous != self.hashes[first - 2]:
            raise self._fork(first - 1, last.length)
        for link, hash_ in zip(links, hashes, strict=True):
            if link.length <= known and self.hashes[link.length - 1] != hash_:
                raise self._fork(link.length, last.length)
        if last.kind != LedgerKind.LEDGER_KIND_RESERVE:
            raise Refused(Refusal.MALFORMED, f"{node}'s ledger links do not end in a reservation")
        if last.round != round_:
            raise Refused(Refusal.EQUIVOCATION, f"{node}'s ledger links reserve another round")
        trial = self._book.trial()
        for link in links:
            if link.length > known:
                _check_allowed(trial, link, allowed)
                trial.fold(Kind(link.kind), link.population, link.round, link.pico_loss)
        return [h for link, h in zip(links, hashes, strict=True) if link.length > known], trial

    def _check_form(self, links: Sequence[LedgerEntry], hashes: Sequence[bytes]) -> None:
        node = self._book.node
        length, previous = links[0].length, links[0].previous
        if length < 1 or (length == 1) != (not previous):
            raise Refused(Refusal.MALFORMED, f"{node}'s first ledger link misstates its place")
        for link, hash_ in zip(links, hashes, strict=True):
            if (link.node, link.length, link.previous) != (node, length, previous):
                raise Refused(Refusal.MALFORMED, f"{node}'s ledger links break at entry {link.length}")
            if int(link.kind) not in _KINDS:
                raise Refused(Refusal.MALFORMED, f"{node}'s ledger entry {link.length} has no known kind")
            length, previous = length + 1, hash_

    def _fork(self, length: int, last: int) -> Refused:
        node, known = self._book.node, len(self.hashes)
        if last < known:
            return Refused(
                Refusal.STEPPED_BACK,
                f"{node}'s ledger ends at {last} with entries that the log does not know, which has {known}",
            )
        return Refused(Refusal.EQUIVOCATION, f"entry {length} of {node}'s ledger differs from the logged one")

    def budget(self, population: str) -> int | None:
        """Return the last budget that the logged entries state for *population*, or None."""
        return self._book.budgets.get(population)

    def spent(self, population: str, void: Container[bytes]) -> int:
        """Return what the logged entries have spent of *population*, but for *void* rounds."""
        returned = sum(r.pico_loss for round_, r in self._book.rounds.items()
                       if r.kind is Kind.RESERVE and r.population == population and round_ in void)
        return self._book.spent.get(population, 0) - returned

    def dump(self) -> dict[str, object]:
        """Return everything as JSON values, for `load`."""
        return {
            "hashes": [h.hex() for h in self.hashes],
            "budgets": self._book.budgets,
            "spent": self._book.spent,
            "rounds": [
                [round_.hex(), r.population, r.pico_loss, int(r.kind)]
                for round_, r in self._book.rounds.items()
            ],
        }

    @classmethod
    def load(cls, node: str, data: dict[str, object], pure: Container[str] = ()) -> "Chain":
        """Return the chain that `dump` described; raises TypeError, KeyError or ValueError for others."""
        chain = cls(node, pure)
        hashes, budgets, spent, rounds = (data[name] for name in ("hashes", "budgets", "spent", "rounds"))
        if not (isinstance(hashes, list) and isinstance(budgets, dict) and isinstance(spent, dict)
                and isinstance(rounds, list)):
            raise TypeError("a chain is of another form")
        chain.hashes = [bytes.fromhex(h) for h in hashes]
        chain._book.budgets, chain._book.spent = budgets, spent
        for round_, population, pico_loss, kind in rounds:
            chain._book.rounds[bytes.fromhex(round_)] = Reservation(population, pico_loss, Kind(kind))
        return chain


def _check_allowed(book: Book, link: LedgerEntry, allowed: Allowed) -> None:
    if link.kind == LedgerKind.LEDGER_KIND_VOID and link.round not in allowed.void:
        raise Refused(Refusal.NOT_ALLOWED,
                      f"{book.node}'s ledger takes back the price of round {link.round.hex()[:16]}, which is "
                      "not void in the log")
    if link.kind == LedgerKind.LEDGER_KIND_BUDGET:
        before = book.budgets.get(link.population)
        if before is not None and link.pico_loss > max(before, allowed.budgets.get(link.population, 0)):
            raise Refused(Refusal.NOT_ALLOWED,
                          f"{book.node}'s ledger raises its budget for {link.population} without a policy")


def _hash(node: str, link: LedgerEntry) -> bytes:
    try:
        return digest("ledger", link)
    except NotCanonical as error:
        raise Refused(Refusal.MALFORMED, f"a ledger link of {node} is not canonical") from error
