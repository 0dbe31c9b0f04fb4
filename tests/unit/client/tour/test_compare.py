"""An interval covers the truth, misses it, or says nothing."""

import pytest

from cotally.client.decode.estimate import Estimate
from cotally.client.decode.rows import Row
from cotally.client.tour.compare import Compared, compare, tally
from cotally.client.tour.script import Truth

TRUTH = Truth({("f",): {"n": {"a": (10, None), "b": (5, None)}},
               ("m",): {"n": {"a": (7, None), "b": (1, None)}}})


@pytest.mark.parametrize("truth, low, high, covers", [
    (10, 10, 12, True), (12, 10, 12, True), (9.99, 10, 12, False), (12.01, 10, 12, False),
    (None, 10, 12, None), (10, None, None, None),
])
def test_both_ends_belong_to_an_interval(
    truth: float | None, low: float | None, high: float | None, covers: bool | None,
) -> None:
    assert Compared((), "n", 11, low, high, truth).covers is covers


def rows() -> list[Row]:
    return [Row(("f",), (Estimate(14, 1, 13, 16),)), Row(("m",), (Estimate(4, 1, 3, 5),))]


def test_the_truth_is_that_of_the_departments_in_the_release() -> None:
    both = compare(rows(), ["n"], ["a", "b"], TRUTH)
    assert [[each.truth for each in row] for row in both] == [[15.0], [8.0]]
    assert tally(both) == (1, 2)
    assert [each.truth for row in compare(rows(), ["n"], ["a"], TRUTH) for each in row] == [10.0, 7.0]


def test_only_intervals_are_counted() -> None:
    unstable = [Row(("f",), (Estimate(14, None, None, None, "unstable"),)), rows()[1]]
    assert tally(compare(unstable, ["n"], ["a", "b"], TRUTH)) == (0, 1)


def test_a_group_without_truth_is_an_error() -> None:
    with pytest.raises(KeyError):
        compare([Row(("x",), (Estimate(14, 1, 13, 16),))], ["n"], ["a"], TRUTH)
