"""Expected errors before asking are what the release will state, for as many departments."""

import pytest

from cotally.client.decode.rows import decode
from cotally.client.expect import condition, expected_errors
from cotally.v1 import catalog_pb2, query_pb2
from cotally.v1.refusals import Refused
from tests.fixtures.bundle import people, plan_for, question

CATALOG = catalog_pb2.Catalog(federation="test", epoch=1, tables=[people()])


@pytest.mark.parametrize("mechanism", [query_pb2.MECHANISM_GAUSSIAN, query_pb2.MECHANISM_LAPLACE])
@pytest.mark.parametrize("departments", [3, 7])
def test_counts_and_sums_are_exact(mechanism: int, departments: int) -> None:
    query = question(mechanism)
    plan = plan_for(query, 3)
    errors = expected_errors(plan, query, CATALOG, departments)
    row = decode(plan, query, people(), departments, [5000] * 12)[1]
    for at, alias in enumerate(("n", "total")):
        high, low = row.estimates[at].high, row.estimates[at].low
        assert high is not None and low is not None
        assert errors[alias] == pytest.approx((high - low) / 2)


def test_means_are_the_worst_in_a_group_of_the_expected_size() -> None:
    query = question()
    plan = plan_for(query, 3)
    error = expected_errors(plan, query, CATALOG)["average"]
    assert error is not None
    for centred, rows, holds in ((0, 1000, True), (100_000, 1000, True), (0, 200, False)):
        totals = [0, 0, 0, 0, 0, 0, 4 * rows, 0, 0, centred, 0, 0]
        estimate = decode(plan, query, people(), 3, totals)[0].estimates[2]
        assert estimate.high is not None and estimate.low is not None
        assert ((estimate.high - estimate.low) / 2 <= error * (1 + 1e-9)) == holds
    sentence = condition(query, CATALOG)
    assert sentence is not None and "1,000 rows" in sentence and "average" in sentence


def test_a_mean_that_nobody_can_expect_is_none_and_counts_have_no_condition() -> None:
    query, catalog = question(), catalog_pb2.Catalog(tables=[people()])
    catalog.tables[0].expected_people = 30
    assert expected_errors(plan_for(query, 3), query, catalog)["average"] is None
    del query.statistics[2]
    assert condition(query, catalog) is None


def test_the_default_is_every_holder() -> None:
    query = question()
    plan = plan_for(query, 3)
    assert expected_errors(plan, query, CATALOG) == expected_errors(plan, query, CATALOG, 3)
    assert expected_errors(plan, query, CATALOG) != expected_errors(plan, query, CATALOG, 5)


def test_an_unknown_table_is_refused() -> None:
    query = question()
    query.table = "pupils"
    with pytest.raises(Refused, match="pupils"):
        expected_errors(plan_for(query, 3), query, CATALOG)
