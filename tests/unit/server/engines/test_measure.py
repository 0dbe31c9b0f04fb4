"""The engine's vector against an independent calculation, and the sensitivity it promises."""

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from fractions import Fraction
from itertools import product
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cotally.server.engines.duckdb.engine import DuckDB
from cotally.server.model.catalog import Column, ColumnType, Table
from cotally.server.model.plan import Block, BlockKind, Plan
from cotally.server.model.query import All, Any, Comparison, Membership, Not, NullTest, Operator, Predicate
from cotally.v1.refusals import Misconfigured, Refusal, Refused
from tests.unit.server.engines import reference
from tests.unit.server.engines.plans import (
    AGE,
    BIG,
    CITY,
    CODE,
    COLUMNS,
    DAY,
    INCOME,
    block,
    plan,
    query,
    table,
    write_csv,
)

SALT = b"\x00\xffsalt"
HEADER = ["pid", *(c.name for c in COLUMNS)]
Records = Sequence[dict[str, str]]

NUMBERS = [
    "",
    "0",
    "1",
    "37",
    "101",
    "-1",
    "12.0",
    "12.5",
    "1e1",
    "-0.0",
    "inf",
    "-Infinity",
    "nan",
    "x",
    "0.375",
]
cells = {
    "pid": st.sampled_from(["1", "1.0", "2", "3", "李", "", "NaN", " a"]),
    "age": st.sampled_from(NUMBERS) | st.integers(-10, 110).map(str),
    "income": st.sampled_from(NUMBERS) | st.floats(-3, 12).map(repr),
    "big": st.sampled_from(NUMBERS) | st.integers(-(2**64), 2**64).map(str),
    "city": st.sampled_from(["北京", "é", "e\u0301", "o'c", "other", "", "NULL"]),
    "code": st.sampled_from(["0", "1", "1.0", "01", "+0", "-0", "2", "", " 1"]),
    "day": st.sampled_from(["2024-02-29", "2023-02-29", "1999-1-2", "infinity", "", "0000-01-01"]),
}
records_strategy = st.lists(st.fixed_dictionaries(cells), max_size=25)

operators = st.sampled_from(list(Operator))
leaves: st.SearchStrategy[Predicate] = st.one_of(
    st.builds(NullTest, st.sampled_from([c.name for c in COLUMNS])),
    st.builds(Comparison, st.sampled_from(["age", "big"]), operators, st.integers(-(2**63), 2**63 - 1)),
    st.builds(
        Comparison,
        st.sampled_from(["age", "income", "big"]),
        operators,
        st.sampled_from([0, 1, 12, 37, Fraction(25, 2), Fraction(-1, 2), Fraction(3, 8), 10**30]),
    ),
    st.builds(Comparison, st.just("city"), operators, st.sampled_from(["北京", "é", "o'c"])),
    st.builds(Comparison, st.just("day"), operators, st.just(date(2024, 2, 29))),
    st.builds(Membership, st.sampled_from(["age", "income"]), st.just((1, Fraction(25, 2), Fraction(3, 8)))),
    st.builds(Membership, st.just("code"), st.just(("0", "7"))),
)
predicates = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds(Not, inner),
        st.lists(inner, min_size=2, max_size=3).map(lambda x: All(tuple(x))),
        st.lists(inner, min_size=2, max_size=3).map(lambda x: Any(tuple(x))),
    ),
    max_leaves=5,
)
BLOCKS = (
    block(BlockKind.COUNT),
    block(BlockKind.COUNT, DAY),
    block(BlockKind.COUNT, INCOME, refinement=3),
    block(BlockKind.SUM, AGE),
    block(BlockKind.SUM, INCOME, refinement=7),
    block(BlockKind.CENTRED_SUM, INCOME),
    block(BlockKind.SUM, BIG),
    block(BlockKind.CENTRED_SUM, BIG),
)


def ask(
    records: Records, keys: tuple[str, ...], source: Table, blocks: Sequence[Block], **more: object
) -> list[int]:
    """The engine's vector over *records*, through a file and a snapshot."""
    asked, made = prepare(keys, source, blocks, **more)
    with tempfile.TemporaryDirectory() as folder:
        engine = DuckDB(Path(folder) / "state")
        engine.snapshot(source, write_csv(Path(folder) / "north.csv", HEADER, records))
        return engine.measure(asked, source, made, SALT)


def prepare(keys: tuple[str, ...], source: Table, blocks: Sequence[Block], **more: object):  # type: ignore[no-untyped-def]
    """A query and a plan for it."""
    sizes = [len(column.keys) for name in keys if (column := source.column(name)) is not None]
    groups = 1
    for size in sizes:
        groups *= size
    return query(*keys, **more), plan(groups, *blocks)  # type: ignore[arg-type]


def equals_the_reference(
    records: Records, keys: tuple[str, ...], unit: str | None, k: int, g: int, where: Predicate | None
) -> None:
    source = table(COLUMNS, unit=unit, k=1 if unit is None else k, g=g)
    asked, made = prepare(keys, source, BLOCKS, where=where)
    expected = reference.measure(records, asked, source, made, SALT)
    assert ask(records, keys, source, BLOCKS, where=where) == expected


questions = given(
    records=records_strategy,
    keys=st.sampled_from([(), ("city",), ("code", "city")]),
    unit=st.sampled_from(["pid", "pid", None]),
    k=st.integers(1, 3),
    g=st.integers(1, 4),
    where=st.none() | predicates,
)
test_equals_the_design_read_aloud = settings(max_examples=25, deadline=None)(
    example(records=[], keys=("city",), unit="pid", k=1, g=1, where=None)(questions(equals_the_reference))
)
test_equals_the_design_read_aloud_at_length = pytest.mark.slow(
    settings(max_examples=200, deadline=None)(questions(equals_the_reference))
)


@settings(max_examples=8, deadline=None)
@given(
    records=records_strategy,
    own=st.lists(st.fixed_dictionaries(cells), min_size=1, max_size=8),
    k=st.integers(1, 3),
    g=st.integers(1, 3),
    keys=st.sampled_from([(), ("city",), ("code", "city")]),
)
def test_one_person_moves_a_block_by_at_most_its_sensitivity(
    records: Records, own: Records, k: int, g: int, keys: tuple[str, ...]
) -> None:
    source = table(COLUMNS, k=k, g=g)
    without = [r for r in records if r["pid"] != "somebody"]
    joined = [*without, *({**r, "pid": "somebody"} for r in own)]
    _, made = prepare(keys, source, BLOCKS)
    before, after = ask(without, keys, source, BLOCKS), ask(joined, keys, source, BLOCKS)
    for b in made.blocks:
        declared = source.column(b.column)
        units = declared.units if declared is not None and b.factor else 0
        largest = max(abs(b.shift), abs(b.factor * units + b.shift))
        reached = min(g, b.cells)
        moved = [after[i] - before[i] for i in range(b.offset, b.offset + b.cells)]
        assert sum(map(abs, moved)) <= reached * k * largest * b.refinement
        assert sum(x * x for x in moved) <= reached * (k * largest * b.refinement) ** 2


def person(pid: str = "1", **known: str) -> dict[str, str]:
    return {**dict.fromkeys(HEADER, ""), "pid": pid, **known}


@pytest.mark.parametrize(("operator", "kept"), [
    (Operator.LT, 2), (Operator.LE, 2), (Operator.GT, 1), (Operator.GE, 1),
    (Operator.EQ, 0), (Operator.NE, 3),
])  # fmt: skip
def test_a_bound_between_two_integers_splits_them(operator: Operator, kept: int) -> None:
    records = [person(str(i), age=age) for i, age in enumerate(["11", "12", "13", ""])]
    where = Comparison("age", operator, Fraction(25, 2))
    assert ask(records, (), table(COLUMNS), [block(BlockKind.COUNT)], where=where) == [kept]


def test_the_sensitivity_is_reached_and_no_less_would_do() -> None:
    everywhere = [person(city=c, age="100") for c in ("北京", "é", "o'c", "elsewhere") for _ in range(5)]
    vector = ask(everywhere, ("city",), table(COLUMNS, k=2, g=3), [block(BlockKind.SUM, AGE)])
    assert sorted(vector) == [0, 200, 200, 200]


def test_a_plan_without_more_than_g_groups_keeps_them_all() -> None:
    everywhere = [person(city=c) for c in ("北京", "é", "o'c", "elsewhere")]
    assert ask(everywhere, ("city",), table(COLUMNS, g=4), [block(BlockKind.COUNT)]) == [1, 1, 1, 1]


def test_the_salt_chooses_a_persons_groups() -> None:
    source = table(COLUMNS, g=1)
    everywhere = [person(f"p{i}", city=c) for i in range(40) for c in ("北京", "é")]
    asked, made = prepare(("city",), source, [block(BlockKind.COUNT)])
    with tempfile.TemporaryDirectory() as folder:
        engine = DuckDB(Path(folder))
        engine.snapshot(source, write_csv(Path(folder) / "north.csv", HEADER, everywhere))
        vectors = {tuple(engine.measure(asked, source, made, bytes([i]) * 16)) for i in range(4)}
    assert all(sum(v) == 40 for v in vectors)
    assert len(vectors) > 1


@pytest.mark.parametrize(("ages", "k", "expected"), [
    (["1", "2"], 1, 2),           # 1.5 rounds up
    (["1", "1", "2"], 1, 1),      # 4/3
    (["1", "1", "2"], 2, 3),      # 8/3
    (["1", "1", "2"], 3, 4),
    (["", "7"], 1, 7),            # NULL leaves the statistic
    (["", ""], 1, 0),
])  # fmt: skip
def test_a_person_counts_as_min_n_k_average_rows(ages: list[str], k: int, expected: int) -> None:
    records = [person(age=age) for age in ages]
    assert ask(records, (), table(COLUMNS, k=k), [block(BlockKind.SUM, AGE)]) == [expected]


def test_negative_averages_round_half_up_not_towards_zero() -> None:
    low = Column("age", ColumnType.INTEGER, lower=Fraction(-10), upper=Fraction(10))
    source = table([low, *COLUMNS[1:]])
    for ages, expected in [(["-1", "-2"], -1), (["-3", "-4", "-4"], -4), (["-1", "0"], 0)]:
        assert ask([person(age=a) for a in ages], (), source, [block(BlockKind.SUM, low)]) == [expected]


def test_a_crowd_of_rows_of_one_person_overflows_nothing() -> None:
    records = [person(big=str(2**63 - 1)) for _ in range(3000)]
    blocks = [block(BlockKind.SUM, BIG), block(BlockKind.CENTRED_SUM, BIG)]
    assert ask(records, (), table(COLUMNS, k=2), blocks) == [2 * (2**63 - 1), 2 * (2**64 - 1)]


def test_sums_that_publicly_fit_64_bits_survive_rows_that_do_not() -> None:
    wide = replace(BIG, lower=Fraction(0), upper=Fraction(2**61))
    source = table([c if c is not BIG else wide for c in COLUMNS])
    records = [person(str(i % 3), big=str(2**62)) for i in range(300)]
    assert ask(records, (), source, [block(BlockKind.SUM, wide)]) == [3 * 2**61]


@pytest.mark.parametrize("exponent", [20, 40, 57, 59, 60])
@pytest.mark.parametrize("k", [1, 3])
def test_averages_are_exact_on_both_sides_of_64_bits(exponent: int, k: int) -> None:
    wide = replace(BIG, lower=Fraction(-7), upper=Fraction(2**exponent))
    source = table([c if c is not BIG else wide for c in COLUMNS], k=k)
    records = [person(str(n), big=str(2**exponent - i * n)) for n in range(1, 40) for i in range(n)]
    asked, made = prepare((), source, [block(BlockKind.SUM, wide), block(BlockKind.CENTRED_SUM, wide)])
    assert ask(records, (), source, made.blocks) == reference.measure(records, asked, source, made, SALT)


def test_refines_then_clamps_to_the_caps() -> None:
    records = [person(str(i)) for i in range(10)]
    capped = block(BlockKind.COUNT, refinement=5, cap=32)
    assert ask(records, (), table(COLUMNS), [capped]) == [32]


def test_codes_that_are_equal_in_nfc_do_not_count_a_row_twice() -> None:
    twins = replace(CITY, codes=("é", "e\u0301"), other=False)
    source = table([twins if c is CITY else c for c in COLUMNS], g=2)
    assert sum(ask([person(city="é")], ("city",), source, [block(BlockKind.COUNT)])) == 1


def test_sums_wider_than_128_bits_are_refused_by_name() -> None:
    huge = replace(INCOME, upper=Fraction(10**32))
    source = table([huge if c is INCOME else c for c in COLUMNS])
    with pytest.raises(Refused, match="income") as refused:
        ask([], (), source, [block(BlockKind.SUM, huge)])
    assert refused.value.refusal is Refusal.UNSUPPORTED


def test_float_units_stay_within_zero_and_m() -> None:
    odd = replace(INCOME, lower=Fraction(1, 10), upper=Fraction(7, 10), resolution=Fraction(3, 100))
    source = table([odd if c is INCOME else c for c in COLUMNS], unit=None)
    records = [person(income=x) for x in ("inf", "0.7", "0.71", "0.1", "-inf", "0.115", "0.114999")]
    asked, made = prepare((), source, [block(BlockKind.CENTRED_SUM, odd)])
    expected = reference.measure(records, asked, source, made, SALT)
    assert ask(records, (), source, made.blocks) == expected


@pytest.mark.parametrize("upper, value, units", [
    (Fraction(106, 10), "10.6", 10),
    (Fraction(2**54 - 1), "1e300", 2**54 - 1),  # the nearest double is 2^54
])
def test_a_last_step_that_rounds_beyond_m_is_cut_to_m(upper: Fraction, value: str, units: int) -> None:
    odd = replace(INCOME, lower=Fraction(0), upper=upper, resolution=Fraction(1))
    source = table([odd if c is INCOME else c for c in COLUMNS])
    assert odd.units == units
    assert ask([person(income=value)], (), source, [block(BlockKind.SUM, odd)]) == [units]


def test_nothing_is_cut_from_a_double_that_does_not_fit_the_integer() -> None:
    """Around 2^99 doubles lie 2^47 apart, more of these steps than 64 bits hold: a planner's care aside."""
    middle, resolution = 2**99 + 2**46, Fraction(1, 10**6)
    far = replace(INCOME, lower=Fraction(middle - 1000), upper=Fraction(middle + 1000), resolution=resolution)
    source = table([far])
    for value, worth in (("1e300", far.units), ("-1e300", -far.units), ("inf", far.units)):
        assert ask([person(income=value)], (), source, [block(BlockKind.CENTRED_SUM, far)]) == [worth]


def test_a_vintage_that_was_never_made_is_named(tmp_path: Path) -> None:
    asked, made = prepare((), table(COLUMNS), [block(BlockKind.COUNT)])
    with pytest.raises(Misconfigured, match=r"people.*2026"):
        DuckDB(tmp_path).measure(asked, table(COLUMNS), made, SALT)


def test_the_query_prints_no_salt() -> None:
    from cotally.server.engines.compile import compile_measurement

    asked, made = prepare(("city",), table(COLUMNS), [block(BlockKind.COUNT)])
    assert SALT.hex() not in repr(compile_measurement(asked, table(COLUMNS), made, SALT))


def test_every_value_of_the_analyst_and_the_catalog_is_bound() -> None:
    from cotally.server.engines.compile import compile_measurement

    hostile = "x'); DROP TABLE records; --"
    city = replace(CITY, codes=(hostile,))
    source = table([city, AGE])
    where = All((Comparison("city", Operator.EQ, hostile), Comparison("age", Operator.GE, 31337)))
    asked, made = prepare(("city",), source, [block(BlockKind.COUNT)], where=where)
    (compiled,) = compile_measurement(asked, source, made, SALT)
    for dialect, kind in product(("duckdb", "postgres", "spark"), (hostile, "31337", SALT.hex())):
        assert kind not in compiled.tree.sql(dialect)
    assert {hostile, 31337} <= set(compiled.bindings.values())


def test_a_hostile_column_name_is_quoted(tmp_path: Path) -> None:
    name = 'a"; DROP TABLE records; --'
    source = table([replace(AGE, name=name)])
    path = write_csv(tmp_path / "north.csv", ["pid", name], [{"pid": "1", name: "7"}])
    engine = DuckDB(tmp_path / "state")
    engine.snapshot(source, path)
    made: Plan = plan(1, block(BlockKind.SUM, source.columns[0]))
    assert engine.measure(query(), source, made, SALT) == [7]


def test_code_lists_without_a_member_have_only_other(tmp_path: Path) -> None:
    source = table([replace(CITY, codes=()) if c is CITY else c for c in COLUMNS])
    assert ask([person(city="é"), person("2")], ("city",), source, [block(BlockKind.COUNT)]) == [2]


def test_unlisted_and_null_keys_leave_unless_other_is_declared() -> None:
    records = [person(str(i), code=c) for i, c in enumerate(["0", "1.0", "01", "2", ""])]
    assert ask(records, ("code",), table(COLUMNS, g=2), [block(BlockKind.COUNT)]) == [1, 2]
    wider = replace(CODE, other=True)
    source = table([wider if c is CODE else c for c in COLUMNS], g=3)
    assert ask(records, ("code",), source, [block(BlockKind.COUNT)]) == [1, 2, 2]
