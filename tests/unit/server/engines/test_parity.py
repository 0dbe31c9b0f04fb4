"""The parity check sees an engine that differs, in every question that shows it, and no other."""

from collections.abc import Sequence
from fractions import Fraction

import pytest

from cotally.server.engines import parity
from cotally.server.engines.duckdb import synthetic
from cotally.server.engines.parity import Record
from cotally.server.model.catalog import Table
from cotally.server.model.plan import Plan, Rules
from cotally.server.model.query import Query
from tests.unit.server.engines.plans import AGE, CITY, COLUMNS, DAY, INCOME, table

RULES = Rules(colluding=1, delta=Fraction(1, 10**6), tick_ms=50, round_ms=20_000, modulus_bits=2048)
SMALL = table([AGE, INCOME, CITY, DAY], k=2, g=2)


def test_records_are_the_same_every_time_and_reach_every_edge() -> None:
    made = parity.records(table(COLUMNS))
    assert made == parity.records(table(COLUMNS))
    assert len(made) == parity.ROWS
    for column in COLUMNS:
        cells = {record[column.name] for record in made}
        assert "" in cells and "NaN" in cells and "9" * 30 in cells
    assert {"e\u0301", "é"} <= {record["city"] for record in made}


@pytest.mark.parametrize("edge", ["-0.0", "e\u0301", "inf"])
def test_an_engine_that_mistakes_one_cell_is_found(edge: str) -> None:
    def mistaken(records: Sequence[Record], query: Query, held: Table, plan: Plan, salt: bytes) -> list[int]:
        wrong = [{n: "" if t == edge else t for n, t in record.items()} for record in records]
        return synthetic.measure(wrong, query, held, plan, salt)

    few = table([INCOME, CITY] if edge != "inf" else [AGE], k=2, g=2)
    assert parity.differences(few, RULES, mistaken, synthetic.measure)


def test_an_engine_agrees_with_itself() -> None:
    few = table([AGE, CITY], k=2, g=2)
    assert parity.differences(few, RULES, synthetic.measure, synthetic.measure) == []
