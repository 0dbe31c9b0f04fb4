"""A plan spends no more than was asked, carries the noise that it is priced at, and fits."""

import math
import time
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cotally.server.dp.accounting import exact_epsilon, rho_from_epsilon
from cotally.server.model.account import PICO
from cotally.server.model.catalog import Column, ColumnType, Table
from cotally.server.model.plan import BlockKind, Plan, Rules
from cotally.server.model.query import Mechanism, Query, Statistic, StatisticKind, Target
from cotally.server.planner.error import expected_errors
from cotally.server.planner.packing import tail
from cotally.server.planner.plan import make_plan
from cotally.server.statistics.registry import METHODS
from cotally.v1.refusals import Refusal, Refused
from tests.unit.server.planner.examples import MEAN, PEOPLE, RULES, TOTAL, N, ask, people

decimals = st.integers(1, 10**6).map(lambda n: Fraction(n, 10**4))


@st.composite
def tables(draw: st.DrawFn) -> Table:
    """Tables with random bounds; some of them hold sums too large to answer."""
    lower = draw(st.fractions(-1000, 1000, max_denominator=20))
    width = draw(st.fractions(0, 10**6, max_denominator=20))
    resolution = draw(st.sampled_from([Fraction(1, 100), Fraction(1, 3), Fraction(1), Fraction(1000)]))
    holders = draw(st.integers(1, 12))
    return people(
        columns=(
            Column("x", ColumnType.FLOAT, draw(st.booleans()), lower, lower + width, resolution),
            Column("c", ColumnType.CATEGORY, codes=tuple(str(n) for n in range(draw(st.integers(1, 30))))),
            Column("y", ColumnType.INTEGER, draw(st.booleans()), upper=Fraction(draw(st.integers(0, 50)))),
            Column("w", ColumnType.INTEGER, upper=Fraction(9), weight=True),
        ),
        unit=draw(st.sampled_from(["pid", None])),
        overlap=draw(st.sampled_from([1, 1, 2, 3])),
        rows_per_person=draw(st.integers(1, 50)),
        groups_per_person=draw(st.integers(1, 50)),
        max_people=draw(st.integers(1, 10**8)),
        expected_people=draw(st.integers(1, 10**8)),
        holders=tuple(f"h{n}" for n in range(holders)),
        min_departments=min(draw(st.integers(2, 12)), holders),
    )


def statistic(kind: StatisticKind, column: str, other: str) -> Statistic:
    """A statistic of *kind*, named so, over *column* and, where it takes two, over *other*."""
    alias = f"{kind.value} of {column}"
    match kind:
        case StatisticKind.CORR | StatisticKind.COVAR | StatisticKind.REGR:
            return Statistic(alias, kind, column, (other,))
        case StatisticKind.HISTOGRAM:
            return Statistic(alias, kind, column, bins=7)
        case StatisticKind.QUANTILE:
            return Statistic(alias, kind, column, quantile=Fraction(1, 3), bins=16)
        case StatisticKind.COUNT_ROWS | StatisticKind.PERSONS:
            return Statistic(alias, kind)
        case StatisticKind.INCIDENCES | StatisticKind.TRUNCATED:
            return Statistic(alias, kind)
        case _:
            return Statistic(alias, kind, column)


statistics = [
    *(statistic(kind, "x", "y") for kind in METHODS),
    Statistic("weighted", StatisticKind.MEAN, "x", weight="w"),
    Statistic("weighted sum", StatisticKind.SUM, "x", weight="w", loss=Fraction(3)),
]


@st.composite
def queries(draw: st.DrawFn) -> Query:
    """Queries over such a table, most of them within the acceptable range."""
    target = draw(st.sampled_from(Target))
    amount = draw(decimals) * (10 ** draw(st.integers(0, 8)) if target is Target.ERROR else 1)
    return ask(
        *draw(st.lists(st.sampled_from(statistics), min_size=1, unique=True)),
        keys=draw(st.sampled_from([(), ("c",)])),
        target=target,
        amount=amount,
        mechanism=draw(st.sampled_from(Mechanism)),
    )


@given(tables(), queries())
@settings(max_examples=250, deadline=None)
def test_every_plan_keeps_its_promises(table: Table, query: Query) -> None:
    try:
        plan = make_plan(query, table, RULES)
    except Refused as refused:
        assert refused.refusal in (Refusal.BAD_PRIVACY, Refusal.UNSUPPORTED, Refusal.NOT_ALLOWED)
        return
    check_layout(plan, query, table)
    check_price(plan, query, table)
    check_packing(plan, table)


def check_layout(plan: Plan, query: Query, table: Table) -> None:
    keys = {
        (block.kind, block.form, block.second, block.present, block.leaves) for block in plan.blocks
    }
    assert len(keys) == len(plan.blocks)
    offset = 0
    for block in plan.blocks:
        assert block.offset == offset
        assert block.cells == (len(table.columns[1].keys) if query.keys else 1) * block.width
        assert block.low <= 0 <= block.high
        offset += block.cells
    assert plan.coordinates == offset
    assert {block for reading in plan.readings for block in reading} == set(range(len(plan.blocks)))
    assert len(plan.readings) == len(query.statistics)


def check_price(plan: Plan, query: Query, table: Table) -> None:
    privacy = query.privacy
    assert plan.pico_loss == sum(block.pico_loss for block in plan.blocks)
    loss = Fraction(0)
    for block in plan.blocks:
        scale = block.scale.fraction()
        if plan.mechanism is Mechanism.GAUSSIAN:
            true_price = block.l2_squared / (2 * plan.honest * scale**2)
            assert scale**2 >= 16
        else:
            true_price = (block.l1 / scale) ** 2 / 2
            loss += block.l1 / scale
            assert scale >= 4
        assert true_price <= Fraction(block.pico_loss, PICO) <= true_price + Fraction(2, PICO)
    match privacy.target, privacy.mechanism:
        case Target.EPSILON, Mechanism.GAUSSIAN:
            assert exact_epsilon(plan.pico_loss, RULES.delta) <= privacy.amount
            assert plan.epsilon is None
        case Target.EPSILON, _:
            assert plan.epsilon is not None and loss <= plan.epsilon <= privacy.amount
        case Target.RHO, _:
            assert privacy.amount * (1 - Fraction(1, 100)) <= Fraction(plan.pico_loss, PICO) <= privacy.amount
        case _:
            first = expected_errors(query, table, plan)[query.statistics[0].alias]
            assert first is not None and first <= privacy.amount
            whole = plan.blocks[0].step / plan.blocks[0].refinement
            assert first > privacy.amount * (1 - Fraction(1, 10**4)) - whole or plan.pico_loss < 10**5
    assert plan.honest == (
        1 if plan.mechanism is Mechanism.LAPLACE or len(table.holders) == 1 else table.min_departments - 1
    )


def check_packing(plan: Plan, table: Table) -> None:
    packing, departments = plan.packing, len(table.holders)
    for block, run in zip(plan.blocks, packing.runs, strict=True):
        assert run.cells == block.cells
        assert run.bias >= max(-block.low, block.high) + tail(block, plan.mechanism, 1)
        assert departments * 2 * run.bias < 2**run.slot_bits <= 2**62
    assert packing.plaintext_bits == RULES.modulus_bits - 1
    bits = sum(run.cells * run.slot_bits for run in packing.runs)
    assert packing.cuts[-1] == bits
    assert all(0 < end - start <= packing.plaintext_bits
               for start, end in zip(packing.cuts, packing.cuts[1:], strict=False))
    widest = max(run.slot_bits for run in packing.runs)
    assert bits <= packing.ciphertexts * packing.plaintext_bits
    assert (packing.ciphertexts - 1) * (packing.plaintext_bits - widest + 1) <= bits


@pytest.mark.parametrize("mechanism", Mechanism)
@pytest.mark.parametrize(
    "first, amount", [(N, 40), (N, "7.3"), (N, "29.6"), (N, "2.99"), (TOTAL, 10**6), (MEAN, "0.5")]
)
def test_a_stated_error_is_met_at_the_least_price(
    first: Statistic, amount: int | str, mechanism: Mechanism
) -> None:
    others = tuple(statistic for statistic in (N, TOTAL, MEAN) if statistic is not first)
    query = ask(first, *others, keys=("sex",), target=Target.ERROR, amount=amount, mechanism=mechanism)
    plan = make_plan(query, PEOPLE, RULES)
    assert (expected_errors(query, PEOPLE, plan)[first.alias] or math.inf) <= Fraction(amount)
    cheaper = Fraction(plan.pico_loss, PICO) * (1 - Fraction(1, 10**6))
    privacy = replace(query.privacy, target=Target.RHO, amount=cheaper)
    less = make_plan(replace(query, privacy=privacy), PEOPLE, RULES)
    assert (expected_errors(query, PEOPLE, less)[first.alias] or 0) > Fraction(amount)


def test_no_error_can_be_stated_for_the_mean_of_a_handful() -> None:
    query = ask(MEAN, keys=("district",), target=Target.ERROR, amount=1)
    with pytest.raises(Refused) as refused:
        make_plan(query, people(expected_people=100), RULES)
    assert refused.value.refusal is Refusal.BAD_PRIVACY and "mean" in refused.value.message


def test_blocks_are_shared_and_the_loss_is_split_over_distinct_ones() -> None:
    plan = make_plan(ask(N, TOTAL, MEAN, Statistic("filled", StatisticKind.COUNT, "income")), PEOPLE, RULES)
    assert [(block.kind, block.column) for block in plan.blocks] == [
        (BlockKind.COUNT, ""),
        (BlockKind.SUM, "income"),
        (BlockKind.CENTRED_SUM, "age"),
        (BlockKind.COUNT, "income"),
    ]
    each = rho_from_epsilon(Fraction(1), RULES.delta) // 4
    assert all(each * (1 - 1e-9) <= block.pico_loss <= each for block in plan.blocks)


def test_overlap_is_paid_for() -> None:
    once, twice = (make_plan(ask(N), people(overlap=m), RULES).blocks[0] for m in (1, 2))
    assert twice.l2_squared / twice.refinement**2 == 4 * once.l2_squared / once.refinement**2


def test_a_row_is_the_unit_of_an_event_level_table() -> None:
    table = people(unit=None, rows_per_person=9, groups_per_person=9)
    block = make_plan(ask(N, keys=("sex",)), table, RULES).blocks[0]
    assert block.l2_squared == block.refinement**2
    assert block.high == table.max_people * block.refinement


@pytest.mark.parametrize(
    "table, rules",
    [
        (people(min_departments=1), RULES),
        (people(min_departments=2), replace(RULES, colluding=2)),
        (people(min_departments=1), replace(RULES, colluding=0)),
    ],
)
def test_too_few_honest_departments_are_not_allowed(table: Table, rules: Rules) -> None:
    for mechanism in Mechanism:
        with pytest.raises(Refused) as refused:
            make_plan(ask(mechanism=mechanism), table, rules)
        assert refused.value.refusal is Refusal.NOT_ALLOWED


def test_a_single_holder_adds_all_of_its_noise() -> None:
    alone = make_plan(ask(), people(holders=("a",), min_departments=1), RULES)
    joint = make_plan(ask(), PEOPLE, RULES)
    assert (alone.honest, alone.minimum, joint.honest, joint.minimum) == (1, 1, 2, 3)
    own, share = (plan.blocks[0].scale.fraction() / plan.blocks[0].refinement for plan in (alone, joint))
    assert float((own / share) ** 2) == pytest.approx(2, rel=1e-9)


@pytest.mark.parametrize("target", Target)
@pytest.mark.parametrize("amount", ["0", "-1", "1e-30", "1e30"])
def test_absurd_amounts_are_refused_with_the_number_and_a_range(target: Target, amount: str) -> None:
    with pytest.raises(Refused) as refused:
        make_plan(ask(target=target, amount=amount), PEOPLE, RULES)
    assert refused.value.refusal is Refusal.BAD_PRIVACY
    assert f"{target.value} {amount.replace('1e30', '1e+30')} " in refused.value.message
    least, most = (Fraction(text) for text in refused.value.message.rpartition("between ")[2].split(" and "))
    for edge in (least, most):
        make_plan(ask(target=target, amount=edge), PEOPLE, RULES)


def test_noise_too_wide_for_the_integers_names_a_range_that_works() -> None:
    fine = Column("x", ColumnType.FLOAT, upper=Fraction(10**10), resolution=Fraction(1, 1000))
    table = people(columns=(fine,), max_people=10_000)
    with pytest.raises(Refused) as refused:
        make_plan(ask(Statistic("s", StatisticKind.SUM, "x"), amount="0.0001"), table, RULES)
    assert refused.value.refusal is Refusal.BAD_PRIVACY
    least, _ = (Fraction(text) for text in refused.value.message.rpartition("between ")[2].split(" and "))
    assert least > Fraction("0.0001")
    make_plan(ask(Statistic("s", StatisticKind.SUM, "x"), amount=least), table, RULES)


def test_sums_too_large_for_the_integers_are_refused_whatever_the_privacy() -> None:
    fine = Column("x", ColumnType.FLOAT, upper=Fraction(10**9), resolution=Fraction(1, 10**9))
    with pytest.raises(Refused) as refused:
        make_plan(ask(Statistic("s", StatisticKind.SUM, "x")), people(columns=(fine,)), RULES)
    assert refused.value.refusal is Refusal.UNSUPPORTED and "x" in refused.value.message


def test_too_many_numbers_are_refused() -> None:
    make_plan(ask(keys=("region", "sex")), PEOPLE, RULES)
    with pytest.raises(Refused) as refused:
        make_plan(ask(N, TOTAL, keys=("region", "district", "count_low", "sex")), PEOPLE, RULES)
    assert refused.value.refusal is Refusal.UNSUPPORTED and "1320000" in refused.value.message


def test_a_table_without_contribution_bounds_is_refused() -> None:
    for bound in ("overlap", "rows_per_person", "groups_per_person", "max_people"):
        with pytest.raises(Refused):
            make_plan(ask(), people(**{bound: 0}), RULES)


def test_planning_is_quick_and_repeats_itself() -> None:
    query = ask(N, TOTAL, MEAN, keys=("region",), amount="1.23")
    first = make_plan(query, PEOPLE, RULES)
    started = time.perf_counter()
    plans = [make_plan(query, PEOPLE, RULES) for _ in range(5)]
    assert (time.perf_counter() - started) / 5 < 0.1  # 2 ms on an idle core; parties recompute it often
    assert all(plan == first for plan in plans)
