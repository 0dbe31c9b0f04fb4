"""What entries mean: every rule about rounds and ledgers has a log that breaks it, signed by all."""

import copy
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import pytest

from cotally.client.audit.evidence import CHECKPOINT, check_of
from cotally.client.audit.findings import Finding
from cotally.client.budget import Filter
from cotally.v1 import log_pb2, round_pb2
from cotally.v1.canonical import digest
from cotally.v1.refusals import Refusal, Refused
from tests.fixtures.bundle import NODES
from tests.fixtures.long_log import BUDGET, GRANTED, POPULATION, PRICE
from tests.unit.client.audit.planting import (
    Entries,
    entries,
    long_log,
    put_together,
    taken_apart,
    verified,
    written,
)

# Grants are entries 1 to 3. Rounds stand at 4 + 4 k: announcement, roster, transcript, release; round 9
# (entries 40 to 43) is dead.


def findings(rewrite: Callable[[Entries], object], size: int = 24) -> tuple[Finding, ...]:
    """What an auditor finds in a log that everybody signed as rewritten."""
    log = entries(size)
    rewrite(log)
    return verified(written(log)).findings


def test_every_budget_is_added_up() -> None:
    audited = verified(written(entries(46)))  # the eleventh round is announced and frozen, no more
    ten, five = 10 * PRICE, 5 * PRICE
    delta = long_log(1).charter.roster.policy.delta
    departments = [  # the tenth round is dead and not void yet: it stays reserved
        Filter("department", node, POPULATION, BUDGET, 9 * PRICE, delta, 2 * PRICE) for node in NODES]
    assert audited.accounts == (
        *departments,
        Filter("population", POPULATION, POPULATION, BUDGET, ten, delta),
        Filter("analyst", "analyst", POPULATION, BUDGET, ten, delta),
        Filter("purpose", "", POPULATION, None, five, delta, 0, "research"),
        Filter("purpose", "", POPULATION, None, five, delta, 0, "statistics"),
        Filter("purpose", "analyst", POPULATION, GRANTED, five, delta, 0, "research"),
        Filter("purpose", "analyst", POPULATION, None, five, delta, 0, "statistics"),
    )
    assert audited.accounts[0].left == BUDGET - 11 * PRICE
    told = audited.accounts[0].to_dict()
    assert told["spent_rho"] == "0.000009" and told["reserved_rho"] == "0.000002"
    assert audited.accounts[-1].to_dict()["left_rho"] is None


def repriced(log: Entries) -> None:
    log[10].transcript.pico_loss -= 1


def moved(log: Entries) -> None:
    log[10].transcript.population = "pupils"


def unfrozen(log: Entries) -> None:
    del log[9]


def uncombined(log: Entries) -> None:
    del log[10]


def repeated(log: Entries) -> None:
    log.insert(11, log[10])


def released_twice(log: Entries) -> None:
    log.insert(12, log[11])


def announced_late(log: Entries) -> None:
    log[8], log[9] = log[9], log[8]


def frozen_late(log: Entries) -> None:
    log[9], log[10] = log[10], log[9]


def died_after(log: Entries) -> None:
    log.insert(12, log_pb2.LogEntry(dead=log_pb2.DeadLeaf(round=log[11].release.round)))


def strangers_question(log: Entries) -> None:
    log[10].transcript.analyst = "mallory"


def strangers_ledger(log: Entries) -> None:
    log[9].roster.ledgers[2].node = "zenith"
    for link in log[9].roster.ledgers[2].links:
        link.node = "zenith"


def relinked(change: Callable[[round_pb2.LedgerEntry], None], at: int = -1) -> Callable[[Entries], None]:
    """Change a link of north's in the second roster and chain it anew."""
    def rewrite(log: Entries) -> None:
        links = log[9].roster.ledgers[1].links
        change(links[at])
        for before, after in pairwise(links):
            after.previous = digest("ledger", before)
    return rewrite


def other_round(link: round_pb2.LedgerEntry) -> None:
    link.round = bytes(32)


def other_history(link: round_pb2.LedgerEntry) -> None:
    link.previous = bytes(32)


def skipping(link: round_pb2.LedgerEntry) -> None:
    link.length += 1


def other_price(link: round_pb2.LedgerEntry) -> None:
    link.pico_loss += 1


def too_much(link: round_pb2.LedgerEntry) -> None:
    link.pico_loss = BUDGET


def voided(link: round_pb2.LedgerEntry) -> None:
    link.kind = round_pb2.LEDGER_KIND_VOID


def unknown_kind(link: round_pb2.LedgerEntry) -> None:
    link.kind = round_pb2.LEDGER_KIND_UNSPECIFIED


def retold(log: Entries) -> None:
    """North shows its ledger from the first entry again, and one of the entries that are known is another."""
    former = next(entry for entry in log if entry.HasField("roster")).roster.ledgers[1].links
    links = [copy.deepcopy(link) for link in (*former, *log[9].roster.ledgers[1].links)]
    links[len(former) - 1].pico_loss -= 1
    for before, after in pairwise(links):
        after.previous = digest("ledger", before)
    del log[9].roster.ledgers[1].links[:]
    log[9].roster.ledgers[1].links.extend(links)


def unlinked(log: Entries) -> None:
    log[9].roster.ledgers[1].ClearField("links")


@pytest.mark.parametrize("rewrite, index, refusal, sentence", [
    (repriced, 10, Refusal.PLAN_MISMATCH, "not what its departments reserved"),
    (moved, 10, Refusal.PLAN_MISMATCH, "not what its departments reserved"),
    (unfrozen, 9, Refusal.OUT_OF_ORDER, "whose roster is not logged"),
    (uncombined, 10, Refusal.OUT_OF_ORDER, "which was not combined"),
    (repeated, 11, Refusal.REPLAYED, "combines round"),
    (released_twice, 12, Refusal.REPLAYED, "releases round"),
    (announced_late, 9, Refusal.OUT_OF_ORDER, "announces round"),
    (frozen_late, 9, Refusal.OUT_OF_ORDER, "whose roster is not logged"),
    (died_after, 12, Refusal.OUT_OF_ORDER, "declares dead round"),
    (strangers_question, 10, Refusal.CREDENTIALS, "no analyst 'mallory'"),
    (strangers_ledger, 9, Refusal.CREDENTIALS, "no department 'zenith'"),
    (relinked(other_round), 9, Refusal.EQUIVOCATION, "'north' does not reserve this round"),
    (relinked(voided), 9, Refusal.EQUIVOCATION, "'north' does not reserve this round"),
    (relinked(other_history, 0), 9, Refusal.EQUIVOCATION, "'north' has another entry 2 than before"),
    (retold, 9, Refusal.EQUIVOCATION, "'north' has another entry 2 than before"),
    (relinked(skipping), 9, Refusal.EQUIVOCATION, "'north' breaks at its entry"),
    (relinked(other_price, 0), 9, Refusal.EQUIVOCATION, "'north' commits what it did not reserve"),
    (relinked(voided, 0), 9, Refusal.EQUIVOCATION, "'north' takes back the price of round"),
    (relinked(other_price), 10, Refusal.PLAN_MISMATCH, "not what its departments reserved"),
    (relinked(too_much), 9, Refusal.BUDGET_SPENT, "beyond its budget"),
    (relinked(unknown_kind, 0), 9, Refusal.EQUIVOCATION, "no known kind"),
    (unlinked, 9, Refusal.EQUIVOCATION, "'north' shows no entry"),
])
def test_a_broken_rule_is_found_at_its_index(
    rewrite: Callable[[Entries], object], index: int, refusal: Refusal, sentence: str,
) -> None:
    assert not findings(lambda log: None)
    first = findings(rewrite)[0]
    assert (first.index, first.refusal) == (index, refusal)
    assert first.sentence.startswith(f"entry {index}: ") and sentence in first.sentence


def test_findings_make_the_verdict() -> None:
    log = entries(24)
    repriced(log)
    with pytest.raises(Refused, match="entry 10: the price") as caught:
        verified(written(log)).check()
    assert caught.value.refusal is Refusal.PLAN_MISMATCH


@pytest.mark.parametrize("price, released", [(BUDGET - PRICE, True), (BUDGET - PRICE + 1, False)])
def test_a_release_beyond_the_budget_is_found(price: int, released: bool) -> None:
    log = entries(12)
    log[10].transcript.pico_loss, log[10].transcript.granted_pico_loss = price, 0
    audited = verified(written(log))
    assert audited.rounds["refused"] == (not released)
    found = [finding.sentence for finding in audited.findings if finding.index == 11]
    assert bool(found) != released
    [population] = [a for a in audited.accounts if a.kind == "population"]
    assert population.cumulative == (BUDGET if released else PRICE)


def foreign(log: Entries) -> None:
    log[0].genesis.catalog = bytes(32)


def richer(log: Entries) -> None:
    log[0].genesis.budgets[0].pico_loss += 1


@pytest.mark.parametrize("rewrite, sentence", [
    (foreign, "entry 0 begins another federation's log"),
    (richer, "entry 0 begins another federation's log"),
    (lambda log: log.pop(0), "entry 0: the log does not begin with a genesis"),
    (lambda log: log.insert(8, log[0]), "entry 8 begins the log a second time"),
    (lambda log: log.insert(8, log_pb2.LogEntry()), "entry 8 holds nothing"),
    (lambda log: log[8].announcement.ClearField("round"), "entry 8 names no round"),
    (lambda log: log[9].roster.ledgers.reverse(), "entry 9 holds ledgers out of order"),
])
def test_a_log_that_is_none_is_refused(rewrite: Callable[[Entries], object], sentence: str) -> None:
    log = entries(12)
    rewrite(log)
    with pytest.raises(Refused, match=sentence):
        verified(written(log))


def test_too_few_witnesses_sign_for_nothing() -> None:
    verified(written(entries(9), by=(*NODES, "holder-1", "holder-2")))
    with pytest.raises(Refused, match="after entry 8: 4 of 6 witnesses"):
        verified(written(entries(9), by=(*NODES, "holder-1")))


def test_a_cosignature_is_checked() -> None:
    data = written(entries(9))
    before, records = taken_apart(data)
    at = [r.tag for r in records].index(CHECKPOINT)
    witnessed = log_pb2.WitnessedCheckpoint.FromString(records[at].payload)
    witnessed.cosignatures[2].signature = witnessed.cosignatures[1].signature
    payload = witnessed.SerializeToString(deterministic=True)
    records[at] = replace(records[at], payload=payload, check=check_of(CHECKPOINT, 9, payload))
    with pytest.raises(Refused, match="after entry 8: the cosignature of 'holder-2' does not verify"):
        verified(put_together(before, records))


def test_links_that_are_refused_change_nothing() -> None:
    log = entries(12)
    relinked(too_much)(log)
    [north] = [a for a in verified(written(log)).accounts if a.name == "north"]
    assert (north.spent, north.reserved) == (0, PRICE)  # the commit that came with them is not believed


def test_a_coordinator_may_stop_before_it_logs_an_announcement() -> None:
    def forget(log: Entries) -> None:
        del log[8]

    assert not findings(forget)
