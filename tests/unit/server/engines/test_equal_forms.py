"""DuckDB keeps the same rows of any table for a condition and for its form, odd cells and all."""

import random
from dataclasses import replace
from pathlib import Path

from hypothesis import given, settings

from cotally.server.engines.duckdb.engine import DuckDB
from cotally.server.model.catalog import Column, ColumnType
from cotally.server.model.plan import BlockKind
from cotally.server.wire.query import from_message
from cotally.v1.query_pb2 import MECHANISM_GAUSSIAN, Predicate, PrivacyClause, Query
from tests.unit.server.engines.plans import block, plan, query, table, write_csv
from tests.unit.server.wire.conditions import form, predicates

_ODD = ("", "nan", "NaN", "null", "x", "inf", "-Infinity", "1e400", "-0.0", "0.0", "0.5", "1", "1.0", "1.5",
        "1.25", "+2", " 2 ", "3", "-1", "-0.5", "12.5", "101", "9" * 30, "-" + "9" * 30, str(2**63 - 1))
_DAYS = ("", "x", "0001-01-01", "2004-02-27", "2004-02-28", "2004-02-29", "2004-03-01", "2004-3-1",
         "9999-12-31", "infinity", "2004-02-30")
_PRICE = PrivacyClause(rho="1", confidence="0.95", mechanism=MECHANISM_GAUSSIAN)
_ROWS = 300
_NAMES = ("age", "income", "born", "sex", "row")
_HELD = table([
    Column("age", ColumnType.INTEGER), Column("income", ColumnType.FLOAT), Column("born", ColumnType.DATE),
    Column("sex", ColumnType.CATEGORY, codes=("0", "1")),
    Column("row", ColumnType.CATEGORY, codes=tuple(map(str, range(_ROWS))))], unit=None)


def test_a_form_keeps_the_rows_that_the_condition_keeps(tmp_path: Path) -> None:
    """Every row is a group of its own, so the vector says which ones are kept."""
    chance = random.Random(31)
    records = [{"age": chance.choice(_ODD), "income": chance.choice(_ODD), "born": chance.choice(_DAYS),
                "sex": chance.choice(("0", "1", "", "unlisted")), "row": str(at)} for at in range(_ROWS)]
    engine = DuckDB(tmp_path / "state")
    engine.snapshot(_HELD, write_csv(tmp_path / "people.csv", _NAMES, records))
    asked, counted = query("row"), plan(_ROWS, block(BlockKind.COUNT))

    def kept(where: Predicate) -> list[int]:
        read = from_message(Query(table="people", where=where, privacy=_PRICE)).where
        return engine.measure(replace(asked, where=read), _HELD, counted, b"salt")

    reached = set()

    @settings(max_examples=40, deadline=None, derandomize=True)
    @given(predicates)
    def same(where: Predicate) -> None:
        found = kept(where)
        assert kept(form(where)) == found
        reached.add(sum(found))

    same()
    assert len(reached) > 10  # conditions that tell rows apart
