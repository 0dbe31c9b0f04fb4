"""Real microdata: every record counted once, repeats bounded, records without an id left out."""

import csv
from fractions import Fraction
from pathlib import Path

import pytest

from cotally.server.engines.duckdb.engine import DuckDB
from cotally.server.model.catalog import Column, ColumnType, Table
from cotally.server.model.plan import BlockKind
from cotally.server.model.query import Comparison, Operator
from tests.unit.server.engines import reference
from tests.unit.server.engines.plans import block, plan, query, table

PUMS = Path(__file__).parents[5] / "shared" / "data" / "pums"
pytestmark = pytest.mark.skipif(not PUMS.is_dir(), reason="the PUMS samples are not beside the checkout")

AGE = Column("age", ColumnType.INTEGER, upper=Fraction(100))
INCOME = Column("income", ColumnType.FLOAT, upper=Fraction(200_000))
SEX = Column("sex", ColumnType.CATEGORY, codes=("0", "1"), other=True, integer_codes=True)
EDUC = Column(
    "educ", ColumnType.CATEGORY, codes=tuple(str(i) for i in range(1, 17)), other=True, integer_codes=True
)
BLOCKS = [
    block(BlockKind.COUNT),
    block(BlockKind.COUNT, INCOME),
    block(BlockKind.SUM, INCOME, refinement=11),
    block(BlockKind.CENTRED_SUM, AGE),
]


def pums(k: int, g: int, unit: str | None = "pid") -> Table:
    return table([AGE, INCOME, SEX, EDUC], unit=unit, k=k, g=g)


@pytest.mark.parametrize("name", ["PUMS_pid", "PUMS_dup", "PUMS_null"])
@pytest.mark.parametrize(("k", "g"), [(1, 1), (2, 3)])
def test_equals_the_design_read_aloud(tmp_path: Path, name: str, k: int, g: int) -> None:
    source = pums(k, g)
    with (PUMS / f"{name}.csv").open(newline="") as file:
        records = list(csv.DictReader(file))
    engine = DuckDB(tmp_path)
    assert engine.snapshot(source, PUMS / f"{name}.csv").rows == len(records)
    asked = query("sex", "educ", where=Comparison("age", Operator.GE, 21))
    made = plan(3 * 17, *BLOCKS)
    assert engine.measure(asked, source, made, b"s") == reference.measure(records, asked, source, made, b"s")


def counted(tmp_path: Path, name: str, source: Table) -> int:
    engine = DuckDB(tmp_path)
    engine.snapshot(source, PUMS / f"{name}.csv")
    return engine.measure(query(), source, plan(1, block(BlockKind.COUNT)), b"s")[0]


def people(name: str) -> set[str]:
    with (PUMS / f"{name}.csv").open(newline="") as file:
        return {record["pid"] for record in csv.DictReader(file)} - {""}


def test_people_who_repeat_count_once(tmp_path: Path) -> None:
    assert counted(tmp_path, "PUMS_dup", pums(1, 1)) == len(people("PUMS_dup")) < 1948


def test_records_without_an_id_leave_and_the_operator_is_told(tmp_path: Path) -> None:
    engine = DuckDB(tmp_path)
    report = engine.snapshot(pums(1, 1), PUMS / "PUMS_null.csv")
    assert "PUMS_null.csv: 88 records have no pid and leave" in report.notes
    assert counted(tmp_path, "PUMS_null", pums(1, 1)) == len(people("PUMS_null"))


def test_events_count_each(tmp_path: Path) -> None:
    assert counted(tmp_path, "PUMS_dup", pums(1, 1, unit=None)) == 1948
