"""Expected errors hold the truth as often as their confidence says."""

import math
from fractions import Fraction

import numpy as np
import pytest

from cotally.server.dp.measure import measure
from cotally.server.model.plan import Plan
from cotally.server.model.query import Mechanism, Query, Statistic
from cotally.server.planner.error import expected_errors, laplace_quantile, normal_quantile
from cotally.server.planner.plan import make_plan
from tests.unit.server.planner.examples import MEAN, PEOPLE, RULES, TOTAL, N, ask, people

SMALL = people(holders=("a", "b", "c"), expected_people=4_000_000, max_people=10**6)


def totals(plan: Plan, departments: int) -> list[Fraction]:
    """Unrefined totals of departments without data."""
    shares = [measure([0] * plan.coordinates, plan) for _ in range(departments)]
    sums = [sum(values) for values in zip(*shares, strict=True)]
    return [
        Fraction(total, block.refinement)
        for block in plan.blocks
        for total in sums[block.offset : block.offset + block.cells]
    ]


def grouped(mechanism: Mechanism, statistic: Statistic) -> tuple[Query, Plan]:
    query = ask(statistic, keys=("district",), mechanism=mechanism, confidence="0.9")
    return query, make_plan(query, SMALL, RULES)


@pytest.mark.parametrize("mechanism", Mechanism)
@pytest.mark.parametrize("statistic", [N, TOTAL])
def test_intervals_of_counts_and_sums_cover_at_their_rate(mechanism: Mechanism, statistic: Statistic) -> None:
    query, plan = grouped(mechanism, statistic)
    step = plan.blocks[0].step
    noise = [abs(total) * step for total in totals(plan, 3)]
    half_width = expected_errors(query, SMALL, plan)[statistic.alias] or 0
    for widen, accepted in ((Fraction(1), True), (Fraction(7, 10), False), (Fraction(3, 2), False)):
        covered = sum(error <= half_width * widen for error in noise) / len(noise)
        assert (abs(covered - 0.9) < 5 * math.sqrt(0.09 / len(noise))) == accepted


@pytest.mark.parametrize("mechanism", Mechanism)
def test_the_interval_of_a_mean_at_the_edge_of_its_bounds_covers(mechanism: Mechanism) -> None:
    query, plan = grouped(mechanism, MEAN)
    column = SMALL.columns[0]
    n = Fraction(SMALL.expected_people, plan.blocks[0].cells)
    noise = totals(plan, 3)
    counts, sums = noise[: len(noise) // 2], noise[len(noise) // 2 :]
    edge = plan.blocks[1].high // plan.blocks[1].refinement // SMALL.max_people
    half_width = expected_errors(query, SMALL, plan)["mean"] or 0
    covered = 0
    for count, total in zip(counts, sums, strict=True):
        unclamped = plan.blocks[1].centre + (edge * n + total) / (n + count)
        covered += abs(unclamped - column.upper) <= half_width
    assert covered / len(counts) > 0.9 - 5 * math.sqrt(0.09 / len(counts))
    assert half_width < 1


@pytest.mark.parametrize("shares", [1, 2, 5, 40])
@pytest.mark.parametrize("confidence", ["0.5", "0.95", "0.999"])
def test_quantiles_of_summed_laplace_noise(shares: int, confidence: str) -> None:
    sums = np.abs(np.random.default_rng(7).laplace(size=(50_000, shares)).sum(axis=1))
    inside = float(np.mean(sums <= float(laplace_quantile(Fraction(confidence), shares))))
    assert abs(inside - float(confidence)) < 0.012


def test_quantiles_are_exact_where_a_formula_is_known() -> None:
    assert float(laplace_quantile(Fraction(19, 20), 1)) == pytest.approx(math.log(20), rel=1e-8)
    many = float(laplace_quantile(Fraction(19, 20), 2000)) / math.sqrt(4000)
    assert many == pytest.approx(float(normal_quantile(Fraction(19, 20))), rel=1e-3)


def test_more_departments_add_more_noise() -> None:
    query = ask(N)
    few, many = (people(holders=tuple(f"h{n:02}" for n in range(count))) for count in (4, 16))
    narrow = expected_errors(query, few, make_plan(query, few, RULES))["n"]
    wide = expected_errors(query, many, make_plan(query, many, RULES))["n"]
    assert narrow and wide
    assert float(wide / narrow) == pytest.approx(2, rel=0.03)  # half-widths are whole


def test_every_statistic_has_an_expected_error() -> None:
    query = ask(N, TOTAL, MEAN)
    assert list(expected_errors(query, PEOPLE, make_plan(query, PEOPLE, RULES))) == ["n", "total", "mean"]


def test_the_mean_of_a_handful_has_no_expected_error() -> None:
    few = people(expected_people=20)
    query = ask(MEAN, amount="0.1")
    assert expected_errors(query, few, make_plan(query, few, RULES)) == {"mean": None}
