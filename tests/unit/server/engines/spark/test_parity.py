"""`node check --parity` at a site with Spark."""

from functools import partial
from typing import Any

import pytest

from cotally.server.engines import parity
from cotally.server.engines.duckdb import synthetic as duckdb
from tests.unit.server.engines.test_parity import RULES, SMALL

pytestmark = pytest.mark.slow
pytest.importorskip("pyspark", reason="pyspark is not installed: requirements/spark.txt")


def test_spark_gives_the_integers_of_duckdb(spark: Any) -> None:
    from cotally.server.engines.spark import synthetic
    assert parity.differences(SMALL, RULES, partial(synthetic.measure, spark), duckdb.measure) == []
