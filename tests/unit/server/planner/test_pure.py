"""Plans of a population that counts in pure epsilon: Laplace noise alone, and its epsilon is the price."""

from dataclasses import replace
from fractions import Fraction
from math import ceil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cotally.server.dp import mechanism
from cotally.server.model.account import PICO, Account
from cotally.server.model.catalog import Column, ColumnType, Table
from cotally.server.model.plan import Plan
from cotally.server.model.query import Mechanism, Query, Statistic, StatisticKind, Target
from cotally.server.planner.check import check
from cotally.server.planner.error import expected_errors
from cotally.server.planner.plan import make_plan
from cotally.v1.refusals import Refusal, Refused
from tests.unit.server.planner.examples import MEAN, RULES, TOTAL, N, ask, people

PURE = people(pure=True)


def price(query: Query, table: Table = PURE) -> Plan:
    return make_plan(query, table, RULES)


def laplace(amount: str, target: Target = Target.EPSILON, *statistics: Statistic) -> Query:
    return ask(*(statistics or (N, TOTAL, MEAN)), target=target, amount=amount, mechanism=Mechanism.LAPLACE)


@given(amount=st.integers(100, 10**7).map(lambda n: Fraction(n, 10**6)), overlap=st.sampled_from([1, 2, 3]))
@settings(max_examples=40, deadline=None)
def test_the_price_is_each_blocks_epsilon_rounded_up_and_no_more_than_asked(
    amount: Fraction, overlap: int
) -> None:
    plan = price(laplace(str(amount)), replace(PURE, overlap=overlap))
    due = [ceil(block.l1 / block.scale.fraction() * PICO) for block in plan.blocks]
    assert [block.pico_loss for block in plan.blocks] == due
    assert plan.pico_loss == sum(due) <= amount * PICO
    assert plan.pico_loss >= amount * PICO * (1 - Fraction(1, 10**9)) - len(due)
    assert plan.epsilon == Fraction(plan.pico_loss, PICO)
    assert (plan.account, plan.honest) == (Account.EPSILON, 1)


@pytest.mark.parametrize("amount", ["0.1", "0.25", "1", "3"])
def test_one_sum_costs_exactly_what_was_asked(amount: str) -> None:
    """Ten questions at 0.1 use up a budget of 1; what 40 bits of a scale cannot tell is pico-epsilon."""
    assert 0 <= Fraction(amount) * PICO - price(laplace(amount, Target.EPSILON, N)).pico_loss <= 12


def test_elsewhere_the_same_noise_costs_half_its_square() -> None:
    pure, usual = price(laplace("0.5")), price(laplace("0.5"), people())
    for ours, theirs in zip(pure.blocks, usual.blocks, strict=True):
        assert ours.scale.fraction() == pytest.approx(float(theirs.scale.fraction()), rel=1e-9)
        epsilon = ours.l1 / ours.scale.fraction()
        assert theirs.pico_loss == pytest.approx(float(epsilon**2 / 2 * PICO), rel=1e-9)
    assert usual.account is Account.RHO


def test_an_error_is_met_at_its_epsilon() -> None:
    plan = price(laplace("50", Target.ERROR, N))
    (block,) = plan.blocks
    assert plan.pico_loss == ceil(block.l1 / block.scale.fraction() * PICO)
    again = price(laplace(str(plan.epsilon), Target.EPSILON, N))
    assert again.blocks[0].scale.fraction() == pytest.approx(float(block.scale.fraction()), rel=1e-9)


@pytest.mark.parametrize("query, fix", [
    (replace(laplace("1"), privacy=replace(laplace("1").privacy, mechanism=Mechanism.GAUSSIAN)),
     "population 'residents' is pure: state mechanism = 'laplace'"),
    (laplace("0.5", Target.RHO), "population 'residents' is pure: state epsilon instead of rho"),
], ids=["gaussian", "rho"])
def test_what_has_no_pure_epsilon_is_refused_with_the_fix(query: Query, fix: str) -> None:
    with pytest.raises(Refused) as refused:
        check(query, PURE)
    assert (refused.value.refusal, refused.value.message) == (Refusal.BAD_PRIVACY, fix)
    check(query, people())


@pytest.mark.parametrize("account, wrong", [
    (Account.EPSILON, Account.RHO), (Account.RHO, Account.EPSILON),
])
def test_opendp_confirms_a_price_in_its_own_account_only(account: Account, wrong: Account) -> None:
    plan = price(laplace("0.5"), replace(PURE, pure=account is Account.EPSILON))
    for block in plan.blocks:
        mechanism.build(block, plan.mechanism, plan.honest, account)
        with pytest.raises(Refused) as refused:
            mechanism.build(block, plan.mechanism, plan.honest, wrong)
        assert refused.value.refusal is Refusal.PLAN_MISMATCH


def test_gaussian_noise_is_not_even_built_where_epsilon_is_counted() -> None:
    plan = make_plan(ask(N), people(), RULES)
    assert plan.mechanism is Mechanism.GAUSSIAN
    with pytest.raises(Refused, match="no pure epsilon"):
        mechanism.build(plan.blocks[0], plan.mechanism, plan.honest, Account.EPSILON)


def test_stated_errors_buy_no_more_epsilon_than_may_be_asked_for() -> None:
    """Their rho together is below 100, and the epsilon of so many sums is not."""
    columns = tuple(Column(f"x{n}", ColumnType.INTEGER, upper=Fraction(1)) for n in range(60))
    sums = tuple(Statistic(c.name, StatisticKind.SUM, c.name) for c in columns)
    for stated, refused in (("1.4", False), ("1.79", True)):
        table = replace(PURE, columns=columns)
        alone = laplace(stated, Target.EPSILON, sums[0])
        (error,) = expected_errors(alone, table, price(alone, table)).values()
        query = laplace(str(error), Target.ERROR, *sums)
        if refused:
            with pytest.raises(Refused, match="together need an epsilon above 100"):
                price(query, table)
        else:
            assert price(query, table).pico_loss <= 100 * PICO
        assert price(query, replace(table, pure=False)).pico_loss <= 100 * PICO
