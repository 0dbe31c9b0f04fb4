"""The loss goes where it narrows intervals most, and what is stated is met at no more than it needs."""

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cotally.server.model.account import PICO
from cotally.server.model.plan import Plan
from cotally.server.model.query import Mechanism, Query, Statistic, StatisticKind, Target
from cotally.server.planner.error import expected_errors
from cotally.server.planner.layout import lay_out
from cotally.server.planner.plan import make_plan
from cotally.server.planner.split import parts, shares
from cotally.v1.refusals import Refusal, Refused
from tests.unit.server.planner.examples import MEAN, PEOPLE, RULES, TOTAL, N, ask

K = StatisticKind
VARIANCE = Statistic("var", K.VARIANCE, "age")
MEDIAN = Statistic("median", K.QUANTILE, "income", quantile=Fraction(1, 2), bins=64)


def rhos(plan: Plan) -> list[float]:
    """What each block costs, of the whole."""
    return [block.pico_loss / plan.pico_loss for block in plan.blocks]


@pytest.mark.parametrize("mechanism", Mechanism)
def test_no_other_split_makes_a_variances_interval_narrower(mechanism: Mechanism) -> None:
    query = ask(VARIANCE, target=Target.RHO, amount="0.01", mechanism=mechanism)
    layout = lay_out(query, PEOPLE, RULES)
    best = parts(query, PEOPLE, layout)[0]
    leverages = Fraction(1), Fraction(4), Fraction(1)  # in units of the half range, per block

    def error(split: tuple[Fraction, ...]) -> Fraction:
        return sum((a / part for a, part in zip(leverages, split, strict=True)), Fraction(0)) * sum(split)

    assert best == pytest.approx((0.75, 1.5, 0.75), rel=1e-3)
    for tilt in ((1, 1, 1), (2, 2, 1), (1, 2, 2), (3, 5, 2)):
        assert error(best) <= error(tuple(Fraction(x) for x in tilt)) * (1 + Fraction(1, 10**6))


def test_a_statistics_loss_multiplies_its_part() -> None:
    plain = make_plan(ask(N, TOTAL), PEOPLE, RULES)
    tilted = make_plan(ask(N, replace(TOTAL, loss=Fraction(3))), PEOPLE, RULES)
    assert rhos(plain) == pytest.approx([0.5, 0.5])
    assert rhos(tilted) == pytest.approx([0.25, 0.75])
    assert tilted.pico_loss <= plain.pico_loss + 2


def test_a_shared_block_takes_the_larger_part() -> None:
    query = ask(N, replace(MEAN, loss=Fraction(5)))
    layout = lay_out(query, PEOPLE, RULES)
    assert shares(layout, parts(query, PEOPLE, layout)) == pytest.approx((5, 5))


def met(query: Query) -> tuple[Plan, dict[str, Fraction | None]]:
    """The plan and its expected errors."""
    plan = make_plan(query, PEOPLE, RULES)
    return plan, expected_errors(query, PEOPLE, plan)


amounts = {
    "n": st.fractions(20, 400, max_denominator=10),
    "total": st.fractions(10**5, 10**7, max_denominator=10),
    "mean": st.fractions(Fraction(1, 10), 5, max_denominator=10),
    "var": st.fractions(5, 200, max_denominator=10),
    "median": st.fractions(4000, 9000, max_denominator=10),
}
statistics_in_any_order = st.permutations([N, TOTAL, MEAN, VARIANCE, MEDIAN])


@given(statistics_in_any_order, st.integers(1, 4), st.sampled_from(Mechanism), st.data())
@settings(max_examples=60, deadline=None)
def test_every_stated_error_is_met(
    statistics: list[Statistic], count: int, mechanism: Mechanism, data: st.DataObject
) -> None:
    asked = {s.alias: data.draw(amounts[s.alias], s.alias) for s in statistics[:count]}
    chosen = tuple(replace(s, error=asked[s.alias] if i else None) for i, s in enumerate(statistics[:count]))
    rest = tuple(statistics[count:])
    first = asked[chosen[0].alias]
    query = ask(*chosen, *rest, target=Target.ERROR, amount=first, mechanism=mechanism)
    try:
        plan, errors = met(query)
    except Refused as refused:
        assert refused.refusal is Refusal.BAD_PRIVACY
        return
    for alias, amount in asked.items():
        found = errors[alias]
        assert found is not None and found <= amount
    assert plan.pico_loss <= 101 * PICO


def test_nothing_is_bought_twice_by_statistics_that_share_blocks() -> None:
    alone, _ = met(ask(VARIANCE, target=Target.ERROR, amount=20))
    both, errors = met(ask(VARIANCE, replace(N, error=Fraction(10_000)), target=Target.ERROR, amount=20))
    assert both.pico_loss == alone.pico_loss and (errors["n"] or 0) < 10_000
    sharper, errors = met(ask(VARIANCE, replace(N, error=Fraction(50)), target=Target.ERROR, amount=20))
    assert (errors["n"] or 0) <= 50
    # The count, now better known than the variance needs, lets the variance's own blocks be cheaper.
    assert sum(b.pico_loss for b in sharper.blocks[1:]) < sum(b.pico_loss for b in alone.blocks[1:])


def test_a_statistic_without_an_error_is_paid_like_the_others() -> None:
    plan, _ = met(ask(N, TOTAL, target=Target.ERROR, amount=40))
    assert plan.blocks[0].pico_loss == pytest.approx(plan.blocks[1].pico_loss, rel=1e-6)
    tilted, _ = met(ask(N, replace(TOTAL, loss=Fraction(2)), target=Target.ERROR, amount=40))
    assert tilted.blocks[1].pico_loss == pytest.approx(2 * tilted.blocks[0].pico_loss, rel=1e-6)


def test_an_error_that_no_loss_meets_is_refused_by_its_own_name() -> None:
    with pytest.raises(Refused, match="'median'") as refused:
        met(ask(N, replace(MEDIAN, error=Fraction(10)), target=Target.ERROR, amount=40))
    assert refused.value.refusal is Refusal.BAD_PRIVACY
