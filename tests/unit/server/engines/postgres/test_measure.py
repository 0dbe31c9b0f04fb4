"""PostgreSQL's vector against the design read aloud, over generated records."""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from cotally.server.engines.postgres import session, synthetic
from cotally.server.model.query import Predicate
from tests.postgres import Server
from tests.unit.server.engines import reference
from tests.unit.server.engines.plans import COLUMNS, table
from tests.unit.server.engines.test_measure import (
    BLOCKS,
    SALT,
    Records,
    predicates,
    prepare,
    records_strategy,
)


@pytest.fixture(scope="module")
def connection(server: Server) -> Iterator[session.Connection]:
    with session.connect(server.url("reader")) as opened:
        yield opened


def equals_the_reference(
    connection: session.Connection, records: Records, keys: tuple[str, ...], unit: str | None, k: int, g: int,
    where: Predicate | None,
) -> None:
    source = table(COLUMNS, unit=unit, k=1 if unit is None else k, g=g)
    asked, made = prepare(keys, source, BLOCKS, where=where)
    legal = [{name: text.replace("\0", "") for name, text in record.items()} for record in records]
    expected = reference.measure(legal, asked, source, made, SALT)
    assert synthetic.measure(connection, legal, asked, source, made, SALT) == expected


questions = given(
    records=records_strategy,
    keys=st.sampled_from([(), ("city",), ("code", "city")]),
    unit=st.sampled_from(["pid", "pid", None]),
    k=st.integers(1, 3),
    g=st.integers(1, 4),
    where=st.none() | predicates,
)
several = settings(max_examples=40, deadline=None,
                   suppress_health_check=[HealthCheck.function_scoped_fixture])
many = settings(several, max_examples=600)
test_equals_the_design_read_aloud = several(
    example(records=[], keys=("city",), unit="pid", k=1, g=1, where=None)(questions(equals_the_reference)))
test_equals_the_design_read_aloud_at_length = pytest.mark.slow(many(questions(equals_the_reference)))
