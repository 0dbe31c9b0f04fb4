"""Sensitivities and caps, against everything that one small person can contribute."""

from fractions import Fraction
from itertools import combinations_with_replacement, pairwise, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cotally.server.model.catalog import Column, ColumnType, Table
from cotally.server.model.plan import BlockKind, Form
from cotally.server.statistics import count, mean
from cotally.server.statistics import sum as bounded_sum
from cotally.server.statistics.encoding import OF_PEOPLE, Bounds, Encoding, linear
from cotally.server.statistics.encoding import product as product_of
from cotally.server.statistics.forms import centred, plain
from cotally.server.statistics.leaves import starts
from cotally.server.statistics.registry import METHODS
from tests.unit.server.statistics.requests import AGE, COLUMNS, DEBT, EVERY, WAGE, WEIGHT, K, over, request

Vector = tuple[int, ...]

LONG = Column("long", ColumnType.INTEGER, lower=Fraction(-3), upper=Fraction(8))
COARSE = [
    linear(BlockKind.CENTRED_SUM, centred(LONG, 3)),
    product_of(centred(LONG, 2), centred(LONG, 2)),
    product_of(centred(LONG, 2), plain(WEIGHT, 8)),
]
ENCODINGS = list(
    dict.fromkeys(
        [*(each for asked in EVERY for each in METHODS[asked.statistic.kind].encodings(asked)), *COARSE]
    )
)
BY_NAME = {column.name: column for column in (*COLUMNS, LONG)}


def name(encoding: Encoding) -> str:
    """What a test's report calls *encoding*."""
    second = f"*{encoding.second.column}" if encoding.second else ""
    return f"{encoding.kind.value}({encoding.column}{second})/{encoding.coarse}"


def forms(encoding: Encoding) -> list[Form]:
    """The forms whose product is a row's integer."""
    if not encoding.factor:
        return []
    first = Form(encoding.column, encoding.coarse, encoding.factor, encoding.shift, encoding.centre)
    return [first, encoding.second] if encoding.second else [first]


def rows_of(encoding: Encoding) -> list[tuple[int, ...]]:
    """Every row there can be, as units of the columns that the block reads."""
    names = dict.fromkeys(form.column for form in forms(encoding))
    if encoding.leaves is not None:
        names = dict.fromkeys([encoding.column])
    return list(product(*(range(BY_NAME[column].units + 1) for column in names)))


def worth(row: tuple[int, ...], encoding: Encoding) -> int:
    """A row's integer."""
    names = list(dict.fromkeys(form.column for form in forms(encoding)))
    result = 1
    for form in forms(encoding):
        result *= form.of(row[names.index(form.column)])
    return result


def half_up(value: Fraction) -> int:
    """The nearest integer, halves upwards."""
    return int((value + Fraction(1, 2)).__floor__())


def person_vector(rows: tuple[tuple[int, ...], ...], encoding: Encoding, k: int) -> Vector:
    """What one person with *rows* in a group adds to the group's coordinates."""
    n = len(rows)
    if encoding.kind in OF_PEOPLE:
        return (min(n, 1),)
    if encoding.leaves is None:
        return (half_up(Fraction(min(n, k) * sum(worth(row, encoding) for row in rows), n)) if n else 0,)
    column = BY_NAME[encoding.column]
    ends = [*starts(column, encoding.leaves)[1:], column.units + 1]
    upto = [0, *(half_up(Fraction(min(n, k) * sum(u < end for (u,) in rows), max(n, 1))) for end in ends)]
    leaves = [after - before for before, after in pairwise(upto)]
    if encoding.kind is BlockKind.CELLS:
        return tuple(leaves)
    levels = [leaves]
    while len(levels[-1]) > 2:
        levels.append([a + b for a, b in zip(levels[-1][::2], levels[-1][1::2], strict=True)])
    return tuple(node for level in levels[::-1] for node in level)


def contributions(encoding: Encoding, k: int) -> set[Vector]:
    """Every vector that a person with up to three rows can add to a group."""
    rows = rows_of(encoding)
    if len(rows) > 12:  # the extreme rows and a few others
        ordered = sorted(rows, key=lambda row: worth(row, encoding))
        rows = [*ordered[:3], *ordered[-3:], ordered[len(rows) // 2]]
    return {
        person_vector(chosen, encoding, k)
        for n in range(4)
        for chosen in combinations_with_replacement(rows, n)
    }


def shifts(reachable: set[Vector], groups: int, g: int, m: int) -> set[Vector]:
    """Every vector by which a person can move the totals: m departments, each keeping at most g groups."""
    one = {sum(v, ()) for v in product(sorted(reachable), repeat=groups) if sum(map(any, v)) <= g}
    total = one
    for _ in range(m - 1):
        total = {tuple(a + b for a, b in zip(v, w, strict=True)) for v in total for w in one}
    return total


def extreme(reachable: set[Vector]) -> set[Vector]:
    """Of the vectors those that alone can matter for a maximum of norms of sums, when there are many."""
    if len(reachable) <= 8:
        return reachable
    ends = sorted(reachable, key=lambda v: (sum(map(abs, v)), sum(x * x for x in v)))[-5:]
    return {tuple(0 for _ in ends[0]), *ends, max(reachable), min(reachable)}


@pytest.mark.parametrize(
    "k, g, m, groups", [(1, 1, 1, 1), (2, 1, 1, 2), (1, 2, 1, 3), (2, 5, 1, 2), (1, 1, 2, 2)]
)
@pytest.mark.parametrize("encoding", ENCODINGS, ids=name)
def test_sensitivities_are_attained_and_never_exceeded(
    encoding: Encoding, k: int, g: int, m: int, groups: int
) -> None:
    """So that one less than either would be too little, and one more is not charged."""
    bounds = Bounds(rows=k, groups=min(g, groups), overlap=m, people=1)
    alone = Bounds(rows=k, groups=1, overlap=1, people=1)
    reachable = contributions(encoding, k)
    assert all(sum(map(abs, v)) <= alone.l1(encoding) for v in reachable)
    assert all(sum(x * x for x in v) <= alone.l2_squared(encoding) for v in reachable)
    moved = shifts(extreme(reachable), groups, g, m)
    assert max(sum(map(abs, v)) for v in moved) == bounds.l1(encoding)
    assert max(sum(x * x for x in v) for v in moved) == bounds.l2_squared(encoding)


@pytest.mark.parametrize("k", [1, 2, 3])
@pytest.mark.parametrize("encoding", ENCODINGS, ids=name)
def test_caps_hold_every_department_and_no_more(encoding: Encoding, k: int) -> None:
    reachable = {x for v in contributions(encoding, k) for x in v} | {0}
    low, high = Bounds(rows=k, groups=1, overlap=1, people=7).caps(encoding)
    assert (low, high) == (7 * min(reachable), 7 * max(reachable))


@given(st.lists(st.integers(0, 11), max_size=30), st.integers(1, 6), st.sampled_from([2, 4, 8, 16]))
@settings(max_examples=300, deadline=None)
def test_a_persons_leaves_are_whole_and_add_up(units: list[int], k: int, count_of_leaves: int) -> None:
    for asked in (
        request(K.HISTOGRAM, "age", bins=count_of_leaves),
        request(K.QUANTILE, "age", bins=count_of_leaves),
    ):
        encoding = METHODS[asked.statistic.kind].encodings(asked)[0]
        rows = tuple((u % (AGE.units + 1),) for u in units)
        vector = person_vector(rows, encoding, k)
        assert len(vector) == encoding.width and min(vector) >= 0
        size, start = (2, 0) if encoding.kind is BlockKind.TREE else (count_of_leaves, 0)
        while start < len(vector):
            assert sum(vector[start : start + size]) == min(len(rows), k)
            start, size = start + size, 2 * size


@given(st.lists(st.tuples(st.integers(-50, 50), st.integers(-9, 9)), min_size=1), st.integers(0, 30))
@settings(max_examples=200, deadline=None)
def test_clamping_to_caps_keeps_sensitivities(cells: list[tuple[int, int]], cap: int) -> None:
    moved = [abs(min(max(a + v, -cap), cap) - min(max(a, -cap), cap)) for a, v in cells]
    assert all(after <= abs(v) for after, (_, v) in zip(moved, cells, strict=True))


@pytest.mark.parametrize(("groups", "kept"), [(1, 1), (4, 4), (5, 5), (50, 5)])
def test_a_person_reaches_as_many_groups_as_declared_or_as_there_are(groups: int, kept: int) -> None:
    table = Table("visits", "residents", "pid", 2, 9, 5, 100, 1000, 3, "v", (AGE,), ("a", "b", "c"))
    assert Bounds.of(table, groups) == Bounds(rows=9, groups=kept, overlap=2, people=1000)


def test_an_event_level_table_counts_rows() -> None:
    table = Table("visits", "visits", None, 2, 9, 9, 100, 1000, 3, "v", (AGE,), ("a", "b", "c"))
    assert Bounds.of(table, groups=50) == Bounds(rows=1, groups=1, overlap=2, people=1000)


def test_a_column_of_one_value_still_gets_noise() -> None:
    constant = Column("zero", ColumnType.INTEGER)
    for kind in (K.SUM, K.MEAN, K.VARIANCE):
        encoding = METHODS[kind].encodings(over(constant, kind))[-1]
        assert Bounds(rows=1, groups=1, overlap=1, people=1).l2_squared(encoding) == 1


numbers = st.fractions(-100, 100, max_denominator=12)


@given(numbers, st.fractions(0, 50, max_denominator=12), st.fractions(Fraction(1, 12), 9, max_denominator=12))
@settings(max_examples=200, deadline=None)
def test_integers_stand_for_values_exactly(lower: Fraction, width: Fraction, resolution: Fraction) -> None:
    column = Column("x", ColumnType.FLOAT, lower=lower, upper=lower + width, resolution=resolution)
    centre = mean.encodings(over(column, K.MEAN))[1]
    for encoding in (bounded_sum.encodings(over(column, K.SUM))[0], centre):
        for unit in {0, column.units // 2, column.units}:
            integer = encoding.factor * unit + encoding.shift
            assert encoding.low <= integer <= encoding.high
            assert integer * encoding.step + encoding.centre == lower + unit * resolution
    assert abs(abs(centre.low) - centre.high) <= 1


@given(numbers, st.fractions(0, 50, max_denominator=12), st.integers(1, 40))
@settings(max_examples=200, deadline=None)
def test_coarse_units_stay_within_half_of_one(lower: Fraction, width: Fraction, limit: int) -> None:
    column = Column("x", ColumnType.FLOAT, lower=lower, upper=lower + width, resolution=Fraction(1, 12))
    scaled = centred(column, limit)
    assert max(-scaled.low, scaled.high) <= max(limit, 1)
    for unit in {0, column.units // 3, column.units}:
        stood_for = scaled.form.of(unit) * scaled.step + scaled.form.centre
        assert abs(stood_for - (lower + unit * column.resolution)) <= scaled.step / 2
        assert scaled.low <= scaled.form.of(unit) <= scaled.high


def test_counts_of_columns_without_nulls_are_counts_of_rows() -> None:
    full = Column("age", ColumnType.INTEGER, nullable=False, upper=Fraction(9))
    rows = count.encodings(request(K.COUNT_ROWS))
    assert count.encodings(over(full, K.COUNT)) == rows == mean.encodings(over(full, K.MEAN))[:1]
    assert count.encodings(over(AGE, K.COUNT)) != rows
    assert count.encodings(over(AGE, K.COUNT)) == mean.encodings(over(AGE, K.MEAN))[:1]


def test_blocks_of_a_statistic_leave_out_the_same_rows() -> None:
    for asked in EVERY:
        if asked.statistic.kind not in (K.COVAR, K.CORR, K.REGR, K.VARIANCE, K.STDDEV):
            continue
        for encoding in METHODS[asked.statistic.kind].encodings(asked):
            named = {
                encoding.column,
                *encoding.present,
                encoding.second.column if encoding.second else "",
            } - {""}
            assert named == {column.name for column in asked.columns}


def test_values_are_decoded_in_the_columns_terms() -> None:
    assert count.decode([Fraction(12)], request(K.COUNT_ROWS)) == 12
    assert bounded_sum.decode([Fraction(4)], over(WAGE, K.SUM)) == Fraction(4, 6)  # gcd(1/2, 1/3) = 1/6
    asked = over(AGE, K.MEAN)
    centre = mean.encodings(asked)[1].centre
    assert mean.decode([Fraction(4), Fraction(2)], asked) == centre + Fraction(1, 2)
    assert mean.decode([Fraction(1), Fraction(10**9)], asked) == AGE.upper
    assert mean.decode([Fraction(0), Fraction(3)], asked) is None
    assert mean.decode([Fraction(-2), Fraction(3)], asked) is None
    weighted = request(K.MEAN, "debt", weight="weight")
    distance = Fraction(1) * DEBT.resolution
    assert (
        mean.decode([Fraction(4), Fraction(2)], weighted) == mean.encodings(weighted)[1].centre + distance / 2
    )
