"""Spark's vector against the design read aloud, over tables that nobody thought of."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from tests.unit.server.engines.generated import SALT, Case, cases

pytestmark = pytest.mark.slow
pytest.importorskip("pyspark", reason="pyspark is not installed: requirements/spark.txt")


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(case=cases())
def test_any_table_equals_the_design_read_aloud(spark: Any, case: Case) -> None:
    from cotally.server.engines.spark import synthetic
    measured = synthetic.measure(spark, case.records, case.query, case.scope, case.plan, SALT)
    assert measured == case.expected()
