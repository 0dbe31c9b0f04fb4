"""DuckDB's vector against the design read aloud, over tables that nobody thought of."""

import pytest
from hypothesis import HealthCheck, given, settings

from cotally.server.engines.duckdb import synthetic
from tests.unit.server.engines.generated import SALT, Case, cases


def equals_the_design(case: Case) -> None:
    measured = synthetic.measure(case.records, case.query, case.scope, case.plan, SALT)
    assert measured == case.expected()


several = settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
many = settings(several, max_examples=600)
test_any_table_equals_the_design_read_aloud = several(given(cases())(equals_the_design))
test_any_table_equals_the_design_read_aloud_at_length = pytest.mark.slow(
    many(given(cases())(equals_the_design)))
