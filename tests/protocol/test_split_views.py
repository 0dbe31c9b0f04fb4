"""A coordinator that shows two logs to two groups of witnesses, with all the help that it may have.

The people's budget has room for one of two rounds. Each view holds another one, which it therefore admits:
decrypting under both spends the budget twice. Of six witnesses one department and one key holder are hostile
and cosign whatever they are shown; each of the others cosigns what it folded. (6 + 2) / 2 + 1 = 5 are needed.
"""

from collections.abc import Sequence
from pathlib import Path

import pytest

from cotally.server.audit.checkpoint import cosign_bytes, text
from cotally.server.audit.log import SCHEMA, AuditLog
from cotally.server.audit.stages import grant_leaf
from cotally.server.coordinator.session import Round
from cotally.server.protocol.reveal import roster_leaf
from cotally.server.store.database import open_database
from cotally.v1 import log_pb2, roster_pb2, work_pb2
from cotally.v1.refusals import Refusal, Refused
from tests.protocol.lab import Department, Holder, Lab

HOSTILE = ("tax", "holder-3")
PRICE = 5 * 10**11


def revealed(lab: Lab) -> Round:
    """A round in which everybody took part, of which no log knows yet."""
    announcement = lab.announce()
    round_ = Round(lab.federation, announcement)
    for name in lab.nodes:
        round_.commit(lab.commit(name, announcement))
    frozen = round_.freeze(lab.now, lab.keys["coordinator"])
    for node in lab.nodes.values():
        round_.reveal(node.session.reveal(frozen, lab.now))
    return round_


def shown(lab: Lab, round_: Round, honest: Sequence[str]) -> work_pb2.Evidence:
    """Show a log of this round alone to some; the evidence with every cosignature that they all give."""
    assert round_.frozen is not None
    view = AuditLog(open_database(lab.folder / f"{round_.id.hex()}.db", SCHEMA))
    grants = [c.body.grant.body for c in round_.commitments.values()]
    view.append_all([
        *lab.audit.entries(0, lab.audit.size), log_pb2.LogEntry(roster=roster_leaf(round_.frozen)),
        *(log_pb2.LogEntry(grant=grant_leaf(grant)) for grant in grants)])
    index = view.append(log_pb2.LogEntry(transcript=round_.combine()))
    words = text("lab", view.size, view.root())
    checkpoint = log_pb2.Checkpoint(text=words, signature=lab.keys["coordinator"].sign(words.encode()))
    parties: dict[str, Department | Holder] = {**lab.nodes, **lab.holders}
    for name in honest:
        party = parties[name]
        party.followers.extend(party.session.follower, 0, view.entries(0, view.size), checkpoint)
    witnessed = log_pb2.WitnessedCheckpoint(checkpoint=checkpoint, cosignatures=[
        log_pb2.Cosignature(witness=name, signature=lab.keys[name].sign(cosign_bytes(words)))
        for name in (*honest, *HOSTILE)])
    return work_pb2.Evidence(
        announcement=round_.announcement, frozen=round_.frozen, index=index, checkpoint=witnessed,
        reveals=[round_.reveals[name] for name in round_.members])


@pytest.mark.parametrize(("one", "other", "opened"), [
    (["health", "holder-1"], ["north", "holder-2"], [False, False]),
    (["health", "north", "holder-1"], ["holder-2"], [True, False]),
])
def test_a_budget_is_not_spent_once_in_each_of_two_views(
    tmp_path: Path, one: Sequence[str], other: Sequence[str], opened: list[bool]
) -> None:
    lab = Lab(tmp_path, budgets=[roster_pb2.FilterBudget(population="residents", pico_loss=PRICE)])
    rounds = revealed(lab), revealed(lab)  # before the log of any node holds either
    assert [round_.priced.plan.pico_loss for round_ in rounds] == [PRICE, PRICE]
    found = []
    for round_, honest in zip(rounds, (one, other), strict=True):
        evidence = shown(lab, round_, honest)
        [holder] = [name for name in honest if name in lab.holders]
        try:
            round_.partial(lab.decrypt(holder, evidence))
            found.append(True)
        except Refused as refused:
            assert refused.refusal is Refusal.NOT_WITNESSED
            found.append(False)
    assert found == opened
