"""The effective table: joins, bounds and computed keys, each refused by name where it cannot be."""

from dataclasses import replace
from datetime import date
from fractions import Fraction

import pytest

from cotally.server.model.catalog import Column, ColumnType, Derived, Table
from cotally.server.model.query import ColumnBounds, Derivation, DerivedKey, Join, Query
from cotally.server.planner.check import check
from cotally.server.planner.plan import make_plan
from cotally.server.planner.scope import effective
from cotally.v1.refusals import Refusal, Refused
from tests.unit.server.planner.examples import MEAN, PEOPLE, RULES, N, ask, people

D = Derivation
VISITS = Table(
    "visits", "residents", "pid", overlap=2, rows_per_person=5, groups_per_person=3, expected_people=50_000,
    max_people=60_000, min_departments=4, vintage="v9",
    columns=(
        Column("cost", ColumnType.FLOAT, upper=Fraction(10), resolution=Fraction(1, 4)),
        Column("level", ColumnType.INTEGER, lower=Fraction(-5), upper=Fraction(20)),
    ),
    holders=("a", "b", "c", "d", "z"),
)  # fmt: skip


def keyed(*derived: DerivedKey, keys: tuple[str, ...] | None = None) -> Query:
    """A count by the computed keys."""
    names = tuple(key.name for key in derived) if keys is None else keys
    return replace(ask(N, keys=names), derived=derived)


def cells(table: Table, *derived: DerivedKey) -> tuple[str, ...]:
    """The labels of the first computed key."""
    column = effective(keyed(*derived), table, ()).column(derived[0].name)
    assert column is not None
    return column.keys


def test_a_query_that_asks_for_nothing_new_sees_the_catalogs_table() -> None:
    assert effective(ask(N, keys=("sex",)), PEOPLE, ()) is PEOPLE


@pytest.mark.parametrize("key, labels", [
    (DerivedKey("k", D.BIN, "level", Fraction(10)), ("-5", "5", "15")),
    (DerivedKey("k", D.BIN, "level", Fraction(25), other=True), ("-5", "20", "other")),
    (DerivedKey("k", D.BIN, "level", Fraction(26)), ("-5",)),
    (DerivedKey("k", D.BIN, "cost", Fraction(5, 2)), ("0", "2.5", "5", "7.5")),
    (DerivedKey("k", D.BIN, "cost", Fraction(7)), ("0", "7")),
])  # fmt: skip
def test_bins_begin_at_the_lower_bound(key: DerivedKey, labels: tuple[str, ...]) -> None:
    assert cells(VISITS, key) == labels


@pytest.mark.parametrize("derivation, first, last, labels", [
    (D.YEAR, date(2020, 12, 31), date(2022, 1, 1), ("2020", "2021", "2022")),
    (D.QUARTER, date(2020, 11, 30), date(2021, 2, 1), ("1", "4")),
    (D.MONTH, date(2020, 11, 30), date(2021, 2, 1), ("1", "2", "11", "12")),
    (D.MONTH, date(2020, 1, 1), date(2021, 1, 1), tuple(map(str, range(1, 13)))),
    (D.QUARTER, date(2020, 5, 5), date(2020, 5, 5), ("2",)),
])  # fmt: skip
def test_periods_are_those_that_occur_in_the_declared_range(
    derivation: Derivation, first: date, last: date, labels: tuple[str, ...]
) -> None:
    table = people(columns=(Column("day", ColumnType.DATE, first=first, last=last),))
    assert cells(table, DerivedKey("k", derivation, "day")) == labels


def test_a_computed_key_is_planned_like_a_category() -> None:
    query = keyed(DerivedKey("b", D.BIN, "age", Fraction(10)), DerivedKey("y", D.YEAR, "visited"))
    scope = effective(query, PEOPLE, ())
    check(query, scope)
    assert make_plan(query, scope, RULES).blocks[0].cells == 11 * 6
    column = scope.column("b")
    assert column is not None and column.derived == Derived(D.BIN, "age", 10)


@pytest.mark.parametrize("query, culprit", [
    (keyed(DerivedKey("k", D.BIN, "age", Fraction(5, 2))), "k"),
    (keyed(DerivedKey("k", D.BIN, "age", Fraction(-1))), "k"),
    (keyed(DerivedKey("k", D.BIN, "age")), "k"),
    (keyed(DerivedKey("k", D.BIN, "sex", Fraction(1))), "sex"),
    (keyed(DerivedKey("k", D.YEAR, "age")), "age"),
    (keyed(DerivedKey("k", D.YEAR, "visited", Fraction(1))), "k"),
    (keyed(DerivedKey("k", D.YEAR, "nowhere")), "nowhere"),
    (keyed(DerivedKey("age", D.YEAR, "visited")), "age"),
    (keyed(DerivedKey("k", D.YEAR, "visited"), keys=("sex",)), "k"),
    (keyed(DerivedKey("k", D.YEAR, "visited"), DerivedKey("k", D.MONTH, "visited")), "k"),
    (keyed(DerivedKey("k", D.YEAR, "visited"), DerivedKey("j", D.BIN, "k", Fraction(1))), "k"),
    (replace(ask(N), bounds=(ColumnBounds("sex", Fraction(0), Fraction(1)),)), "sex"),
    (replace(ask(N), bounds=(ColumnBounds("age", Fraction(-1), Fraction(9)),)), "age"),
    (replace(ask(N), bounds=(ColumnBounds("age", Fraction(9), Fraction(9)),)), "age"),
    (replace(ask(N), bounds=(ColumnBounds("age", Fraction(1, 2), Fraction(9)),)), "age"),
    (replace(ask(N), bounds=(ColumnBounds("income", Fraction(1), Fraction(3, 2)),)), "income"),
    (replace(ask(N), bounds=(ColumnBounds("age", Fraction(1), Fraction(9)),) * 2), "twice"),
    (replace(ask(N), bounds=(ColumnBounds("nowhere", Fraction(1), Fraction(9)),)), "nowhere"),
])  # fmt: skip
def test_what_cannot_be_computed_or_bounded_is_named(query: Query, culprit: str) -> None:
    with pytest.raises(Refused, match=culprit) as refused:
        effective(query, PEOPLE, ())
    assert refused.value.refusal in (Refusal.UNSUPPORTED, Refusal.MALFORMED, Refusal.UNKNOWN_NAME)


def test_a_computed_key_stands_in_group_by_only() -> None:
    query = replace(keyed(DerivedKey("k", D.YEAR, "visited")), statistics=(replace(MEAN, column="k"),))
    with pytest.raises(Refused, match="'k' is a computed key"):
        check(query, effective(query, PEOPLE, ()))


def test_narrower_bounds_make_less_noise() -> None:
    narrow = replace(ask(MEAN), bounds=(ColumnBounds("age", Fraction(20), Fraction(70)),))
    wide = make_plan(ask(MEAN), PEOPLE, RULES).blocks[1]
    less = make_plan(narrow, effective(narrow, PEOPLE, ()), RULES).blocks[1]
    assert less.l2_squared / less.refinement**2 == (wide.l2_squared / wide.refinement**2) / 4
    assert less.centre == 45


def joined(table: Table = VISITS, other: Table = PEOPLE, using: str = "pid") -> Table:
    """The effective table of a join."""
    query = replace(ask(N), table=table.name, joins=(Join(other.name, using),))
    return effective(query, table, (other,))


def test_a_join_takes_the_tighter_of_what_two_tables_promise() -> None:
    scope = joined()
    assert (scope.name, scope.rows_per_person, scope.groups_per_person) == ("visits", 5, 3)
    assert (scope.overlap, scope.expected_people, scope.max_people) == (1, 50_000, 60_000)
    assert (scope.min_departments, scope.holders, scope.vintage) == (4, ("a", "b", "c", "d"), "v9+2026")
    assert [c.name for c in scope.columns][:3] == ["visits.cost", "visits.level", "people.age"]
    assert scope.stored == ("visits", "people") and PEOPLE.stored == ("people",)


@pytest.mark.parametrize("table, other, using, culprit", [
    (VISITS, VISITS, "pid", "itself"),
    (VISITS, PEOPLE, "id", "'visits'"),
    (VISITS, people(unit="id"), "pid", "'people'"),
    (VISITS, people(unit=None), "pid", "row"),
    (VISITS, people(population="animals"), "pid", "animals"),
    (VISITS, people(holders=("a", "b", "z")), "pid", "departments that hold both .*: 3; a release needs"),
])  # fmt: skip
def test_a_join_that_cannot_be_is_refused_by_name(
    table: Table, other: Table, using: str, culprit: str
) -> None:
    with pytest.raises(Refused, match=culprit) as refused:
        joined(table, other, using)
    assert refused.value.refusal is Refusal.UNSUPPORTED
