"""A stop between a round's row and its leaf loses no leaf: the next start logs it, once, where it belongs."""

from collections.abc import Callable

import pytest

from cotally.server.coordinator.board import Board
from cotally.server.coordinator.mending import Mending
from cotally.server.coordinator.rounds import Rounds
from cotally.server.coordinator.session import Round
from cotally.server.coordinator.witnessing import Witnessing
from cotally.server.rpc.logs import Log
from cotally.v1 import log_pb2, round_pb2
from cotally.v1.canonical import digest
from cotally.v1.refusals import Refusal, Refused
from tests.protocol.conftest import folder, lab  # noqa: F401
from tests.protocol.lab import Lab

WHY = Refused(Refusal.WITHHELD, "tax committed and did not reveal")


class Coordinator:
    """What a coordinator has stored, and its log, at some start."""

    def __init__(self, lab: Lab) -> None:  # noqa: F811
        self.lab = lab
        self.rounds = Rounds(lab.folder / "rounds.db")
        witnessing = Witnessing(lab.federation, lab.audit, lab.follower(), Board(), lab.keys["coordinator"])
        self.mending = Mending(self.rounds, lab.audit, witnessing, Log("coordinator", "c"))

    def opened(self) -> Round:
        round_ = Round(self.lab.federation, self.lab.announce())
        self.rounds.open(round_)
        return round_


def leaves(lab: Lab, round_: bytes) -> list[str]:  # noqa: F811
    """Kinds of the entries about the round, in order."""
    found: list[str] = []
    for entry in lab.audit.entries(1, lab.audit.size):
        kind = entry.WhichOneof("leaf")
        assert kind is not None
        if getattr(entry, kind).round == round_:
            found.append(kind)
    return found


def nothing(_: Coordinator, __: Round) -> None:
    """The stop comes here."""


def announced(coordinator: Coordinator, round_: Round) -> None:
    coordinator.mending.announced(round_.id)


def dead(coordinator: Coordinator, round_: Round) -> None:
    coordinator.rounds.die(round_.id, WHY, ["tax", "health"])


def released(coordinator: Coordinator, round_: Round) -> None:
    coordinator.rounds.release(round_.id, log_pb2.Bundle(
        release=round_pb2.Release(body=round_pb2.ReleaseBody(round=round_.id))))


@pytest.mark.parametrize(("steps", "logged"), [
    ([nothing], ["announcement"]),
    ([announced], ["announcement"]),
    ([announced, dead], ["announcement", "dead"]),
    ([announced, released], ["announcement", "release"]),
    ([dead], ["announcement", "dead"]),
])
def test_what_a_stop_kept_from_the_log_is_logged_at_the_next_start_once(
    lab: Lab, steps: list[Callable[[Coordinator, Round], None]], logged: list[str],  # noqa: F811
) -> None:
    first = Coordinator(lab)
    round_ = first.opened()
    for step in steps:
        step(first, round_)
    for _ in range(3):
        Coordinator(lab).mending.resume()
        assert leaves(lab, round_.id) == logged
    last = lab.audit.entries(lab.audit.size - 1, lab.audit.size)[0]
    if logged[-1] == "dead":
        assert (last.dead.reason, list(last.dead.departments)) == ("WITHHELD", ["health", "tax"])
    if logged[-1] == "release":
        assert last.release.release == digest("release", round_pb2.ReleaseBody(round=round_.id))


def test_an_honest_end_is_logged_as_after_a_stop(lab: Lab) -> None:  # noqa: F811
    first = Coordinator(lab)
    round_ = first.opened()
    first.mending.announced(round_.id)
    dead(first, round_)
    first.mending.ended(round_.id)
    before = lab.audit.size
    Coordinator(lab).mending.resume()
    assert lab.audit.size == before and leaves(lab, round_.id) == ["announcement", "dead"]
