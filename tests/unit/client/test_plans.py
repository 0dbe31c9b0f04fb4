"""Plans as the servers make them: the client accepts each and expects the errors that it bought."""

from decimal import Decimal
from fractions import Fraction

import pytest

from cotally.client.expect import expected_errors
from cotally.client.privacy import epsilon_of
from cotally.client.verify.claims import check_plan, groups
from cotally.server.model.plan import Rules
from cotally.server.planner.plan import make_plan
from cotally.server.wire import catalog as wire_catalog
from cotally.server.wire import plan as wire_plan
from cotally.server.wire import query as wire_query
from cotally.v1 import catalog_pb2, query_pb2, roster_pb2, round_pb2
from tests.fixtures.bundle import people, question

BITS = 2048
POLICY = roster_pb2.Policy(
    min_departments=3, colluding=1, delta="0.000001", round_ms=20_000, tick_ms=50, threshold=2)
RULES = Rules(colluding=1, delta=Fraction(1, 10**6), tick_ms=50, round_ms=20_000, modulus_bits=BITS)


def planned(query: query_pb2.Query, table: catalog_pb2.Table) -> round_pb2.Plan:
    catalog = wire_catalog.from_message(catalog_pb2.Catalog(federation="test", epoch=1, tables=[table]))
    return wire_plan.to_message(make_plan(wire_query.from_message(query), catalog.tables[0], RULES))


def tables() -> dict[str, catalog_pb2.Table]:
    several, rows, alone, floats = people(), people(), people(), people()
    several.overlap, several.rows_per_person, several.groups_per_person = 2, 3, 2
    rows.unit_column = ""
    alone.min_departments = 1
    del alone.holders[1:]
    floats.columns[0].type = catalog_pb2.COLUMN_TYPE_FLOAT
    floats.columns[0].lower, floats.columns[0].upper = "-12.5", "200000"
    floats.columns[0].resolution = "0.25"
    return {"plain": people(), "overlapping": several, "rows": rows, "alone": alone, "floats": floats}


@pytest.mark.parametrize("name", tables())
@pytest.mark.parametrize("mechanism", [query_pb2.MECHANISM_GAUSSIAN, query_pb2.MECHANISM_LAPLACE])
@pytest.mark.parametrize("target, amount", [
    ("epsilon", "0.01"), ("epsilon", "1"), ("epsilon", "30"), ("rho", "0.1"), ("error", "20"),
    ("error", "900"),
])
@pytest.mark.parametrize("keys", [(), ("sex", "area")])
def test_the_client_accepts_what_the_planner_makes(
    name: str, mechanism: int, target: str, amount: str, keys: tuple[str, ...],
) -> None:
    query, table = question(mechanism, keys), tables()[name]
    setattr(query.privacy, target, amount)
    plan = planned(query, table)
    check_plan(plan, query, table, POLICY, BITS)
    errors = expected_errors(plan, query, catalog_pb2.Catalog(tables=[table]))
    assert set(errors) == {"n", "total", "average"}
    if target == "epsilon" and mechanism == query_pb2.MECHANISM_GAUSSIAN:
        assert epsilon_of(plan.pico_loss, POLICY.delta) == Decimal(amount)
    if target == "error":
        # Intervals end on integers, so the planner's continuous quantile may be half of one short.
        unit = 1 / plan.blocks[0].refinement
        assert errors["n"] is not None and errors["n"] <= float(amount) + unit


def test_a_planners_block_cannot_be_made_cheaper() -> None:
    query, table = question(), people()
    plan = planned(query, table)
    assert len(plan.blocks) == 4 and plan.blocks[0].cells == groups(query, table)
    for block in plan.blocks:
        block.scale.exponent -= 1
        with pytest.raises(Exception, match="too small for its price"):
            check_plan(plan, query, table, POLICY, BITS)
        block.scale.exponent += 1
