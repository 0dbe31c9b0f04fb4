"""Half-widths shrink with the noise, and agree with direct calculation where there is one."""

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cotally.server.model.catalog import Column, ColumnType
from cotally.server.statistics import correlation, mean, quantile, regression, stddev, variance
from cotally.server.statistics.registry import METHODS
from cotally.server.statistics.request import Request
from tests.unit.server.statistics.requests import EVERY, K, over, request

positive = st.fractions(Fraction(1, 100), 1000, max_denominator=100)
AGE = Column("age", ColumnType.INTEGER, lower=Fraction(-3), upper=Fraction(98))
MEAN_AGE = over(AGE, K.MEAN)


@given(st.sampled_from(EVERY), st.lists(positive, min_size=15, max_size=15), positive, st.fractions(0, 1))
@settings(max_examples=300, deadline=None)
def test_less_noise_never_widens_an_interval(
    asked: Request, shape: list[Fraction], people: Fraction, less: Fraction
) -> None:
    method = METHODS[asked.statistic.kind]
    reach = shape[: len(method.encodings(asked))]
    wide = method.half_width_squared(reach, asked, people)
    narrow = method.half_width_squared([less * part for part in reach], asked, people)
    assert wide is None or (narrow is not None and 0 <= narrow <= wide)


@pytest.mark.parametrize("asked", EVERY, ids=lambda r: r.statistic.kind.value)
def test_every_block_has_a_leverage(asked: Request) -> None:
    method = METHODS[asked.statistic.kind]
    leverages = method.leverages(asked, Fraction(50))
    assert len(leverages) == len(method.encodings(asked)) and min(leverages) > 0


def test_a_mean_is_fiellers_interval_at_the_farther_bound() -> None:
    people, of_count, of_sum = 400.0, 900.0, 640_000.0
    centred = float(people * 51)  # the upper bound lies 51 above the centre of 47
    lead = people**2 - of_count
    expected = (of_count * centred**2 + of_sum * lead) ** 0.5 / lead
    square = mean.half_width_squared([Fraction(900), Fraction(640_000)], MEAN_AGE, Fraction(400))
    assert square is not None and float(square) ** 0.5 == pytest.approx(expected)
    assert mean.half_width_squared([Fraction(160_000), Fraction(1)], MEAN_AGE, Fraction(400)) is None


def moved(asked: Request, integers: list[Fraction], by: list[Fraction]) -> Fraction:
    """How far the statistic moves when its totals move."""
    method = METHODS[asked.statistic.kind]
    before = method.decode(integers, asked)
    after = method.decode([a + b for a, b in zip(integers, by, strict=True)], asked)
    assert isinstance(before, Fraction) and isinstance(after, Fraction)
    return after - before


@given(st.integers(-50, 51), st.integers(0, 51), st.lists(st.integers(-40, 40), min_size=3, max_size=3))
@settings(max_examples=200, deadline=None)
def test_a_variances_half_width_holds_whatever_the_values(centre: int, spread: int, noise: list[int]) -> None:
    asked, n = over(AGE, K.VARIANCE), 10**6
    ends = [max(min(centre + sign * spread, 51), -50) for sign in (-1, 1)]
    totals = [Fraction(n), Fraction(n * sum(ends), 2), Fraction(n * sum(e * e for e in ends), 2)]
    square = variance.half_width_squared([Fraction(x * x) for x in noise], asked, Fraction(n))
    assert square is not None
    # The three may add with one sign: the square of their sum is at most 3 times the sum of squares.
    assert moved(asked, totals, [Fraction(x) for x in noise]) ** 2 <= 3 * square * Fraction(
        1001, 1000
    ) + Fraction(1, 10**9)


@pytest.mark.parametrize("kind, blocks", [(K.STDDEV, 3), (K.CORR, 6), (K.REGR, 6)])
def test_values_spread_evenly_bear_the_stated_slopes(kind: K, blocks: int) -> None:
    columns = ("age",) if kind is K.STDDEV else ("age", "other")
    asked = _wide_request(kind, *columns)
    method, n = METHODS[kind], Fraction(1000)
    values = range(-50, 51)
    mean_square = Fraction(sum(v * v for v in values), 101)
    totals = {
        3: [n, Fraction(0), n * mean_square],
        6: [n, Fraction(0), Fraction(0), n * mean_square, Fraction(0), n * mean_square],
    }[blocks]
    position = 2 if blocks == 3 else 4
    reach = [Fraction(0)] * blocks
    by = [Fraction(0)] * blocks
    reach[position], by[position] = Fraction(400), Fraction(20)
    square = method.half_width_squared(reach, asked, n)
    assert square is not None
    before, after = (
        method.decode(totals, asked),
        method.decode([a + b for a, b in zip(totals, by, strict=True)], asked),
    )
    if kind is K.REGR:
        assert isinstance(before, tuple) and isinstance(after, tuple)
        before, after = before[1], after[1]
    assert isinstance(before, Fraction) and isinstance(after, Fraction)
    slack = 4 if kind is K.STDDEV else 1  # the variance's leverages are those of the worst values
    assert abs(float(after - before)) == pytest.approx(float(square) ** 0.5, rel=0.05 * slack)


def _wide_request(kind: K, *columns: str) -> Request:
    from dataclasses import replace

    from tests.unit.server.statistics.requests import PEOPLE

    wide = tuple(
        Column(name, ColumnType.INTEGER, lower=Fraction(-50), upper=Fraction(50)) for name in ("age", "other")
    )
    return request(kind, *columns, table=replace(PEOPLE, columns=wide))


def test_a_medians_half_width_holds_a_leaf_and_the_ranks_error() -> None:
    asked = request(K.QUANTILE, "age", bins=4)
    none = quantile.half_width_squared([Fraction(0)], asked, Fraction(100))
    assert none == (Fraction(3, 4)) ** 2
    some = quantile.half_width_squared([Fraction(9)], asked, Fraction(100))
    nodes = 2 * (Fraction(4, 9) + Fraction(1, 9))
    assert float(some) ** 0.5 == pytest.approx(0.75 + float(nodes * 9) ** 0.5 * 3 / 100)


def test_correlations_are_clamped_and_slopes_exact() -> None:
    asked = _wide_request(K.REGR, "age", "other")
    points = [(2 * x + 1, x) for x in range(-9, 20)]
    totals = [
        Fraction(sum(part)) for part in zip(*((1, y, x, y * y, y * x, x * x) for y, x in points), strict=True)
    ]
    assert regression.decode(totals, asked) == (Fraction(1), Fraction(2))
    assert correlation.decode(totals, _wide_request(K.CORR, "age", "other")) == pytest.approx(1)
    totals[4] *= 3
    assert correlation.decode(totals, _wide_request(K.CORR, "age", "other")) == 1
    totals[5] = Fraction(-1)
    assert correlation.decode(totals, _wide_request(K.CORR, "age", "other")) is None
    assert stddev.decode([Fraction(4), Fraction(0), Fraction(-1)], _wide_request(K.STDDEV, "age")) is None
