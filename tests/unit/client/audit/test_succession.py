"""Rosters that follow one another in the log: only as every department approved it, and from the pin on."""

import io

import pytest

from cotally.client.audit.evidence import Writer, charter_of
from cotally.client.audit.page import bounds
from cotally.client.audit.verifier import Audited, _paged, _verify
from cotally.client.verify.log import entry_hash
from cotally.client.verify.merkle import root
from cotally.v1 import log_pb2, roster_pb2
from cotally.v1.canonical import digest
from cotally.v1.refusals import Refusal, Refused
from tests.fixtures.bundle import NODES, sign
from tests.fixtures.long_log import witness
from tests.unit.client.audit.planting import Entries, entries, long_log


def successor(before: roster_pb2.Charter) -> roster_pb2.Charter:
    """A charter after *before*, with the key's epoch raised, approved by every department."""
    key = roster_pb2.PublicKey()
    key.CopyFrom(before.public_key)
    key.epoch += 1
    roster = roster_pb2.Roster()
    roster.CopyFrom(before.roster)
    roster.epoch, roster.previous, roster.public_key = (
        roster.epoch + 1, digest("roster", before.roster), digest("public_key", key))
    own = roster_pb2.Succession(roster=before.roster, approvals=before.approvals)
    approvals = [roster_pb2.Approval(department=n, signature=sign(n, "roster", roster)) for n in NODES]
    return roster_pb2.Charter(roster=roster, catalog=before.catalog, public_key=key, approvals=approvals,
                              lineage=[*before.lineage, own])


FIRST = long_log(1).charter
SECOND = successor(FIRST)
PIN = digest("roster", FIRST.roster)
LATER = digest("roster", SECOND.roster)


def leaf(charter: roster_pb2.Charter) -> log_pb2.LogEntry:
    """The entry that puts *charter* in force."""
    return log_pb2.LogEntry(succession=log_pb2.SuccessionLeaf(
        succession=roster_pb2.Succession(roster=charter.roster, approvals=charter.approvals)))


def audited(log: Entries, charter: roster_pb2.Charter, pin: bytes) -> Audited:
    output = io.BytesIO()
    writer = Writer(output, charter)
    for entry in log:
        writer.entry(entry)
    writer.checkpoint(witness(len(log), root(map(entry_hash, log))))
    writer.end()
    data = output.getvalue()
    _, start = charter_of(data)
    return _verify(charter, pin, map(_paged(charter, data), bounds(data, start)))


def succeeded() -> Entries:
    """A round under the first roster, the succession as entry 5, and a round after it."""
    log = entries(9)
    log.insert(5, leaf(SECOND))
    return log


@pytest.mark.parametrize("charter", [FIRST, SECOND], ids=["first", "second"])
@pytest.mark.parametrize("pin", [PIN, LATER], ids=["pinned before", "pinned after"])
def test_a_log_goes_on_under_a_successor(charter: roster_pb2.Charter, pin: bytes) -> None:
    assert audited(succeeded(), charter, pin).findings == ()


def unapproved(log: Entries) -> None:
    log[5].succession.succession.approvals[1].signature = bytes(64)


def too_few_approvals(log: Entries) -> None:
    del log[5].succession.succession.approvals[1]


def wider(log: Entries) -> None:
    log[5].succession.succession.roster.policy.colluding = 0


def twice(log: Entries) -> None:
    log.insert(7, log[5])


@pytest.mark.parametrize("rewrite, index, refusal", [
    (unapproved, 5, Refusal.CREDENTIALS), (too_few_approvals, 5, Refusal.CREDENTIALS),
    (wider, 5, Refusal.EQUIVOCATION), (twice, 7, Refusal.EQUIVOCATION)])
def test_a_roster_that_may_not_follow_is_named(rewrite: object, index: int, refusal: Refusal) -> None:
    log = succeeded()
    assert callable(rewrite)
    rewrite(log)
    with pytest.raises(Refused, match=f"^entry {index}: ") as caught:
        audited(log, FIRST, PIN)
    assert caught.value.refusal is refusal


def test_the_log_must_lead_to_the_charters_roster() -> None:
    with pytest.raises(Refused, match="does not lead to the charter's roster"):
        audited(entries(9), SECOND, PIN)
    other = roster_pb2.Charter()
    other.CopyFrom(SECOND)
    other.public_key.epoch += 1
    other.roster.public_key = digest("public_key", other.public_key)
    for approval in other.approvals:
        approval.signature = sign(approval.department, "roster", other.roster)
    log = entries(9)
    log.insert(5, leaf(other))
    assert audited(log, other, PIN).findings == ()
    with pytest.raises(Refused, match="entry 5: it is not the succession that led to"):
        audited(log, SECOND, PIN)
