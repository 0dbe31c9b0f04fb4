"""One department's ledger, as the frozen rosters in the log tell it, added up again.

Links continue the logged chain or already are links of it. Entry by entry:

- a budget sets what a population may spend: at first anything, and later no more than before, but for what
  a policy in the log lets this department spend;
- a reservation names a round for the first time, and fits; a commit closes an open one;
- a void closes it too and gives its price back, once the log holds the round's void entry;
- a burn spends without a round, beyond the budget too: what a restored ledger may have forgotten.
"""

from collections.abc import Container, Mapping
from typing import Final

from cotally.v1 import round_pb2
from cotally.v1.refusals import Refusal, Refused

from ..privacy import AccountOf
from .facts import Links

_HASH: Final = 32
_ROUNDLESS: Final = (round_pb2.LEDGER_KIND_BUDGET, round_pb2.LEDGER_KIND_BURN)


class Ledger:
    """Hashes by length, and per population: budget, spent and reserved, in its account."""

    def __init__(self, node: str, account: AccountOf) -> None:
        self.node = node
        self._account = account
        self.budgets: dict[str, int] = {}
        self.spent: dict[str, int] = {}
        self.reserved: dict[str, int] = {}
        self._hashes = bytearray()  # 32 bytes an entry
        self._open: dict[bytes, tuple[str, int]] = {}
        self._closed: set[bytes] = set()

    @property
    def length(self) -> int:
        """Entries that the log knows."""
        return len(self._hashes) // _HASH

    def populations(self) -> list[str]:
        """Populations with a budget or a reservation, sorted."""
        return sorted({*self.budgets, *self.spent, *self.reserved})

    def follow(self, links: Links, void: Container[bytes], most: Mapping[str, int]) -> None:
        """Fold in what is new in *links*, all or none; Refused, naming the department, if it cannot be.

        *void* are the rounds that are void so far, *most* the largest budgets that policies gave it.
        """
        if links.broken:
            raise self._refused(links.broken)
        known, first = self.length, links.first
        if first > known + 1:
            raise self._refused(f"skips its entries {known + 1} to {first - 1}")
        if first > 1 and links.previous != self._hash(first - 1):
            raise self._refused(f"has another entry {first - 1} than before")
        overlap = min(known - first + 1, len(links.steps))
        for at in range(overlap):
            if self._hash(first + at) != links.hashes[_HASH * at:_HASH * (at + 1)]:
                raise self._refused(f"has another entry {first + at} than before")
        self._fold_all(links, overlap, void, most)
        self._hashes += links.hashes[_HASH * overlap:]

    def _hash(self, length: int) -> bytes:
        return bytes(self._hashes[_HASH * (length - 1):_HASH * length])

    def _fold_all(self, links: Links, overlap: int, void: Container[bytes], most: Mapping[str, int]) -> None:
        before = dict(self.budgets), dict(self.spent), dict(self.reserved)
        touched = {step[2]: self._open.get(step[2]) for step in links.steps[overlap:]}
        closed = {round_ for round_ in touched if round_ in self._closed}
        try:
            for step in links.steps[overlap:]:
                self._check_allowed(*step, void, most)
                self._fold(*step)
        except Refused:
            self.budgets, self.spent, self.reserved = before
            for round_, price in touched.items():
                self._open.pop(round_, None)
                if price is not None:
                    self._open[round_] = price
                if round_ not in closed:
                    self._closed.discard(round_)
            raise

    def _check_allowed(self, kind: int, population: str, round_: bytes, price: int,
                       void: Container[bytes], most: Mapping[str, int]) -> None:
        """Refuse what takes the log's leave and has none."""
        if kind == round_pb2.LEDGER_KIND_VOID and round_ not in void:
            raise self._refused(f"takes back the price of round {round_.hex()[:16]}, which is not void")
        before = self.budgets.get(population)
        if kind == round_pb2.LEDGER_KIND_BUDGET and before is not None and price > max(
                before, most.get(population, 0)):
            raise self._refused(f"raises its budget for {population!r} without a policy")

    def _fold(self, kind: int, population: str, round_: bytes, price: int) -> None:
        if not population or (kind in _ROUNDLESS) != (not round_):
            raise self._refused("has an entry without population, or that misnames its round")
        if kind == round_pb2.LEDGER_KIND_BUDGET:
            self.budgets[population] = price
        elif kind == round_pb2.LEDGER_KIND_RESERVE:
            self._reserve(population, round_, price)
        elif kind == round_pb2.LEDGER_KIND_COMMIT:
            self._close(population, round_, price, "commits")
            self.spent[population] = self.spent.get(population, 0) + price
        elif kind == round_pb2.LEDGER_KIND_VOID:
            self._close(population, round_, price, "takes back")
        elif kind == round_pb2.LEDGER_KIND_BURN:
            if price <= 0:
                raise self._refused("burns nothing")
            self.spent[population] = self.spent.get(population, 0) + price
        else:
            raise self._refused("has an entry of no known kind")

    def _close(self, population: str, round_: bytes, price: int, does: str) -> None:
        if self._open.get(round_) != (population, price):
            raise self._refused(f"{does} what it did not reserve")
        del self._open[round_]
        self._closed.add(round_)
        self.reserved[population] -= price

    def _reserve(self, population: str, round_: bytes, price: int) -> None:
        if round_ in self._open or round_ in self._closed:
            raise self._refused("reserves a round twice")
        if price <= 0:
            raise self._refused("reserves nothing for a round")
        held = self.reserved.get(population, 0)
        budget = self.budgets.get(population, 0)
        if self.spent.get(population, 0) + held + price > budget:
            text = self._account(population).text
            raise Refused(Refusal.BUDGET_SPENT, f"the ledger of {self.node!r} reserves {text(price)} beyond "
                          f"its budget of {text(budget)} for {population!r}")
        self.reserved[population] = held + price
        self._open[round_] = population, price

    def _refused(self, what: str) -> Refused:
        return Refused(Refusal.EQUIVOCATION, f"the ledger of {self.node!r} {what}")
