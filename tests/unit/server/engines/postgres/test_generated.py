"""PostgreSQL's vector against the design read aloud, over tables that nobody thought of."""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings

from cotally.server.engines.postgres import session, synthetic
from tests.postgres import Server
from tests.unit.server.engines.generated import SALT, Case, cases


@pytest.fixture(scope="module")
def connection(server: Server) -> Iterator[session.Connection]:
    with session.connect(server.url("reader")) as opened:
        yield opened


def equals_the_design(connection: session.Connection, case: Case) -> None:
    measured = synthetic.measure(connection, case.records, case.query, case.scope, case.plan, SALT)
    assert measured == case.expected()


several = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
many = settings(several, max_examples=1000)
test_any_table_equals_the_design_read_aloud = several(given(case=cases())(equals_the_design))
test_any_table_equals_the_design_read_aloud_at_length = pytest.mark.slow(
    many(given(case=cases())(equals_the_design)))
