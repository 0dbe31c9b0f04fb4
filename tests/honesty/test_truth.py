"""The reference itself: NumPy says the same of people with one row, and small cases are known by hand."""

from collections.abc import Sequence

import numpy as np
import pytest

from cotally.v1 import catalog_pb2, query_pb2, round_pb2
from tests.honesty.people import Holding, number
from tests.honesty.truth import groups, truth

K = query_pb2
X = round_pb2.Block(column="x", coarse=1, factor=1, shift=-50, centre="50")
Y = round_pb2.Block(column="y", coarse=1, factor=1, shift=-20, centre="0")
COUNT = round_pb2.Block(coarse=1, shift=1, centre="0")


def product(one: round_pb2.Block, other: round_pb2.Block) -> round_pb2.Block:
    """The block of the product of two forms."""
    found = round_pb2.Block()
    found.CopyFrom(one)
    found.second.CopyFrom(round_pb2.Form(
        column=other.column, coarse=other.coarse, factor=other.factor, shift=other.shift,
        centre=other.centre))
    return found


BLOCKS = (COUNT, X, Y, product(X, X), product(X, Y), product(Y, Y))


def holding(rows: Sequence[tuple[str, float, float]], k: int) -> Holding:
    """People with an x in 0..100 and a y in -10..10, in halves."""
    table = catalog_pb2.Table(
        name="people", unit_column="pid", rows_per_person=k, groups_per_person=1,
        columns=[number("x", "0", "100"), number("y", "-10", "10", "0.5")])
    return Holding(table, {"all": [{"pid": pid, "x": str(x), "y": str(y)} for pid, x, y in rows]})


def told(of: Holding, kind: K.StatisticKind.ValueType, **fields: object) -> list[float | None]:
    """The truth of one statistic over everybody."""
    statistic = query_pb2.Statistic(kind=kind, **fields)  # type: ignore[arg-type]
    return truth(statistic, groups(of, [], b"")[0], of.table, BLOCKS)


def test_of_single_rows_it_is_what_numpy_says() -> None:
    rng = np.random.default_rng(5)
    x = rng.integers(-20, 120, 500)
    y = np.round(2 * (x / 20 + rng.normal(0, 4, 500) - 3)) / 2
    of = holding([(str(i), a, b) for i, (a, b) in enumerate(zip(x.tolist(), y.tolist(), strict=True))], 1)
    a, b = np.clip(x, 0, 100).astype(float), np.clip(y, -10, 10)
    fitted = np.linalg.lstsq(np.column_stack([np.ones(500), a]), b, rcond=None)[0]
    for expected, found in (
        ([500], told(of, K.STATISTIC_KIND_COUNT_ROWS)),
        ([500], told(of, K.STATISTIC_KIND_PERSONS)),
        ([a.mean()], told(of, K.STATISTIC_KIND_MEAN, column="x")),
        ([a.var()], told(of, K.STATISTIC_KIND_VARIANCE, column="x")),
        ([b.std()], told(of, K.STATISTIC_KIND_STDDEV, column="y")),
        ([np.cov(a, b, bias=True)[0, 1]], told(of, K.STATISTIC_KIND_COVAR, column="y", others=["x"])),
        ([np.corrcoef(a, b)[0, 1]], told(of, K.STATISTIC_KIND_CORR, column="y", others=["x"])),
        (fitted, told(of, K.STATISTIC_KIND_REGR, column="y", others=["x"])),
        ([np.quantile(a, 0.3, method="inverted_cdf")],
         told(of, K.STATISTIC_KIND_QUANTILE, column="x", quantile="0.3")),
        (np.histogram(a, [0, 25, 50, 75, 100])[0], told(of, K.STATISTIC_KIND_HISTOGRAM, column="x", bins=4)),
    ):
        assert np.array(found, dtype=float) == pytest.approx(np.array(expected, dtype=float))


@pytest.mark.parametrize("k, kept", [(1, [6, 28]), (2, [5, 10, 28]), (3, [5, 6, 10, 28])])
def test_repeated_rows_are_worth_k_average_ones(k: int, kept: list[int]) -> None:
    """One person with rows of 5, 6 and 10, on average 7; another with one row of 28."""
    of = holding([("a", 10, 0), ("a", 5, 0), ("b", 28, 0), ("a", 6, 0)], k)
    assert told(of, K.STATISTIC_KIND_COUNT_ROWS) == [len(kept)]
    assert told(of, K.STATISTIC_KIND_MEAN, column="x") == [pytest.approx((7 * min(k, 3) + 28) / len(kept))]
    assert told(of, K.STATISTIC_KIND_QUANTILE, column="x", quantile="0.5") == [
        np.quantile(kept, 0.5, method="inverted_cdf")]
    assert told(of, K.STATISTIC_KIND_HISTOGRAM, column="x", bins=4) == np.histogram(
        kept, [0, 25, 50, 75, 100])[0].tolist()
