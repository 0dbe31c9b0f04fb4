"""Sensitivities and caps, against everything that one small person can contribute."""

from fractions import Fraction
from itertools import combinations_with_replacement, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cotally.server.model.catalog import Column, ColumnType, Table
from cotally.server.statistics import count, mean
from cotally.server.statistics import sum as bounded_sum
from cotally.server.statistics.encoding import Bounds, Encoding

AGE = Column("age", ColumnType.INTEGER, lower=Fraction(-2), upper=Fraction(1))
WAGE = Column("wage", ColumnType.FLOAT, True, Fraction(1, 2), Fraction(5, 4), resolution=Fraction(1, 3))
DEBT = Column("debt", ColumnType.FLOAT, True, Fraction(-3, 4), Fraction(-1, 4), resolution=Fraction(1, 4))

ENCODINGS = [
    (encoding, column)
    for column in (AGE, WAGE, DEBT)
    for encoding in (*count.encodings(column), *bounded_sum.encodings(column), mean.encodings(column)[1])
]


def person_integer(units: tuple[int, ...], encoding: Encoding, k: int) -> int:
    """What one person with rows of *units* in a group adds: min(n, k) times the average row, rounded."""
    n = len(units)
    if n == 0:
        return 0
    total = sum(encoding.factor * unit + encoding.shift for unit in units)
    return int((Fraction(min(n, k) * total, n) + Fraction(1, 2)).__floor__())


def contributions(encoding: Encoding, column: Column, k: int) -> set[int]:
    """Every integer that a person with up to three rows can add to a group."""
    return {
        person_integer(units, encoding, k)
        for n in range(4)
        for units in combinations_with_replacement(range(column.units + 1), n)
    }


def shifts(reachable: set[int], groups: int, g: int, m: int) -> set[tuple[int, ...]]:
    """Every vector by which a person can move the total: m departments, each keeping at most g groups."""
    one = {v for v in product(sorted(reachable), repeat=groups) if sum(x != 0 for x in v) <= g}
    total = one
    for _ in range(m - 1):
        total = {tuple(a + b for a, b in zip(v, w, strict=True)) for v in total for w in one}
    return total


@pytest.mark.parametrize(
    "k, g, m, groups", [(1, 1, 1, 1), (2, 1, 1, 2), (1, 2, 1, 3), (2, 5, 1, 2), (1, 1, 2, 2)]
)
@pytest.mark.parametrize("encoding, column", ENCODINGS, ids=lambda v: getattr(v, "kind", None) or v.name)
def test_sensitivities_are_attained_and_never_exceeded(
    encoding: Encoding, column: Column, k: int, g: int, m: int, groups: int
) -> None:
    bounds = Bounds(rows=k, groups=min(g, groups), overlap=m, people=1)
    moved = shifts(contributions(encoding, column, k), groups, g, m)
    assert max(sum(map(abs, v)) for v in moved) == bounds.l1(encoding)
    assert max(sum(x * x for x in v) for v in moved) == bounds.l2_squared(encoding)


@pytest.mark.parametrize("k", [1, 2, 3])
@pytest.mark.parametrize("encoding, column", ENCODINGS, ids=lambda v: getattr(v, "kind", None) or v.name)
def test_caps_hold_every_department_and_no_more(encoding: Encoding, column: Column, k: int) -> None:
    reachable = contributions(encoding, column, k)
    low, high = Bounds(rows=k, groups=1, overlap=1, people=7).caps(encoding)
    assert (low, high) == (7 * min(reachable), 7 * max(reachable))


@given(st.lists(st.tuples(st.integers(-50, 50), st.integers(-9, 9)), min_size=1), st.integers(0, 30))
@settings(max_examples=200, deadline=None)
def test_clamping_to_caps_keeps_sensitivities(cells: list[tuple[int, int]], cap: int) -> None:
    moved = [abs(min(max(a + v, -cap), cap) - min(max(a, -cap), cap)) for a, v in cells]
    assert all(after <= abs(v) for after, (_, v) in zip(moved, cells, strict=True))


def test_an_event_level_table_counts_rows() -> None:
    table = Table("visits", "visits", None, 2, 9, 9, 100, 1000, 3, "v", (AGE,), ("a", "b", "c"))
    assert Bounds.of(table, groups=50) == Bounds(rows=1, groups=1, overlap=2, people=1000)


def test_a_column_of_one_value_still_gets_noise() -> None:
    constant = Column("zero", ColumnType.INTEGER)
    for encoding in (*bounded_sum.encodings(constant), mean.encodings(constant)[1]):
        assert Bounds(rows=1, groups=1, overlap=1, people=1).l2_squared(encoding) == 1


numbers = st.fractions(-100, 100, max_denominator=12)


@given(numbers, st.fractions(0, 50, max_denominator=12), st.fractions(Fraction(1, 12), 9, max_denominator=12))
@settings(max_examples=200, deadline=None)
def test_integers_stand_for_values_exactly(lower: Fraction, width: Fraction, resolution: Fraction) -> None:
    column = Column("x", ColumnType.FLOAT, lower=lower, upper=lower + width, resolution=resolution)
    for encoding in (bounded_sum.encodings(column)[0], mean.encodings(column)[1]):
        for unit in {0, column.units // 2, column.units}:
            integer = encoding.factor * unit + encoding.shift
            assert encoding.low <= integer <= encoding.high
            assert integer * encoding.step + encoding.centre == lower + unit * resolution
    centred = mean.encodings(column)[1]
    assert abs(abs(centred.low) - centred.high) <= 1


def test_counts_of_columns_without_nulls_are_counts_of_rows() -> None:
    full = Column("age", ColumnType.INTEGER, nullable=False, upper=Fraction(9))
    assert count.encodings(full) == count.encodings(None) == mean.encodings(full)[:1]
    assert count.encodings(AGE) != count.encodings(None)
    assert count.encodings(AGE) == mean.encodings(AGE)[:1]


def test_values_are_decoded_in_the_columns_terms() -> None:
    assert count.decode([Fraction(12)], None) == 12
    assert bounded_sum.decode([Fraction(4)], WAGE) == Fraction(4, 6)  # gcd(1/2, 1/3) = 1/6
    centre = mean.encodings(AGE)[1].centre
    assert mean.decode([Fraction(4), Fraction(2)], AGE) == centre + Fraction(1, 2)
    assert mean.decode([Fraction(1), Fraction(10**9)], AGE) == AGE.upper
    assert mean.decode([Fraction(0), Fraction(3)], AGE) is None
    assert mean.decode([Fraction(-2), Fraction(3)], AGE) is None
