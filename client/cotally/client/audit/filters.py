"""The filters over the whole log: a population's, an analyst's, and those of a purpose.

Rules, in log order. A key is (population, analyst, purpose), empty where it is of all:

- The first transcript of a round decides for ever. Its price, which is person-level (the overlap m is in
  it), is charged to the population, the analyst, the purpose of all analysts and the analyst's
  purpose: to all or, where one has too little, to none.
- A budget counts from the log's beginning and holds until a policy replaces all of them. Grants limit the
  analyst's purpose beside it, by what the leaf says of them. A filter without budget still adds up.
- A void round's price comes back, if it was charged. A round that only dies gives nothing back.
- A replay charges the analyst's own two filters, unless he paid for that round and purpose before.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from cotally.v1 import roster_pb2

from .facts import Replayed, Transcribed

ALL: Final = ""  # analysts, or purposes, in a key
Key = tuple[str, str, str]


class Filters:
    """Budgets, and what was admitted, by key; each population counts in its own account."""

    def __init__(self, budgets: Iterable[roster_pb2.FilterBudget]) -> None:
        self.admitted: dict[Key, int] = {}
        self._granted: dict[Key, int] = {}  # as the last charge of this key said
        self._paid: dict[bytes, tuple[Key, int]] = {}  # rounds: whose own filter, and the price
        self._under_way: set[bytes] = set()
        self._readers: set[tuple[bytes, str, str]] = set()  # who replayed a round, for which purpose
        self._all: dict[Key, tuple[Key, ...]] = {}  # what each own key stands for
        self.renew(budgets)

    def renew(self, budgets: Iterable[roster_pb2.FilterBudget]) -> None:
        """Let *budgets* count in place of all former ones; of a budget that is stated twice, the less."""
        self._budgets: dict[Key, int] = {}
        for each in budgets:
            key = each.population, each.analyst, each.purpose
            self._budgets[key] = min(each.pico_loss, self._budgets.get(key, each.pico_loss))

    def budget(self, key: Key) -> int | None:
        """What *key* may spend in all, as budgets and the grants last seen say; None without limit."""
        return self._limit(key, self._granted.get(key, 0))

    def known(self) -> set[Key]:
        """Every filter with a budget, or charged."""
        return {*self._budgets, *(key for key, amount in self.admitted.items() if amount)}

    def under_way(self) -> Mapping[Key, int]:
        """The part of `admitted` whose rounds have not ended."""
        found: dict[Key, int] = {}
        for round_ in self._under_way:
            own, price = self._paid[round_]
            for key in self._of(own):
                found[key] = found.get(key, 0) + price
        return found

    def admit(self, leaf: Transcribed) -> bool:
        """Charge the round of a first transcript to every filter and return True, or to none."""
        own = leaf.population, leaf.analyst, leaf.purpose
        if not self._charge(self._of(own), leaf):
            return False
        self._paid[leaf.round] = self._of(own)[-1], leaf.pico_loss
        self._under_way.add(leaf.round)
        return True

    def replay(self, leaf: Replayed) -> bool:
        """Charge a replay of an admitted round to its reader; True where he has paid, now or before."""
        own = leaf.population, leaf.analyst, leaf.purpose
        reader = leaf.round, leaf.analyst, leaf.purpose
        if reader in self._readers or self._paid[leaf.round][0] == own:
            return True
        if not self._charge(_distinct((leaf.population, leaf.analyst, ALL), own), leaf):
            return False
        self._readers.add(reader)
        return True

    def price(self, round_: bytes) -> tuple[str, int] | None:
        """Population and price of an admitted round."""
        paid = self._paid.get(round_)
        return paid and (paid[0][0], paid[1])

    def end(self, round_: bytes) -> None:
        """Note that *round_* ended, whichever way: what was under way is spent."""
        self._under_way.discard(round_)

    def give_back(self, round_: bytes) -> None:
        """Undo the charge of an admitted round."""
        own, price = self._paid[round_]
        self._add(self._of(own), -price)

    def take_again(self, round_: bytes) -> None:
        """Undo a `give_back`, whether there is budget for it or not: the round was opened after all."""
        own, price = self._paid[round_]
        self._add(self._of(own), price)

    def _charge(self, keys: tuple[Key, ...], leaf: Transcribed | Replayed) -> bool:
        own = keys[-1]
        for key in keys:
            limit = self._limit(key, leaf.granted if key == own else 0)
            if limit is not None and self.admitted.get(key, 0) + leaf.pico_loss > limit:
                return False
        self._add(keys, leaf.pico_loss)
        self._granted[own] = leaf.granted
        return True

    def _limit(self, key: Key, granted: int) -> int | None:
        limits = [each for each in (self._budgets.get(key), granted or None) if each is not None]
        return min(limits, default=None)

    def _add(self, keys: Iterable[Key], amount: int) -> None:
        for key in keys:
            self.admitted[key] = self.admitted.get(key, 0) + amount

    def _of(self, own: Key) -> tuple[Key, ...]:
        """Every filter that a question passes whose narrowest is *own*, which comes last."""
        found = self._all.get(own)
        if found is None:
            population, analyst, purpose = own
            found = self._all[own] = _distinct(
                (population, ALL, ALL), (population, ALL, purpose), (population, analyst, ALL), own)
        return found


def _distinct(*keys: Key) -> tuple[Key, ...]:
    """The keys once each, the last one last."""
    return tuple(dict.fromkeys(reversed(keys)))[::-1]
