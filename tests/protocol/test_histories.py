"""Tables of histories: who stops where, and what becomes of the round, of its price and of its secrets.

Every history is played twice: with parties that stay up, and with every party started again from its
disk between any two steps, the coordinator included. Nothing may differ.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from cotally.server.coordinator.rounds import Part, Rounds
from cotally.server.coordinator.session import Round
from cotally.server.protocol.reveal import roster_leaf
from cotally.v1 import log_pb2, round_pb2
from cotally.v1.refusals import Refusal, Refused
from tests.protocol.lab import Lab

DEPARTMENTS = ("health", "north", "south", "tax")
EXACT = {"health": [1, 0], "north": [20, 2], "south": [300, 30], "tax": [4000, 4]}


@dataclass(frozen=True)
class History:
    """Who stops before which of its steps, and how the round ends: by these totals, or refused."""

    stops: Mapping[str, str]
    ends: list[int] | Refusal
    spent: tuple[str, ...] = DEPARTMENTS
    missing: list[str] = field(default_factory=list)


HISTORIES: dict[str, History] = {
    "everybody stays": History({}, [4321, 36]),
    "one department never commits": History(
        {"south": "commit"}, [4021, 6], ("health", "north", "tax"), ["south"]),
    "two departments never commit": History(
        {"south": "commit", "tax": "commit"}, Refusal.TOO_FEW_DEPARTMENTS, ("health", "north")),
    "one department commits and never reveals": History({"south": "reveal"}, Refusal.OUT_OF_ORDER),
    "one never commits and another never reveals": History(
        {"south": "commit", "tax": "reveal"}, Refusal.OUT_OF_ORDER, ("health", "north", "tax")),
    "one key holder never decrypts": History({"holder-2": "partial"}, [4321, 36]),
    "two key holders never decrypt": History(
        {"holder-1": "partial", "holder-2": "partial"}, Refusal.OUT_OF_ORDER),
    "a department and a key holder stop": History(
        {"south": "commit", "holder-1": "partial"}, [4021, 6], ("health", "north", "tax"), ["south"]),
}


class Play:
    """One round, step by step; `between` is called after each."""

    def __init__(self, lab: Lab, between: Callable[["Play"], None]) -> None:
        self.lab = lab
        self.store = Rounds(lab.folder / "coordinator.db")
        self.round = Round(lab.federation, lab.announce())
        self.partials: list[round_pb2.Partial] = []
        self.store.open(self.round)
        self._between = between

    def run(self, stops: Mapping[str, str]) -> round_pb2.Release:
        """The release, or whatever refuses it."""
        lab, coordinator = self.lab, self.lab.keys["coordinator"]
        for name in lab.nodes:
            if stops.get(name) != "commit":
                commitment = lab.commit(name, self.round.announcement)
                self.round.commit(commitment)
                self.store.keep(self.round.id, Part.COMMITMENT, name, commitment)
        self._between(self)
        frozen = self.round.freeze(self.round.announcement.body.deadline_ms, coordinator)
        self.store.freeze(self.round.id, frozen)
        lab.log(log_pb2.LogEntry(roster=roster_leaf(frozen)))
        self._between(self)
        for name in self.round.members:
            if stops.get(name) != "reveal":
                opened = lab.nodes[name].session.reveal(frozen, lab.now)
                self.round.reveal(opened)
                self.store.keep(self.round.id, Part.REVEAL, name, opened)
        self._between(self)
        leaf = self.round.combine()
        evidence = lab.evidence(self.round)
        self._between(self)
        assert self.round.combine() == leaf
        for name in lab.holders:
            if stops.get(name) != "partial":
                self.partials.append(lab.decrypt(name, evidence))
            for partial in self.partials:
                self.round.partial(partial)
        return self.round.release(lab.now, coordinator)


def stays_up(play: Play) -> None:
    """Nobody stops."""


def starts_again(play: Play) -> None:
    """Every party forgets everything that is not on its disk."""
    lab = play.lab
    [play.round] = play.store.unfinished(lab.federation)
    for name, node in lab.nodes.items():
        exact = node.exact
        lab.nodes[name] = lab.department(name)
        lab.nodes[name].exact = exact
    for index, name in enumerate(lab.holders):
        lab.holders[name] = lab._holder(name, index)


@pytest.mark.parametrize("between", [stays_up, starts_again])
@pytest.mark.parametrize("what", HISTORIES)
def test_a_history_ends_as_it_must(folder: Path, what: str, between: Callable[[Play], None]) -> None:
    history = HISTORIES[what]
    lab = Lab(folder, DEPARTMENTS)
    for name, exact in EXACT.items():
        lab.nodes[name].exact = exact
    play = Play(lab, between)
    plan = play.round.priced.plan
    if isinstance(history.ends, Refusal):
        with pytest.raises(Refused) as refused:
            play.run(history.stops)
        assert refused.value.refusal is history.ends
        end = log_pb2.LogEntry(dead=log_pb2.DeadLeaf(round=play.round.id, reason=history.ends))
    else:
        release = play.run(history.stops)
        assert [t / plan.blocks[0].refinement for t in release.body.totals] == history.ends
        assert list(release.body.missing) == history.missing
        end = log_pb2.LogEntry(release=log_pb2.ReleaseLeaf(round=play.round.id, release=bytes(32)))
    for name, node in lab.nodes.items():
        node.session.follow(end)
        [status] = node.ledger.status()
        assert status.spent_pico_loss == (plan.pico_loss if name in history.spent else 0)
        record = node.session._rounds.get(play.round.id)
        assert (record is not None) == (name in history.spent)
        assert record is None or record.sealed is None
