"""What a department's ledger adds up to: one fold, for the ledger that writes and for those who check it.

Rules, entry by entry (design section 4, Ledger):

- BUDGET names no round and sets the population's budget; what was spent stays spent.
- RESERVE names a round for the first time, has a price above zero, and spent + price fits the budget.
- COMMIT repeats population and price of an open reservation, once.
- VOID does so too, instead of COMMIT, and gives the price back.
- BURN names no round and spends, beyond the budget too: what may have been spent and was forgotten.
"""

from collections import ChainMap
from collections.abc import Container, MutableMapping
from dataclasses import dataclass
from enum import IntEnum

from cotally.server.model.account import Account
from cotally.v1.refusals import Refusal, Refused


class Kind(IntEnum):
    """What an entry does; numbers are those of `LedgerKind` in the contract."""

    BUDGET = 1
    RESERVE = 2
    COMMIT = 3
    VOID = 4
    BURN = 5


@dataclass(frozen=True, slots=True)
class Reservation:
    """One round's price, and the last thing that happened to it."""

    population: str
    pico_loss: int
    kind: Kind


class Book:
    """Budgets, what was spent, and every reservation of one department's ledger.

    Each population counts in its own account; *pure* names those that count in epsilon, for people.
    """

    def __init__(self, node: str, pure: Container[str] = ()) -> None:
        self.node = node
        self._pure = pure
        self.budgets: dict[str, int] = {}
        self.spent: dict[str, int] = {}
        self.rounds: MutableMapping[bytes, Reservation] = {}

    def trial(self) -> "Book":
        """Return a book that starts where this one stands; folding into it leaves this one alone."""
        book = Book(self.node, self._pure)
        book.budgets = dict(self.budgets)
        book.spent = dict(self.spent)
        book.rounds = ChainMap({}, self.rounds)
        return book

    def accept(self, trial: "Book") -> None:
        """Take over what was folded into *trial*, which came from this book's `trial()`."""
        assert isinstance(trial.rounds, ChainMap)
        self.budgets = trial.budgets
        self.spent = trial.spent
        self.rounds.update(trial.rounds.maps[0])

    def left(self, population: str) -> int:
        """What may still be reserved; 0 where there is no budget."""
        return max(0, self.budgets.get(population, 0) - self.spent.get(population, 0))

    def reserved(self, population: str) -> int:
        """What rounds without an outcome hold; part of what is spent."""
        return self._sum(population, Kind.RESERVE)

    def refunded(self, population: str) -> int:
        """What void rounds gave back so far."""
        return self._sum(population, Kind.VOID)

    def _sum(self, population: str, kind: Kind) -> int:
        return sum(r.pico_loss for r in self.rounds.values()
                   if r.kind is kind and r.population == population)

    def fold(self, kind: Kind, population: str, round_: bytes, pico_loss: int) -> None:
        """Apply one entry; refuse, changing nothing, one that breaks a rule of this module."""
        if not population:
            raise Refused(Refusal.MALFORMED, f"a ledger entry of {self.node} names no population")
        if (kind in (Kind.BUDGET, Kind.BURN)) != (not round_):
            raise Refused(Refusal.MALFORMED, f"a {kind.name} entry of {self.node} misnames its round")
        if kind is Kind.BUDGET:
            self.budgets[population] = pico_loss
        elif kind is Kind.RESERVE:
            self._reserve(population, round_, pico_loss)
        elif kind is Kind.BURN:
            if pico_loss <= 0:
                raise Refused(Refusal.MALFORMED, f"{self.node}'s ledger burns nothing")
            self.spent[population] = self.spent.get(population, 0) + pico_loss
        else:
            self._close(kind, population, round_, pico_loss)

    def _reserve(self, population: str, round_: bytes, pico_loss: int) -> None:
        if round_ in self.rounds:
            raise Refused(Refusal.REPLAYED, f"{self.node}'s ledger reserves round {round_.hex()[:16]} twice")
        if pico_loss <= 0:
            raise Refused(Refusal.MALFORMED, f"{self.node}'s ledger reserves nothing for a round")
        if pico_loss > self.left(population):
            text = Account.of(population, self._pure).text
            raise Refused(
                Refusal.BUDGET_SPENT,
                f"department {self.node} has {text(self.left(population))} left of its budget of "
                f"{text(self.budgets.get(population, 0))} for population {population}; "
                f"the price is {text(pico_loss)}",
            )
        self.spent[population] = self.spent.get(population, 0) + pico_loss
        self.rounds[round_] = Reservation(population, pico_loss, Kind.RESERVE)

    def _close(self, kind: Kind, population: str, round_: bytes, pico_loss: int) -> None:
        if self.rounds.get(round_) != Reservation(population, pico_loss, Kind.RESERVE):
            raise Refused(
                Refusal.OUT_OF_ORDER,
                f"{self.node}'s ledger has a {kind.name} without an open reservation of that round and price",
            )
        if kind is Kind.VOID:
            self.spent[population] -= pico_loss
        self.rounds[round_] = Reservation(population, pico_loss, kind)
