"""Every statistic, key, bound, weight and join, as planned: the engine against the design read aloud."""

import tempfile
from dataclasses import replace
from datetime import date
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cotally.server.engines.compile import compile_measurement
from cotally.server.engines.duckdb.engine import DuckDB
from cotally.server.model.catalog import Column, ColumnType, Table
from cotally.server.model.plan import BlockKind, Plan, Rules
from cotally.server.model.query import (
    ColumnBounds,
    Comparison,
    Derivation,
    DerivedKey,
    Join,
    Mechanism,
    Operator,
    Privacy,
    Query,
    Statistic,
    StatisticKind,
    Target,
)
from cotally.server.planner.plan import make_plan
from cotally.server.planner.scope import effective
from tests.unit.server.engines import reference
from tests.unit.server.engines.plans import CITY, CODE, write_csv

SALT = b"\x01salt"
RULES = Rules(colluding=0, delta=Fraction(1, 10**6), tick_ms=50, round_ms=20_000, modulus_bits=3072)
AGE = Column("age", ColumnType.INTEGER, upper=Fraction(100))
INCOME = Column(
    "income", ColumnType.FLOAT, lower=Fraction(-3, 2), upper=Fraction(10), resolution=Fraction(1, 4)
)
WIDE = Column("wide", ColumnType.INTEGER, False, Fraction(-(2**40)), Fraction(2**41))
DAY = Column("day", ColumnType.DATE, first=date(2023, 11, 5), last=date(2024, 2, 29))
WEIGHT = Column("w", ColumnType.FLOAT, upper=Fraction(2), resolution=Fraction(1, 4), weight=True)
COLUMNS = (AGE, INCOME, WIDE, CITY, CODE, DAY, WEIGHT)
HEADER = ["pid", *(column.name for column in COLUMNS)]

NUMBERS = ["", "nan", "inf", "-Infinity", "-0.0", "0", "1", "37", "12.5", "1e1", "x", "0.375"]
cells = {
    "pid": st.sampled_from(["1", "2", "3", "李", "", "NaN"]),
    "age": st.sampled_from(NUMBERS) | st.integers(-10, 110).map(str),
    "income": st.sampled_from(NUMBERS) | st.floats(-3, 12).map(repr),
    "wide": st.sampled_from(NUMBERS) | st.integers(-(2**42), 2**42).map(str),
    "city": st.sampled_from(["北京", "é", "o'c", "other", ""]),
    "code": st.sampled_from(["0", "1", "2", ""]),
    "day": st.sampled_from(
        ["2023-11-04", "2023-11-05", "2023-12-31", "2024-01-01", "2024-02-29", "2024-03-01", ""]
    ),
    "w": st.sampled_from(NUMBERS) | st.floats(-1, 3).map(repr),
}
records_strategy = st.lists(st.fixed_dictionaries(cells), max_size=25)

K = StatisticKind
STATISTICS = (
    Statistic("n", K.COUNT_ROWS),
    Statistic("filled", K.COUNT, "day"),
    Statistic("mean", K.MEAN, "income"),
    Statistic("weighted n", K.COUNT, "age", weight="w"),
    Statistic("weighted sum", K.SUM, "age", weight="w"),
    Statistic("weighted mean", K.MEAN, "income", weight="w"),
    Statistic("var", K.VARIANCE, "income"),
    Statistic("sd", K.STDDEV, "wide"),
    Statistic("covar", K.COVAR, "age", ("wide",)),
    Statistic("corr", K.CORR, "income", ("age",)),
    Statistic("regr", K.REGR, "income", ("age", "wide")),
    Statistic("histogram", K.HISTOGRAM, "age", bins=7),
    Statistic("median", K.QUANTILE, "income", quantile=Fraction(1, 2), bins=8),
    Statistic("suggested", K.SUGGEST_BOUNDS, "wide"),
)
OF_PERSONS = (
    Statistic("persons", K.PERSONS),
    Statistic("low", K.CLIPPED_LOW, "income"),
    Statistic("high", K.CLIPPED_HIGH, "age"),
    Statistic("cut", K.TRUNCATED),
)
DERIVED = {
    "bin": DerivedKey("bin", Derivation.BIN, "income", Fraction(5, 2)),
    "age10": DerivedKey("age10", Derivation.BIN, "age", Fraction(10), other=True),
    "year": DerivedKey("year", Derivation.YEAR, "day"),
    "month": DerivedKey("month", Derivation.MONTH, "day", other=True),
    "quarter": DerivedKey("quarter", Derivation.QUARTER, "day"),
}
KEYS = [(), ("city",), ("bin",), ("age10", "code"), ("year", "month"), ("quarter",)]


def table(k: int, g: int, unit: str | None = "pid", **more: object) -> Table:
    """A table of one holder."""
    made = Table(
        name="people",
        population="residents",
        unit=unit,
        overlap=1,
        rows_per_person=k,
        groups_per_person=g,
        expected_people=1000,
        max_people=1000,
        min_departments=1,
        vintage="2026",
        columns=COLUMNS,
        holders=("north",),
    )
    return replace(made, **more)  # type: ignore[arg-type]


def ask(statistics: tuple[Statistic, ...], keys: tuple[str, ...], **more: object) -> Query:
    """A query with the derived keys that it names."""
    made = Query(
        "people",
        keys,
        statistics,
        None,
        Privacy(Target.RHO, Fraction(1), Fraction(19, 20), Mechanism.GAUSSIAN),
        derived=tuple(DERIVED[key] for key in keys if key in DERIVED),
    )
    return replace(made, **more)  # type: ignore[arg-type]


def measured(
    records: list[dict[str, str]], query: Query, scope: Table, plan: Plan, stored: Table
) -> list[int]:
    """The engine's vector over *records*, stored under the catalog's table."""
    with tempfile.TemporaryDirectory() as folder:
        engine = DuckDB(Path(folder) / "state")
        engine.snapshot(stored, write_csv(Path(folder) / "north.csv", HEADER, records))
        return engine.measure(query, scope, plan, SALT)


def equals_the_reference(
    records: list[dict[str, str]],
    statistics: list[Statistic],
    keys: tuple[str, ...],
    k: int,
    g: int,
    unit: str | None,
    bounds: tuple[ColumnBounds, ...],
) -> None:
    stored = table(1, 1, None) if unit is None else table(k, g)
    asked = tuple(s for s in statistics if unit is not None or s not in OF_PERSONS) or STATISTICS[:1]
    query = ask(asked, keys, bounds=bounds, where=Comparison("age", Operator.NE, 37))
    scope = effective(query, stored, ())
    plan = make_plan(query, scope, RULES)
    expected = reference.measure(records, query, scope, plan, SALT)
    assert measured(records, query, scope, plan, stored) == expected


questions = given(
    records=records_strategy,
    statistics=st.lists(st.sampled_from((*STATISTICS, *OF_PERSONS)), min_size=1, max_size=5, unique=True),
    keys=st.sampled_from(KEYS),
    k=st.integers(1, 3),
    g=st.integers(1, 4),
    unit=st.sampled_from(["pid", "pid", None]),
    bounds=st.sampled_from(
        [
            (),
            (
                ColumnBounds("income", Fraction(0), Fraction(21, 4)),
                ColumnBounds("age", Fraction(10), Fraction(90)),
            ),
        ]
    ),
)
test_every_statistic_equals_the_design_read_aloud = settings(max_examples=20, deadline=None)(
    questions(equals_the_reference)
)
test_every_statistic_equals_the_design_read_aloud_at_length = pytest.mark.slow(
    settings(max_examples=400, deadline=None)(questions(equals_the_reference))
)


def person(pid: str = "1", **known: str) -> dict[str, str]:
    return {**dict.fromkeys(HEADER, ""), "pid": pid, "wide": "0", **known}


def vector(
    records: list[dict[str, str]], *statistics: Statistic, keys: tuple[str, ...] = (), k: int = 1, g: int = 1
) -> list[int]:
    """The unrefined vector."""
    query, stored = ask(statistics, keys), table(k, g)
    scope = effective(query, stored, ())
    plan = make_plan(query, scope, RULES)
    found = measured(records, query, scope, plan, stored)
    return [
        value // block.refinement
        for block in plan.blocks
        for value in found[block.offset : block.offset + block.cells]
    ]


def test_a_persons_leaves_add_up_to_what_the_person_counts_for() -> None:
    histogram = Statistic("h", K.HISTOGRAM, "age", bins=10)
    ages = [person(age=str(age)) for age in (5, 15, 15, 25, 95)]
    assert vector(ages, histogram, k=5) == [1, 2, 1, 0, 0, 0, 0, 0, 0, 1]
    assert vector(ages, histogram, k=2) == [0, 1, 1, 0, 0, 0, 0, 0, 0, 0]  # 0.4, 1.2, 1.6, 2 rounded
    assert vector(ages, histogram, k=1) == [0, 1, 0, 0, 0, 0, 0, 0, 0, 0]


def test_parents_add_their_leaves() -> None:
    tree = Statistic("q", K.QUANTILE, "age", quantile=Fraction(1, 2), bins=4)
    records = [person(str(i), age=str(age)) for i, age in enumerate([0, 20, 30, 60, 100, 100])]
    assert vector(records, tree) == [3, 3, 2, 1, 1, 2]


def test_a_product_is_of_rows_that_have_both_values() -> None:
    covar = Statistic("c", K.COVAR, "age", ("income",))
    records = [person("1", age="60", income="9.25"), person("2", age="", income="3"), person("3", age="4")]
    count, age, income, product = vector(records, covar)
    middle = Fraction(-3, 2) + Fraction(1, 4) * 23
    assert (count, age) == (1, 10)
    assert income == (Fraction(37, 4) - middle) / Fraction(1, 4)
    assert product == age * income


def test_persons_count_once_in_each_kept_group() -> None:
    records = [person(p, city=c) for p in "12" for c in ("北京", "é", "é")]
    assert vector(records, OF_PERSONS[0], keys=("city",), g=4) == [2, 2, 0, 0]
    assert sum(vector(records, OF_PERSONS[0], keys=("city",), g=1)) == 2


def test_whom_bounds_change_is_counted_by_person() -> None:
    records = [person("1", age="-1"), person("1", age="101"), person("2", age="0"), person("3", age="100")]
    statistics = (Statistic("a", K.CLIPPED_LOW, "age"), Statistic("b", K.CLIPPED_HIGH, "age"), OF_PERSONS[3])
    assert vector(records, *statistics) == [3, 1, 1, 1]
    assert vector(records, *statistics, k=2) == [3, 1, 1, 0]


def test_whose_rows_are_all_beyond_the_bounds_counts_once() -> None:
    records = [person("1", age="-1"), person("1", age="-2"), person("1", age="101"), person("1", age="102")]
    statistics = (Statistic("a", K.CLIPPED_LOW, "age"), Statistic("b", K.CLIPPED_HIGH, "age"), OF_PERSONS[3])
    assert vector(records, *statistics) == [1, 1, 1, 1]


def test_all_passes_keep_the_same_groups_of_a_person() -> None:
    statistics = (STATISTICS[0], Statistic("h", K.HISTOGRAM, "age", bins=1))
    records = [person(f"p{i}", city=c, age="3") for i in range(30) for c in ("北京", "é", "o'c")]
    found = vector(records, *statistics, keys=("city",))
    assert found[:4] == found[4:] and sum(found[:4]) == 30


def test_coarse_units_are_used_where_squares_would_not_fit() -> None:
    plan = make_plan(ask((STATISTICS[7],), ()), table(1, 1), RULES)
    assert {block.coarse > 1 for block in plan.blocks[1:]} == {True}
    square = plan.blocks[2]
    assert square.kind is BlockKind.PRODUCT and 2**52 < square.high < 2**61


VISITS = Table(
    name="visits",
    population="residents",
    unit="pid",
    overlap=2,
    rows_per_person=2,
    groups_per_person=2,
    expected_people=500,
    max_people=500,
    min_departments=1,
    vintage="v7",
    columns=(Column("cost", ColumnType.INTEGER, upper=Fraction(50)), CODE),
    holders=("north", "south"),
)
JOINED = Query(
    "visits",
    ("people.city",),
    (
        Statistic("n", K.COUNT_ROWS),
        Statistic("r", K.CORR, "visits.cost", ("people.age",)),
        Statistic("h", K.HISTOGRAM, "people.age", bins=3),
        Statistic("p", K.PERSONS),
    ),
    Comparison("visits.code", Operator.EQ, "1"),
    Privacy(Target.RHO, Fraction(1), Fraction(19, 20), Mechanism.GAUSSIAN),
    joins=(Join("people", "pid"),),
    bounds=(ColumnBounds("visits.cost", Fraction(0), Fraction(20)),),
)


@given(
    visits=st.lists(
        st.fixed_dictionaries(
            {
                "pid": cells["pid"],
                "cost": cells["age"],
                "code": cells["code"],
            }
        ),
        max_size=15,
    ),
    people=records_strategy,
)
@settings(max_examples=8, deadline=None)
def test_bounding_comes_after_the_join(visits: list[dict[str, str]], people: list[dict[str, str]]) -> None:
    holding = table(3, 4)
    scope = effective(JOINED, VISITS, (holding,))
    plan = make_plan(JOINED, scope, RULES)
    pairs = [
        {
            "pid": v["pid"],
            **{f"visits.{name}": v[name] for name in ("cost", "code")},
            **{f"people.{name}": p[name] for name in HEADER[1:]},
        }
        for v in visits
        for p in people
        if v["pid"] == p["pid"]
    ]
    expected = reference.measure(pairs, JOINED, scope, plan, SALT)
    with tempfile.TemporaryDirectory() as folder:
        engine = DuckDB(Path(folder) / "state")
        engine.snapshot(VISITS, write_csv(Path(folder) / "visits.csv", ["pid", "cost", "code"], visits))
        engine.snapshot(holding, write_csv(Path(folder) / "people.csv", HEADER, people))
        engine.open(scope)
        assert engine.measure(JOINED, scope, plan, SALT) == expected


@pytest.mark.parametrize("dialect", ["duckdb", "postgres", "spark"])
def test_every_pass_can_be_written_in_every_dialect(dialect: str) -> None:
    query = ask((*STATISTICS, *OF_PERSONS), ("age10", "month"))
    scope = effective(query, table(2, 2), ())
    passes = compile_measurement(query, scope, make_plan(query, scope, RULES), SALT)
    assert [each.of_leaves for each in passes] == [False, True, True, True]
    for each in passes:
        assert SALT.hex() not in each.tree.sql(dialect) + repr(each)
