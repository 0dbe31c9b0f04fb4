"""Which rounds the log admits, from the fields of its leaves alone (design section 4).

Rules, in the order of the log:

- The first transcript leaf of a round decides for ever; later ones of that round change nothing. It is
  admitted iff the round was not voided before and every filter fits its price (`filters`).
- A void leaf gives the price of its round back, once, at its own index, and only if it was admitted.
- A replay leaf charges an analyst's own filters with the price of an admitted round that is not void.
  Whoever asked the round, or paid for it before, for the same purpose, pays nothing more.
- A policy leaf replaces budgets from there on; what was spent stays spent.
- Death of a round, or contents that nobody can find, give nothing back.
"""

from collections.abc import Container, Iterable
from dataclasses import dataclass
from typing import Any

from cotally.v1 import log_pb2
from cotally.v1.canonical import digest
from cotally.v1.roster_pb2 import FilterBudget

from .filters import Charge, Filters

Reader = tuple[bytes, str, str]  # round, analyst, purpose


@dataclass(frozen=True, slots=True)
class Admission:
    """What the first transcript leaf of a round said, and what came of it."""

    index: int  # in the log
    leaf: bytes  # digest("leaf", TranscriptLeaf)
    admitted: bool
    charge: Charge


class Admissions:
    """The fold of the rules above."""

    def __init__(self, budgets: Iterable[FilterBudget], pure: Container[str] = ()) -> None:
        self.filters = Filters(budgets, pure)
        self.rounds: dict[bytes, Admission] = {}
        self.void: dict[bytes, int] = {}  # round -> index of its void leaf
        self._readers: set[Reader] = set()

    def transcript(self, index: int, leaf: log_pb2.TranscriptLeaf) -> None:
        """Fold the transcript leaf at *index*."""
        if leaf.round in self.rounds:
            return
        charge = Charge(leaf.population, leaf.analyst, leaf.purpose, leaf.pico_loss, leaf.granted_pico_loss)
        admitted = leaf.round not in self.void and self.filters.admit(charge)
        self.rounds[leaf.round] = Admission(index, digest("leaf", leaf), admitted, charge)
        if admitted:
            self._readers.add((leaf.round, leaf.analyst, leaf.purpose))

    def voided(self, index: int, round_: bytes) -> None:
        """Fold the void leaf at *index*, whose statements were checked."""
        if round_ in self.void:
            return
        self.void[round_] = index
        known = self.rounds.get(round_)
        if known is not None and known.admitted:
            self.filters.give_back(known.charge)

    def replay(self, leaf: log_pb2.ReplayLeaf) -> None:
        """Fold a replay leaf; one of no admitted round, or at another price, charges and allows nothing."""
        known = self.rounds.get(leaf.round)
        if known is None or not known.admitted or leaf.round in self.void:
            return
        if (leaf.population, leaf.pico_loss) != (known.charge.population, known.charge.pico_loss):
            return
        reader = (leaf.round, leaf.analyst, leaf.purpose)
        charge = Charge(leaf.population, leaf.analyst, leaf.purpose, leaf.pico_loss, leaf.granted_pico_loss)
        if reader not in self._readers and self.filters.admit_replay(charge):
            self._readers.add(reader)

    def has_paid(self, round_: bytes, analyst: str, purpose: str | None = None) -> bool:
        """True iff *analyst* paid for the round: for this purpose, or with None for any."""
        if purpose is not None:
            return (round_, analyst, purpose) in self._readers
        return any((each, who) == (round_, analyst) for each, who, _ in self._readers)

    def dump(self) -> dict[str, object]:
        """Return everything as JSON values, for `load`."""
        return {
            "filters": self.filters.dump(),
            "rounds": [
                [round_.hex(), a.index, a.leaf.hex(), a.admitted, a.charge.population, a.charge.analyst,
                 a.charge.purpose, a.charge.pico_loss, a.charge.granted]
                for round_, a in self.rounds.items()],
            "void": [[round_.hex(), index] for round_, index in self.void.items()],
            "readers": sorted([round_.hex(), *who] for round_, *who in self._readers),
        }

    def load(self, state: dict[str, Any]) -> None:
        """Take over what `dump` returned; raises TypeError, KeyError or ValueError for anything else."""
        self.filters.restore(state["filters"])
        self.rounds = {
            bytes.fromhex(round_): Admission(index, bytes.fromhex(leaf), admitted, Charge(*charge))
            for round_, index, leaf, admitted, *charge in state["rounds"]}
        self.void = {bytes.fromhex(round_): int(index) for round_, index in state["void"]}
        self._readers = {(bytes.fromhex(round_), analyst, purpose)
                         for round_, analyst, purpose in state["readers"]}
