"""Plans of every statistic, as the servers make them: the client accepts each, and none that was bent."""

from collections.abc import Callable
from fractions import Fraction

import pytest

from cotally.client.expect import bases, expected_errors
from cotally.client.scope import effective
from cotally.client.sql.parse import parse
from cotally.client.verify.blocks import blocks_of
from cotally.client.verify.claims import check_plan
from cotally.server.planner.plan import make_plan
from cotally.server.planner.scope import effective as server_effective
from cotally.server.wire import catalog as wire_catalog
from cotally.server.wire import plan as wire_plan
from cotally.server.wire import query as wire_query
from cotally.v1 import catalog_pb2, query_pb2, round_pb2
from cotally.v1.refusals import Refused
from tests.fixtures.simulated import BITS, POLICY, RULES
from tests.unit.client.test_same_message import AGGREGATES, CATALOG

TEXTS = [text for text, *_ in AGGREGATES]
QUESTIONS = [
    *(f"SELECT {text} FROM people" for text in TEXTS),
    "SELECT COUNT(*), AVG(income), VARIANCE(income), REGR(income, age), CORR(age, income), MEDIAN(age)"
    " FROM people GROUP BY sex, BIN(age, 25)",
    "SELECT COUNT(*), STDDEV(income) FROM people GROUP BY MONTH(born, 'other'), BIN(income, 5000)"
    " BOUNDS(income, 0, 40000)",
    "SELECT AVG(cost), COVAR(cost, people.age), INCIDENCES(pid), HISTOGRAM(cost, 8)"
    " FROM visits JOIN people USING (pid) GROUP BY ward, YEAR(born)",
    "SELECT WEIGHTED(SUM(income), w), WEIGHTED(AVG(income), w), REGR(income, age, w) FROM people",
    "SUGGEST BOUNDS FOR income",
]


def policy_catalog() -> catalog_pb2.Catalog:
    """Return the catalog with enough departments for one to collude."""
    found = catalog_pb2.Catalog()
    found.CopyFrom(CATALOG)
    return found


def planned(
    text: str, mechanism: str = "gaussian"
) -> tuple[round_pb2.Plan, query_pb2.Query, catalog_pb2.Table]:
    query = parse(f"{text} WITH PRIVACY (epsilon = 2, mechanism = '{mechanism}')", CATALOG).query
    typed, catalog = wire_query.from_message(query), wire_catalog.from_message(policy_catalog())
    first, *joined = (catalog.table(name) for name in (query.table, *(join.table for join in query.joins)))
    assert first is not None
    table = server_effective(typed, first, [each for each in joined if each is not None])
    return wire_plan.to_message(make_plan(typed, table, RULES)), query, effective(query, CATALOG)


@pytest.mark.parametrize("mechanism", ["gaussian", "laplace"])
@pytest.mark.parametrize("text", QUESTIONS)
def test_the_client_accepts_what_the_planner_makes(text: str, mechanism: str) -> None:
    plan, query, table = planned(text, mechanism)
    check_plan(plan, query, table, POLICY, BITS)
    errors = expected_errors(plan, query, CATALOG)
    assert set(errors) == set(bases(query)) == {statistic.alias for statistic in query.statistics}
    assert all(error is None or error > 0 for error in errors.values())


def test_both_sides_see_the_same_table() -> None:
    for text in QUESTIONS:
        query = parse(f"{text} WITH PRIVACY (rho = 1)", CATALOG).query
        catalog = wire_catalog.from_message(policy_catalog())
        first, *others = (
            catalog.table(name) for name in (query.table, *(join.table for join in query.joins))
        )
        assert first is not None
        theirs = server_effective(wire_query.from_message(query), first, [each for each in others if each])
        ours = effective(query, CATALOG)
        assert (ours.vintage, tuple(ours.holders), ours.min_departments) == (
            theirs.vintage, theirs.holders, theirs.min_departments)
        assert [(c.name, tuple(c.codes), c.other) for c in ours.columns] == [
            (c.name, c.codes, c.other) for c in theirs.columns]


Bend = Callable[[round_pb2.Plan], None]


def bent(block: int, **fields: object) -> Bend:
    def bend(plan: round_pb2.Plan) -> None:
        for name, value in fields.items():
            setattr(plan.blocks[block], name, value)
    return bend


def halved(block: int, *fields: str) -> Bend:
    def bend(plan: round_pb2.Plan) -> None:
        for name in fields:
            setattr(plan.blocks[block], name, str(int(getattr(plan.blocks[block], name)) // 2))
    return bend


def swapped(plan: round_pb2.Plan) -> None:
    plan.readings[0].blocks[:] = reversed(plan.readings[0].blocks)


def leaves(count: int) -> Bend:
    def bend(plan: round_pb2.Plan) -> None:
        plan.blocks[0].leaves.count = count
    return bend


def second(**fields: object) -> Bend:
    def bend(plan: round_pb2.Plan) -> None:
        for name, value in fields.items():
            setattr(plan.blocks[-1].second, name, value)
    return bend


@pytest.mark.parametrize(
    ("text", "bend", "culprit"),
    [
        (
            "SELECT VARIANCE(income) FROM people",
            bent(2, kind=round_pb2.BLOCK_KIND_SUM),
            "needs: count of income",
        ),
        ("SELECT VARIANCE(income) FROM people", bent(1, column="age"), "does not measure"),
        ("SELECT VARIANCE(income) FROM people", swapped, "does not measure"),
        ("SELECT VARIANCE(income) FROM people", bent(1, shift=0), "units of 'income'"),
        ("SELECT VARIANCE(income) FROM people", bent(2, step="1"), "units of 'income'"),
        ("SELECT VARIANCE(income) FROM people", halved(2, "l2_squared"), "understates"),
        ("SELECT VARIANCE(income) FROM people", halved(0, "l1"), "understates"),
        ("SELECT VARIANCE(income) FROM people", second(column="age"), "does not measure"),
        ("SELECT VARIANCE(income) FROM people", second(centre="7"), "units of 'income'"),
        ("SELECT MEDIAN(age) FROM people", leaves(128), "does not measure"),
        ("SELECT MEDIAN(age) FROM people", halved(0, "l2_squared"), "understates"),
        ("SELECT MEDIAN(age) FROM people", bent(0, cells=256), "1 cells"),
        (
            "SELECT HISTOGRAM(age, 10) FROM people",
            bent(0, kind=round_pb2.BLOCK_KIND_TREE),
            "does not measure",
        ),
        ("SELECT HISTOGRAM(age, 10) FROM people", bent(0, step="2"), "units of"),
        ("SELECT COUNT(DISTINCT pid) FROM people", halved(0, "l1"), "understates"),
        (
            "SELECT CLIPPED_LOW(income) FROM people",
            bent(1, kind=round_pb2.BLOCK_KIND_CLIPPED_HIGH),
            "does not measure",
        ),
        ("SELECT COUNT(*) FROM visits", halved(0, "l1"), "understates"),
    ],
)
def test_a_bent_plan_is_refused(text: str, bend: Bend, culprit: str) -> None:
    plan, query, table = planned(text)
    bend(plan)
    with pytest.raises(Refused, match=culprit):
        check_plan(plan, query, table, POLICY, BITS)


@pytest.mark.parametrize(("text", "factor"), [
    ("SELECT WEIGHTED(SUM(income), w) FROM people", "income"),
    ("SELECT WEIGHTED(SUM(income), w) FROM people", "w"),
    ("SELECT WEIGHTED(AVG(income), w) FROM people", "w"),
])
def test_a_weighted_sum_whose_factor_is_moved_off_zero_is_refused(text: str, factor: str) -> None:
    """A centre that fits the shift is in the catalog's units, but the sum of such products is another one."""
    plan, query, table = planned(text)
    block = plan.blocks[-1]
    form = block.second if block.second.column == factor else block
    step = Fraction(block.step)
    if factor == "w":
        other = next(column for column in table.columns if column.name == block.column)
        step /= Fraction(other.resolution or 1) * block.coarse / block.factor
    else:
        other = next(column for column in table.columns if column.name == block.second.column)
        step /= Fraction(other.resolution or 1) * block.second.coarse / block.second.factor
    form.shift -= 3
    form.centre = str(Fraction(form.centre or 0) + 3 * step)
    block.l1, block.l2_squared = "1000000000000000000", "1000000000000000000000000000000"
    with pytest.raises(Refused, match="weighted sum"):
        check_plan(plan, query, table, POLICY, BITS)


def test_products_around_another_centre_than_their_sums_are_refused() -> None:
    """They fit the catalog's units, and would decode to another variance."""
    plan, query, table = planned("SELECT VARIANCE(income) FROM people")
    block = plan.blocks[2]
    for form in (block, block.second):
        form.shift -= 4
        form.centre = str(Fraction(form.centre) + 4 * Fraction(plan.blocks[1].step))
    block.l1, block.l2_squared = "1000000000000000000", "1000000000000000000000000000000"
    with pytest.raises(Refused, match="'income' and its products differently"):
        check_plan(plan, query, table, POLICY, BITS)


def test_a_block_that_is_measured_twice_is_refused() -> None:
    """It would be paid twice, and its two noises averaged by whoever knows."""
    plan, query, table = planned("SELECT COUNT(*) AS n, COUNT(*) AS again FROM people")
    assert len(plan.blocks) == 1
    plan.blocks.append(plan.blocks[0])
    plan.blocks[1].offset = 1
    plan.readings[1].blocks[:] = [1]
    plan.pico_loss *= 2
    with pytest.raises(Refused, match="measures a block twice"):
        check_plan(plan, query, table, POLICY, BITS)


def test_an_idle_block_and_a_missing_reading_are_refused() -> None:
    plan, query, table = planned("SELECT COUNT(*), AVG(income) FROM people")
    plan.readings[1].blocks[1] = 9
    with pytest.raises(Refused, match="a block that the plan lacks"):
        blocks_of(plan, query, table)
    plan, query, table = planned("SELECT COUNT(*), COUNT(income) FROM people")
    del plan.readings[1]
    with pytest.raises(Refused, match="does not say what each statistic"):
        check_plan(plan, query, table, POLICY, BITS)
    del query.statistics[1]
    with pytest.raises(Refused, match="no statistic is decoded from"):
        check_plan(plan, query, table, POLICY, BITS)


def test_stated_errors_are_those_expected() -> None:
    text = ("SELECT COUNT(*) AS n, HISTOGRAM(age, 10) AS h, COUNT(DISTINCT pid) AS p FROM people"
            " WITH PRIVACY (error = (n = 30, h = 60))")
    query = parse(text, CATALOG).query
    catalog = wire_catalog.from_message(policy_catalog())
    table = catalog.table("people")
    assert table is not None
    plan = wire_plan.to_message(make_plan(wire_query.from_message(query), table, RULES))
    errors = expected_errors(plan, query, CATALOG)
    assert errors["n"] is not None and 15 < errors["n"] <= 30 + 1
    assert errors["h"] is not None and 30 < errors["h"] <= 60 + 1
    assert bases(query) == {"n": "exact", "h": "exact", "p": "exact"}
    assert Fraction(plan.blocks[0].step) == 1
