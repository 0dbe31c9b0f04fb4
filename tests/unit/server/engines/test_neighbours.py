"""What a person adds to a release's integers never exceeds the sensitivities that its plan is priced at.

Datasets with and without one person are replayed through the reference of bounding, in as many
departments as a person may be in.
"""

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cotally.server.dp import mechanism
from cotally.server.model.catalog import Table
from cotally.server.model.plan import Plan
from cotally.server.model.query import ColumnBounds, Query, Statistic
from cotally.server.planner.plan import make_plan
from cotally.server.planner.scope import effective
from cotally.v1.refusals import Refusal, Refused
from tests.unit.server.engines import reference
from tests.unit.server.engines.test_statistics import (
    KEYS,
    OF_PERSONS,
    RULES,
    SALT,
    STATISTICS,
    K,
    ask,
    cells,
    person,
    table,
)

Records = list[dict[str, str]]
rows = st.fixed_dictionaries(cells)
EVERY = tuple(replace(s, kind=K.INCIDENCES) if s.kind is K.PERSONS else s for s in (*STATISTICS, *OF_PERSONS))


def joint(k: int, g: int, m: int) -> Table:
    """A table that two departments hold, in m of which a person may be."""
    return table(k, g, overlap=m, holders=("north", "south"), min_departments=2)


def moved(query: Query, scope: Table, plan: Plan, others: Records, own: list[Records]) -> list[list[int]]:
    """Per block, how far a person with *own* rows in each department moves the sums over departments."""
    change = [0] * plan.coordinates
    before = reference.measure(others, query, scope, plan, SALT)
    for records in own:
        joined = [*others, *({**record, "pid": "somebody"} for record in records)]
        after = reference.measure(joined, query, scope, plan, SALT)
        change = [c + a - b for c, a, b in zip(change, after, before, strict=True)]
    return [change[block.offset : block.offset + block.cells] for block in plan.blocks]


@given(
    others=st.lists(rows, max_size=6),
    own=st.lists(st.lists(rows, max_size=6), min_size=2, max_size=2),
    statistics=st.lists(st.sampled_from(EVERY), min_size=1, max_size=4, unique=True),
    keys=st.sampled_from(KEYS),
    k=st.integers(1, 4),
    g=st.integers(1, 4),
    m=st.integers(1, 2),
    narrow=st.booleans(),
)
@settings(max_examples=150, deadline=None)
def test_no_person_moves_a_block_by_more_than_its_sensitivities(
    others: Records,
    own: list[Records],
    statistics: list[Statistic],
    keys: tuple[str, ...],
    k: int,
    g: int,
    m: int,
    narrow: bool,
) -> None:
    asked = [s for s in statistics if m == 1 or s not in OF_PERSONS] or [EVERY[0]]
    query = ask(tuple(asked), keys)
    if narrow:
        query = replace(query, bounds=(ColumnBounds("income", Fraction(1), Fraction(4)),))
    scope = effective(query, joint(k, g, m), ())
    plan = make_plan(query, scope, RULES)
    for block, change in zip(plan.blocks, moved(query, scope, plan, others, own[:m]), strict=True):
        assert sum(map(abs, change)) <= block.l1
        assert sum(x * x for x in change) <= block.l2_squared


@pytest.mark.parametrize("statistic", [
    Statistic("n", K.COUNT_ROWS), Statistic("s", K.SUM, "age"), Statistic("v", K.VARIANCE, "age"),
    Statistic("c", K.COVAR, "age", ("income",)), Statistic("w", K.SUM, "age", weight="w"),
    Statistic("h", K.HISTOGRAM, "age", bins=5),
    Statistic("q", K.QUANTILE, "age", quantile=Fraction(1, 2), bins=8),
    Statistic("p", K.INCIDENCES),
])  # fmt: skip
@pytest.mark.parametrize("k, g, m", [(1, 1, 1), (3, 2, 1), (2, 3, 2)])
def test_a_sensitivity_understated_by_one_would_be_exceeded(
    statistic: Statistic, k: int, g: int, m: int
) -> None:
    query = ask((statistic,), ("city",))
    scope = effective(query, joint(k, g, m), ())
    plan = make_plan(query, scope, RULES)
    extreme = [
        person(city=city, age="100", income="10", w="2")
        for city in ("北京", "é", "o'c", "else")
        for _ in range(k)
    ]
    last = moved(query, scope, plan, [], [extreme] * m)[-1]
    block = plan.blocks[-1]
    assert sum(map(abs, last)) == block.l1
    assert sum(x * x for x in last) == block.l2_squared


@pytest.mark.parametrize("statistic", [s for s in EVERY if s not in OF_PERSONS], ids=lambda s: s.alias)
def test_opendp_agrees_with_the_price_of_every_block_and_with_no_other(statistic: Statistic) -> None:
    query = ask((statistic,), ())
    plan = make_plan(query, effective(query, joint(2, 2, 2), ()), RULES)
    for block in plan.blocks:
        mechanism.build(block, plan.mechanism, plan.honest, plan.account)
        wrong = replace(block, l2_squared=block.l2_squared + max(1, block.l2_squared >> 30))
        with pytest.raises(Refused) as refused:
            mechanism.build(wrong, plan.mechanism, plan.honest, plan.account)
        assert refused.value.refusal is Refusal.PLAN_MISMATCH
