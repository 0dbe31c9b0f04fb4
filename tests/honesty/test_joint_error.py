"""A joint release errs as one central release of equal price would, times the root of roster/h."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from cotally.server.dp.measure import measure
from cotally.server.model.catalog import Column, ColumnType, Table
from cotally.server.model.plan import Plan
from cotally.server.model.query import (
    Derivation,
    DerivedKey,
    Mechanism,
    Privacy,
    Query,
    Statistic,
    StatisticKind,
    Target,
)
from cotally.server.planner.plan import make_plan
from cotally.server.planner.scope import effective
from tests.honesty.joint import RULES

DRAWS = 100_000
TABLE = Table(
    "people", "residents", "pid", 1, 2, 1, 10**6, 10**6, 3, "v",
    (
        Column("x", ColumnType.INTEGER, upper=Fraction(DRAWS - 1)),
        Column("y", ColumnType.INTEGER, upper=Fraction(80)),
    ),
    (),
)  # fmt: skip
STATISTICS = (
    Statistic("n", StatisticKind.COUNT_ROWS), Statistic("s", StatisticKind.SUM, "y"),
    Statistic("v", StatisticKind.VARIANCE, "y"),
    Statistic("q", StatisticKind.QUANTILE, "y", quantile=Fraction(1, 2)),
)


def query(*statistics: Statistic, mechanism: Mechanism, keys: tuple[DerivedKey, ...] = ()) -> Query:
    """A question for a rho of 0.1."""
    privacy = Privacy(Target.RHO, Fraction(1, 10), Fraction(19, 20), mechanism)
    return Query("people", tuple(key.name for key in keys), statistics, None, privacy, derived=keys)


def planned(asked: Query, roster: int, minimum: int) -> Plan:
    """The plan where *roster* departments take part, *minimum* of them at least; one: a central release."""
    table = replace(TABLE, holders=tuple(f"d{i}" for i in range(roster)), min_departments=minimum)
    return make_plan(asked, effective(asked, table, []), RULES)


@pytest.mark.parametrize("roster, minimum", [(3, 3), (5, 3), (10, 4)])
@pytest.mark.parametrize("mechanism", Mechanism)
def test_variances_are_those_of_a_central_release_times_roster_over_h(
    roster: int, minimum: int, mechanism: Mechanism
) -> None:
    """To nine digits, block by block, at equal price; under Laplace each department adds all noise: h = 1."""
    asked = query(*STATISTICS, mechanism=mechanism)
    joint, central = planned(asked, roster, minimum), planned(asked, 1, 1)
    honest = minimum - RULES.colluding if mechanism is Mechanism.GAUSSIAN else 1
    assert (joint.honest, central.honest) == (honest, 1)
    assert abs(joint.pico_loss - central.pico_loss) <= 2 * len(joint.blocks)
    for ours, theirs in zip(joint.blocks, central.blocks, strict=True):
        variances = [(block.scale.fraction() / block.refinement) ** 2 for block in (ours, theirs)]
        assert float(roster * variances[0] / variances[1] * honest / roster) == pytest.approx(1, rel=1e-9)


@pytest.mark.slow
def test_drawn_errors_are_within_two_percent_of_that() -> None:
    """100,000 numbers released by five departments, three at least: the noise of nodes, as they draw it."""
    roster, minimum = 5, 3
    each = DerivedKey("cell", Derivation.BIN, "x", Fraction(1))  # a group per value of x
    asked = query(STATISTICS[0], mechanism=Mechanism.GAUSSIAN, keys=(each,))
    spread = {}
    for plan, departments in ((planned(asked, roster, minimum), roster), (planned(asked, 1, 1), 1)):
        total = sum(np.array(measure([0] * DRAWS, plan), np.int64) for _ in range(departments))
        spread[departments] = float(np.std(total)) / plan.blocks[0].refinement
    found = spread[roster] / spread[1]
    assert found == pytest.approx((roster / (minimum - RULES.colluding)) ** 0.5, rel=0.02)
    for wrong in (1, roster**0.5, (roster / minimum) ** 0.5, ((roster - 1) / (minimum - 1)) ** 0.5):
        assert found != pytest.approx(wrong, rel=0.02)
