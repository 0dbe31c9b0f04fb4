"""Voids, replays, renewals and recovery as an auditor adds them up, where everybody is honest."""

from cotally.client.audit.filters import Filters
from cotally.v1 import roster_pb2, round_pb2
from cotally.v1.refusals import Refusal
from tests.fixtures.long_log import BUDGET, GRANTED, POPULATION, PRICE, following, renewed, voided
from tests.unit.client.audit.growing import LEFT, A, B, Log, policy, replay


def test_a_void_rounds_price_comes_back_everywhere() -> None:
    log = Log().round(A).died(A)
    assert log.amounts() == (PRICE, 0, LEFT) and log.amounts("analyst") == (PRICE, 0, LEFT)
    log.add(voided(A)).enter(round_pb2.LEDGER_KIND_VOID, PRICE, A)
    assert log.amounts() == (0, 0, BUDGET) and log.amounts("analyst") == (0, 0, BUDGET)
    assert log.amounts("department", name="east") == (0, PRICE, LEFT)  # as far as its ledger is logged
    log.round(B, BUDGET)
    assert log.amounts("department", name="east") == (0, BUDGET, 0)
    assert not log.audited.findings and log.audited.rounds["void"] == 1


def test_a_replay_costs_its_reader_once_and_nobody_else() -> None:
    log = Log().round(A, purpose="statistics").released(A)
    log.add(replay(A, purpose="statistics"), replay(A), replay(A))
    assert log.amounts() == (PRICE, 0, LEFT) and log.amounts("analyst") == (2 * PRICE, 0, LEFT - PRICE)
    purposes = {(a.name, a.purpose): a.spent for a in log.audited.accounts if a.kind == "purpose"}
    assert purposes == {("", "statistics"): PRICE, ("analyst", "statistics"): PRICE,
                        ("analyst", "research"): PRICE}
    assert not log.audited.findings and log.audited.rounds["replayed"] == 3


def test_a_policy_renews_budgets_and_nothing_that_was_spent() -> None:
    log = Log().round(A).released(A).add(renewed(policy(3 * BUDGET)))
    log.enter(round_pb2.LEDGER_KIND_BUDGET, 3 * BUDGET).round(B, 2 * BUDGET).released(B, 2 * BUDGET)
    assert log.amounts() == (2 * BUDGET + PRICE, 0, LEFT)
    assert log.amounts("analyst")[2] is None  # which the policy leaves out
    assert log.amounts("department", name="east") == (PRICE, 2 * BUDGET, LEFT)
    assert not log.audited.findings


def test_a_departments_budget_is_the_policys_before_its_ledger_says_so() -> None:
    for amount in (PRICE + 1, 3 * BUDGET):
        log = Log().round(A).released(A).add(renewed(policy(amount)))
        assert log.amounts("department", name="east") == (0, PRICE, amount - PRICE)
        assert not log.audited.findings
    only = following(None)
    only.departments.add(department="east", population=POPULATION, pico_loss=2 * BUDGET)
    assert Log().add(renewed(only)).amounts("department") == (0, 0, 2 * BUDGET)  # which has no round yet
    last = following(only)  # names no department: what they have stays
    log = Log().round(A).released(A).add(renewed(only), renewed(last))
    assert log.amounts("department", name="east") == (0, PRICE, 2 * BUDGET - PRICE)
    assert log.amounts("department", name="north") == (0, PRICE, LEFT)


def test_a_raise_may_be_logged_after_the_next_policy() -> None:
    first = policy(2 * BUDGET)
    log = Log().round(A).released(A).add(renewed(first)).enter(round_pb2.LEDGER_KIND_BUDGET, 2 * BUDGET)
    log.add(renewed(policy(BUDGET, first))).enter(round_pb2.LEDGER_KIND_BUDGET, BUDGET).round(B)
    assert log.amounts("department", name="east") == (PRICE, PRICE, LEFT - PRICE)
    assert not log.audited.findings


def test_a_grant_limits_the_analysts_purpose() -> None:
    log = Log().round(A, purpose="research", granted=GRANTED).released(A)
    assert log.amounts("purpose", "research", "analyst") == (PRICE, 0, GRANTED - PRICE)
    log.round(B, GRANTED - PRICE, "research", GRANTED).released(B, GRANTED - PRICE)
    assert log.amounts("purpose", "research", "analyst") == (GRANTED, 0, 0)
    assert not log.audited.findings


def test_a_ledger_that_was_restored_burns() -> None:
    log = Log().round(A).released(A).enter(round_pb2.LEDGER_KIND_BURN, BUDGET, nodes=["east"])
    log.enter(round_pb2.LEDGER_KIND_BUDGET, BUDGET // 2, nodes=["north"]).round(B)
    found = {a.name: a for a in log.audited.accounts if a.kind == "department"}
    assert found["east"].cumulative == PRICE  # it burned all and cannot reserve: this links are not believed
    assert (found["north"].budget, found["north"].cumulative) == (BUDGET // 2, 2 * PRICE)
    assert [f.refusal for f in log.audited.findings] == [Refusal.BUDGET_SPENT]
    log = Log().round(A).released(A).enter(round_pb2.LEDGER_KIND_BURN, PRICE, nodes=["east"]).round(B)
    assert log.amounts("department", name="east") == (2 * PRICE, PRICE, BUDGET - 3 * PRICE)
    assert not log.audited.findings


def test_every_filter_of_a_question_can_refuse_it() -> None:
    """All are charged, or none is."""
    for key in ((), ("", "research"), ("analyst", ""), ("analyst", "research")):
        only = following(None)
        only.budgets.add(population=POPULATION, analyst=key[0] if key else "", purpose=key[1] if key else "",
                         pico_loss=PRICE - 1)
        log = Log().add(renewed(only)).round(A, purpose="research")
        assert log.audited.rounds["refused"] == 1
        assert not any(each.cumulative for each in log.audited.accounts if each.kind != "department")


def test_of_a_budget_that_the_roster_states_twice_the_less_counts() -> None:
    stated = [roster_pb2.FilterBudget(population=POPULATION, pico_loss=amount) for amount in (2, 1, 3)]
    assert Filters(stated).budget((POPULATION, "", "")) == 1


def test_titles_name_purposes() -> None:
    titles = {each.title for each in Log().round(A, purpose="statistics").audited.accounts}
    assert {"department east", "population residents", "analyst analyst", "purpose statistics of analyst",
            "purpose statistics of all analysts"} <= titles
