"""A coordinator logs ledger links that a department never wrote: that stops the department, and no more."""

from pathlib import Path

import pytest

from cotally.server.coordinator.session import Round
from cotally.server.protocol.reveal import roster_leaf
from cotally.v1 import log_pb2, round_pb2
from cotally.v1.canonical import digest
from cotally.v1.refusals import Refusal
from tests.protocol.lab import BUDGET, Lab
from tests.protocol.planting import four, refused_as

FORGED = b"f" * 32


def forge(lab: Lab, pico_loss: int) -> None:
    """Log a roster of no round, in which tax is said to have reserved."""
    first = round_pb2.LedgerEntry(node="tax", length=1, kind=round_pb2.LEDGER_KIND_BUDGET,
                                  population="residents", pico_loss=BUDGET)
    second = round_pb2.LedgerEntry(
        node="tax", length=2, previous=digest("ledger", first), kind=round_pb2.LEDGER_KIND_RESERVE,
        population="residents", round=FORGED, pico_loss=pico_loss)
    lab.log(log_pb2.LogEntry(roster=log_pb2.RosterLeaf(round=FORGED, frozen=bytes(32), ledgers=[
        log_pb2.NodeLinks(node="tax", links=[first, second])])))
    lab.witness()


@pytest.mark.parametrize("pico_loss", [1, BUDGET, BUDGET + 1], ids=["a chain", "all of it", "a fork"])
def test_who_is_misquoted_spends_nothing_and_the_others_go_on(tmp_path: Path, pico_loss: int) -> None:
    lab = four(tmp_path)
    forge(lab, pico_loss)
    tax = lab.nodes["tax"]
    refused_as(Refusal.EQUIVOCATION if pico_loss > BUDGET else Refusal.STEPPED_BACK,
               lambda: tax.session.decide(lab.announce(), lab.now))
    assert tax.ledger.status()[0].spent_pico_loss == 0
    announcement = lab.announce(participants=["health", "north", "south"])
    round_ = Round(lab.federation, announcement)
    for name in round_.participants:
        round_.commit(lab.commit(name, announcement))
    frozen = round_.freeze(lab.now, lab.keys["coordinator"])
    lab.log(log_pb2.LogEntry(roster=roster_leaf(frozen)))
    for name in round_.participants:
        round_.reveal(lab.nodes[name].session.reveal(frozen, lab.now))
    evidence = lab.evidence(round_)
    for name in ("holder-1", "holder-2"):
        round_.partial(lab.decrypt(name, evidence))
    assert round_.release(lab.now, lab.keys["coordinator"]).body.departments == round_.participants
