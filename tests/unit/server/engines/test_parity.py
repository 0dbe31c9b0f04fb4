"""The parity check asks for everything, and sees an engine that differs in any of it, and no other."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date
from fractions import Fraction

import pytest

from cotally.server.engines import parity, parity_questions
from cotally.server.engines.duckdb import synthetic
from cotally.server.engines.parity import Record
from cotally.server.model.catalog import Column, ColumnType, Table
from cotally.server.model.plan import Plan, Rules
from cotally.server.model.query import Derivation, Query, StatisticKind
from cotally.server.planner.plan import make_plan
from cotally.v1.refusals import Refusal, Refused
from tests.unit.server.engines.plans import AGE, CITY, COLUMNS, DAY, INCOME, table

RULES = Rules(colluding=1, delta=Fraction(1, 10**6), tick_ms=50, round_ms=20_000, modulus_bits=2048)
WEIGHT = Column("w", ColumnType.FLOAT, upper=Fraction(2), resolution=Fraction(1, 4), weight=True)
VISITED = replace(DAY, first=date(2023, 11, 5), last=date(2024, 2, 29))
SMALL = table([AGE, INCOME, CITY, VISITED], k=2, g=2)
Asked = tuple[Query, Table, Plan]


def asked(held: Table) -> list[Asked]:
    """Every question about *held*, with its plan: none is refused."""
    return [(query, scope, make_plan(query, scope, RULES))
            for query, scope in parity_questions.questions(held)]


def kinds(found: list[Asked]) -> set[StatisticKind]:
    return {each.kind for query, _, _ in found for each in query.statistics}


def test_records_are_the_same_every_time_and_reach_every_edge() -> None:
    made = parity.records(table(COLUMNS))
    assert made == parity.records(table(COLUMNS))
    assert len(made) == parity.ROWS
    for column in COLUMNS:
        cells = {record[column.name] for record in made}
        assert "" in cells and "NaN" in cells and "9" * 30 in cells
    assert {"e\u0301", "é"} <= {record["city"] for record in made}


def test_every_statistic_is_asked_with_every_way_to_group_and_with_a_join() -> None:
    found = asked(table([AGE, INCOME, CITY, VISITED, WEIGHT], k=2, g=2))
    statistics = [(query, each) for query, _, _ in found for each in query.statistics]
    assert {each.kind for _, each in statistics} == set(StatisticKind)
    for many in (lambda q: len(q.keys) == 2, lambda q: q.bounds):
        there = {each.kind for query, each in statistics if many(query)}
        assert there == set(StatisticKind)
    joined = {each.kind for query, each in statistics if query.joins}
    assert joined > {StatisticKind.COVAR, StatisticKind.QUANTILE, StatisticKind.INCIDENCES}
    assert {key.derivation for query, _, _ in found for key in query.derived} == set(Derivation)
    assert {key.other for query, _, _ in found for key in query.derived} == {True, False}
    assert {each.kind for _, each in statistics if each.weight} == {
        StatisticKind.COUNT_ROWS, StatisticKind.SUM, StatisticKind.MEAN}
    assert any(query.where for query, _, _ in found)
    assert len(found) < 30


def test_what_the_table_has_not_is_not_asked() -> None:
    rows = asked(table([AGE], unit=None))
    assert not {StatisticKind.PERSONS, StatisticKind.CORR} & kinds(rows)
    assert not any(query.joins for query, _, _ in rows)
    twice = kinds(asked(replace(SMALL, overlap=2, holders=("north", "south"), min_departments=2)))
    assert StatisticKind.INCIDENCES in twice and StatisticKind.PERSONS not in twice
    assert asked(table([]))


@pytest.mark.parametrize("edge", ["-0.0", "e\u0301", "inf"])
def test_an_engine_that_mistakes_one_cell_is_found(edge: str) -> None:
    def mistaken(records: Sequence[Record], query: Query, held: Table, plan: Plan, salt: bytes) -> list[int]:
        wrong = [{n: "" if t == edge else t for n, t in record.items()} for record in records]
        return of_counting(wrong, query, held, plan, salt)

    few = table([INCOME, CITY] if edge != "inf" else [AGE], k=2, g=2)
    assert parity.differences(few, RULES, mistaken, of_counting)


def of_counting(records: Sequence[Record], query: Query, held: Table, plan: Plan, salt: bytes) -> list[int]:
    """DuckDB's vector where the question is plain; elsewhere nothing, as that takes time."""
    plain = not query.keys and not query.joins and not query.where and not query.bounds
    return synthetic.measure(records, query, held, plan, salt) if plain else [0] * plan.coordinates


@pytest.mark.parametrize(("wrong", "said"), [
    (lambda query, _: query.joins, "a join"),
    (lambda query, _: query.where, "a condition"),
    (lambda query, _: query.bounds, "bounds"),
    (lambda query, _: len(query.keys) == 2, "by "),
    (lambda _, block: block.kind == "tree", "quantile("),
    (lambda _, block: block.kind == "product", "variance("),
    (lambda _, block: block.kind == "clipped_high", "clipped_high("),
])
def test_a_difference_names_the_statistic_that_shows_it(wrong: Callable[..., object], said: str) -> None:
    def mistaken(records: Sequence[Record], query: Query, held: Table, plan: Plan, salt: bytes) -> list[int]:
        vector = [0] * plan.coordinates
        for block in plan.blocks:
            if records and wrong(query, block):
                vector[block.offset + block.cells - 1] += 1
        return vector

    def nothing(records: Sequence[Record], query: Query, held: Table, plan: Plan, salt: bytes) -> list[int]:
        return [0] * plan.coordinates

    found = parity.differences(SMALL, RULES, mistaken, nothing)
    assert any(said in each.question for each in found)
    assert parity.differences(SMALL, RULES, nothing, nothing) == []


def test_what_one_engine_refuses_is_asked_without_the_rest() -> None:
    """A column that is too wide for an engine hides no difference in another column."""
    wide = Column("wide", ColumnType.FLOAT, upper=Fraction(2**70), resolution=Fraction(1))

    def mistaken(records: Sequence[Record], query: Query, held: Table, plan: Plan, salt: bytes) -> list[int]:
        return [len(records) * any(block.kind == "sum" for block in plan.blocks)] * plan.coordinates

    found = parity.differences(table([wide, AGE]), RULES, mistaken, of_nothing_wide)
    assert any("sum(age)" in each.question for each in found)


def of_nothing_wide(
    records: Sequence[Record], query: Query, held: Table, plan: Plan, salt: bytes
) -> list[int]:
    if any(block.column == "wide" for block in plan.blocks):
        raise Refused(Refusal.UNSUPPORTED, "too wide")
    return [0] * plan.coordinates


def test_an_engine_agrees_with_itself() -> None:
    few = table([AGE, CITY], k=2, g=2)
    assert parity.differences(few, RULES, synthetic.measure, synthetic.measure) == []
