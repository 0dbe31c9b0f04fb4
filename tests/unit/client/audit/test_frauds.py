"""Frauds with voids, replays, policies and ledgers: each is found at its index, and gains nobody anything.

Places count from the first round, whose announcement has place 1.
"""

from collections.abc import Callable

import pytest

from cotally.v1 import log_pb2, roster_pb2, round_pb2
from cotally.v1.canonical import digest
from cotally.v1.refusals import EXIT_CODE, Refusal, Refused
from tests.fixtures.bundle import HOLDERS, NODES
from tests.fixtures.long_log import BUDGET, GRANTED, POPULATION, PRICE, following, renewed, voided
from tests.unit.client.audit.growing import BEGUN, LEFT, A, B, C, Log, policy, replay


def dead() -> Log:
    """Places 1 to 4: a dead round."""
    return Log().round(A).died(A)


def done() -> Log:
    """Places 1 to 4: a released round."""
    return Log().round(A, purpose="statistics").released(A)


def other_round() -> log_pb2.LogEntry:
    entry = voided(B)
    entry.void.round = A
    return entry


def disordered() -> log_pb2.LogEntry:
    return voided(A, HOLDERS[::-1], HOLDERS[::-1])


def other_number() -> roster_pb2.BudgetPolicy:
    made = policy(3 * BUDGET)
    made.number = 2
    return made


def other_past() -> roster_pb2.BudgetPolicy:
    made = policy(3 * BUDGET)
    made.previous = digest("policy", made)
    return made


def other_founding() -> roster_pb2.BudgetPolicy:
    made = policy(3 * BUDGET)
    made.previous = bytes(32)  # of a federation of the same name and members
    return made


def other_federation() -> roster_pb2.BudgetPolicy:
    made = policy(3 * BUDGET)
    made.federation = "other"
    return made


def budget_twice() -> roster_pb2.BudgetPolicy:
    made = policy(3 * BUDGET)
    made.budgets.extend(made.budgets[:1])
    return made


def ledger_twice() -> roster_pb2.BudgetPolicy:
    made = policy(3 * BUDGET)
    made.departments.extend(made.departments[:1])
    return made


def strangers() -> roster_pb2.BudgetPolicy:
    made = policy(3 * BUDGET)
    made.departments[0].department = "analyst"
    return made


def borrowed() -> log_pb2.LogEntry:
    entry = renewed(policy(3 * BUDGET))
    entry.policy.approvals[1].signature = entry.policy.approvals[0].signature
    return entry


FALSE_VOIDS = {
    "n - 1 statements": (lambda: voided(A, HOLDERS[:2]), "without the word of all 3 key holders"),
    "no statement": (lambda: voided(A, ()), "without the word of all 3"),
    "one statement repeated": (lambda: voided(A, (*HOLDERS[:2], HOLDERS[1])), "without the word of all 3"),
    "one statement too many": (lambda: voided(A, (*HOLDERS, HOLDERS[2]), (*HOLDERS, HOLDERS[2])),
                               "without the word of all 3"),
    "out of order": (disordered, "without the word"),
    "signed by another": (lambda: voided(A, HOLDERS, ("holder-1", "holder-1", "holder-3")),
                          "by a statement that 'holder-2' has not signed"),
    "of another round": (other_round, "stated of another round"),
    "of another federation": (lambda: voided(A, federation="other"), "stated of another round"),
    "by departments": (lambda: voided(A, NODES, NODES), "without the word"),
}


@pytest.mark.parametrize(("entry", "sentence"), FALSE_VOIDS.values(), ids=FALSE_VOIDS)
def test_a_false_void_gives_nothing_back(entry: Callable[[], log_pb2.LogEntry], sentence: str) -> None:
    log = dead().add(entry())
    found(log, 5, Refusal.CREDENTIALS, sentence)
    assert log.amounts() == (PRICE, 0, LEFT)
    log.enter(round_pb2.LEDGER_KIND_VOID, PRICE, A, ["east"]).round(B)
    assert places(log) == [5, 7]  # nor to a department that acts on it
    assert dead().add(entry(), voided(A)).amounts() == (0, 0, BUDGET)  # the true one still counts


FALSE_POLICIES = {
    "without an approval": (lambda: renewed(policy(3 * BUDGET), NODES[:2]), "'west' has not approved"),
    "with a borrowed approval": (borrowed, "'north' has not approved"),
    "of another number": (lambda: renewed(other_number()), "does not follow number 0"),
    "of another past": (lambda: renewed(other_past()), "does not follow number 0"),
    "of another founding": (lambda: renewed(other_founding()), "does not follow number 0"),
    "of another federation": (lambda: renewed(other_federation()), "another federation's"),
    "with a budget twice": (lambda: renewed(budget_twice()), "states a budget twice"),
    "with a ledger twice": (lambda: renewed(ledger_twice()), "states a budget twice"),
    "of a stranger's ledger": (lambda: renewed(strangers()), "names 'analyst', no department"),
}


@pytest.mark.parametrize(("entry", "sentence"), FALSE_POLICIES.values(), ids=FALSE_POLICIES)
def test_a_false_policy_renews_nothing(entry: Callable[[], log_pb2.LogEntry], sentence: str) -> None:
    log = done().add(entry())
    found(log, 5, Refusal.CREDENTIALS, sentence)
    assert log.amounts() == (PRICE, 0, LEFT)
    log.enter(round_pb2.LEDGER_KIND_BUDGET, 2 * BUDGET, nodes=["east"]).round(B)
    assert places(log) == [5, 7]  # the department raised its own budget
    assert done().add(entry(), renewed(policy(3 * BUDGET))).amounts() == (PRICE, 0, 3 * BUDGET - PRICE)


def late_void() -> Log:
    """A round is released after all, and its price taken a second time for nothing."""
    return dead().add(voided(A)).add(log_pb2.LogEntry(release=log_pb2.ReleaseLeaf(round=A)))


def beyond_the_policy() -> Log:
    log = done().add(renewed(policy(2 * PRICE))).round(B, 2 * PRICE)
    return log.released(B, 2 * PRICE)


def beyond_the_last_policy() -> Log:
    first = policy(BUDGET)
    log = done().add(renewed(first), renewed(policy(PRICE, first))).round(B)
    return log.released(B)


def beyond_the_grant() -> Log:
    return Log().round(A, GRANTED + 1, "research", GRANTED).released(A, GRANTED + 1)


def raised_alone() -> Log:
    return done().enter(round_pb2.LEDGER_KIND_BUDGET, BUDGET + 1, nodes=["north"]).round(B)


def raised_beyond() -> Log:
    log = done().add(renewed(policy(2 * BUDGET)))
    return log.enter(round_pb2.LEDGER_KIND_BUDGET, 2 * BUDGET + 1, nodes=["north"]).round(B)


def raised_by_anothers() -> Log:
    only = following(None)
    only.departments.add(department="east", population=POPULATION, pico_loss=2 * BUDGET)
    log = done().add(renewed(only))
    return log.enter(round_pb2.LEDGER_KIND_BUDGET, 2 * BUDGET, nodes=["north"]).round(B)


def burnt_nothing() -> Log:
    return done().enter(round_pb2.LEDGER_KIND_BURN, 0, nodes=["north"]).round(B)


def burnt_a_round() -> Log:
    return done().enter(round_pb2.LEDGER_KIND_BURN, 1, B, nodes=["north"]).round(C)


def voided_early() -> Log:
    log = dead().enter(round_pb2.LEDGER_KIND_VOID, PRICE, A, ["north"]).round(B)
    return log.add(voided(A))


def voided_after_commit() -> Log:
    log = dead().enter(round_pb2.LEDGER_KIND_COMMIT, PRICE, A, ["north"]).add(voided(A))
    return log.enter(round_pb2.LEDGER_KIND_VOID, PRICE, A, ["north"]).round(B)


def voided_twice() -> Log:
    log = dead().add(voided(A)).enter(round_pb2.LEDGER_KIND_VOID, PRICE, A)
    return log.enter(round_pb2.LEDGER_KIND_VOID, PRICE, A, ["north"]).round(B)


def reserved_again() -> Log:
    log = dead().add(voided(A)).enter(round_pb2.LEDGER_KIND_VOID, PRICE, A)
    log.enter(round_pb2.LEDGER_KIND_RESERVE, PRICE, A, ["north"])
    return log.round(B)


def combined_after_void() -> Log:
    log = Log().round(A)
    transcript = log.entries.pop()
    return log.died(A).add(voided(A), transcript)


@pytest.mark.parametrize(("made", "place", "refusal", "sentence"), [
    (lambda: done().add(voided(A)), 5, Refusal.EQUIVOCATION, "makes void round .*, which was released"),
    (lambda: Log().round(A).add(voided(A)), 4, Refusal.OUT_OF_ORDER, "which was not declared dead"),
    (lambda: dead().add(voided(A), voided(A)), 6, Refusal.REPLAYED, "makes void round .* a second time"),
    (late_void, 6, Refusal.OUT_OF_ORDER, "releases round .*, which was past that"),
    (combined_after_void, 5, Refusal.OUT_OF_ORDER, "combines round .*, which was past that"),
    (lambda: done().add(replay(B)), 5, Refusal.OUT_OF_ORDER, "never released"),
    (lambda: dead().add(replay(A)), 5, Refusal.OUT_OF_ORDER, "never released"),
    (lambda: done().add(replay(A, 0)), 5, Refusal.PLAN_MISMATCH, "at another price"),
    (lambda: done().add(replay(A, PRICE - 1)), 5, Refusal.PLAN_MISMATCH, "at another price"),
    (lambda: done().add(replay(A, granted=PRICE - 1)), 5, Refusal.BUDGET_SPENT, "'analyst' had not left for"),
    (lambda: done().add(replay(A, analyst="mallory")), 5, Refusal.CREDENTIALS, "no analyst 'mallory'"),
    (beyond_the_policy, 9, Refusal.BUDGET_SPENT, "whose price no budget had left"),
    (beyond_the_last_policy, 10, Refusal.BUDGET_SPENT, "whose price no budget had left"),
    (beyond_the_grant, 4, Refusal.BUDGET_SPENT, "whose price no budget had left"),
    (raised_alone, 6, Refusal.EQUIVOCATION, "'north' raises its budget for 'residents' without a policy"),
    (raised_beyond, 7, Refusal.EQUIVOCATION, "'north' raises its budget"),
    (raised_by_anothers, 7, Refusal.EQUIVOCATION, "'north' raises its budget"),
    (burnt_nothing, 6, Refusal.EQUIVOCATION, "'north' burns nothing"),
    (burnt_a_round, 6, Refusal.EQUIVOCATION, "'north' has an entry .* that misnames its round"),
    (voided_early, 6, Refusal.EQUIVOCATION, "'north' takes back the price of round .*, which is not void"),
    (voided_after_commit, 7, Refusal.EQUIVOCATION, "'north' takes back what it did not reserve"),
    (voided_twice, 7, Refusal.EQUIVOCATION, "'north' takes back what it did not reserve"),
    (reserved_again, 7, Refusal.EQUIVOCATION, "'north' reserves a round twice"),
])
def test_a_fraud_is_found_at_its_index(
    made: Callable[[], Log], place: int, refusal: Refusal, sentence: str,
) -> None:
    found(made(), place, refusal, sentence)


def places(log: Log) -> list[int]:
    """Where the findings stand."""
    return [finding.index - BEGUN + 1 for finding in log.audited.findings]


def found(log: Log, place: int, refusal: Refusal, sentence: str) -> None:
    """The log has this finding first, and ends in a status."""
    with pytest.raises(Refused, match=f"^entry {place + BEGUN - 1}: .*{sentence}") as caught:
        log.audited.check()
    assert caught.value.refusal is refusal and EXIT_CODE[caught.value.refusal] > 0


def test_what_was_opened_stays_paid_for() -> None:
    assert done().add(voided(A)).amounts() == (PRICE, 0, LEFT)
    assert late_void().amounts() == (PRICE, 0, LEFT)


def test_a_replay_that_does_not_count_charges_nothing() -> None:
    for entry in (replay(B), replay(A, 0), replay(A, granted=PRICE - 1)):
        assert done().add(entry).amounts("analyst") == (PRICE, 0, LEFT)
    assert dead().add(voided(A), replay(A)).amounts("analyst") == (0, 0, BUDGET)


def test_a_ledger_that_reserves_nothing_for_a_round_is_found() -> None:
    log = Log().round(A, 0, purpose="statistics").released(A)
    found(log, 2, Refusal.EQUIVOCATION, "reserves nothing for a round")
    assert places(log)[:len(NODES)] == [2] * len(NODES)
