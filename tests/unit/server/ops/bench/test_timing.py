"""The order of rounds, what is counted, and the arithmetic of ratios, on a clock that the test moves."""

import gc

import pytest

from cotally.server.ops.bench.timing import Comparison, Work, compare, duration


class Stage:
    """A clock, and sides that move it when they work; the last of *seconds* is repeated."""

    def __init__(self) -> None:
        self.now = 0.0
        self.order: list[str] = []
        self.collecting: list[bool] = []

    def clock(self) -> float:
        return self.now

    def side(self, name: str, *seconds: float, amount: int = 1) -> Work:
        ahead = list(seconds)

        def run() -> None:
            self.order.append(name)
            self.collecting.append(gc.isenabled())
            self.now += ahead.pop(0) if len(ahead) > 1 else ahead[0]

        return Work(run, amount)


def compared(ours: list[float], peer: list[float], rounds: int = 3) -> tuple[Comparison, Stage]:
    stage = Stage()
    found = compare(stage.side("ours", *ours), stage.side("peer", *peer), rounds, 0.0, stage.clock)
    return found, stage


def test_rounds_alternate_after_both_sides_warmed_up() -> None:
    _, stage = compared([1.0], [1.0])
    assert stage.order == ["ours"] * 2 + ["peer"] * 2 + ["ours", "peer"] * 3


def test_the_ratio_is_the_median_of_the_rounds_with_the_least_and_the_greatest() -> None:
    found, _ = compared([3, 3, 1, 2, 4], [3, 3, 10, 10, 10])
    assert (found.ratio, found.low, found.high, found.rounds) == (5.0, 2.5, 10.0, 3)
    assert (found.ours, found.peer) == (2.0, 10.0)


def test_warming_up_is_not_counted() -> None:
    assert compared([1000, 1], [3, 1000, 2])[0].ratio == 2.0


def test_each_side_is_divided_by_its_own_units() -> None:
    stage = Stage()
    ours, peer = stage.side("ours", 1.0, amount=1000), stage.side("peer", 1.0, amount=10)
    found = compare(ours, peer, 3, 0.0, stage.clock)
    assert found.ratio == pytest.approx(100)
    row = found.row("encrypt", "them", "values")
    assert row.rate == pytest.approx(1000)
    assert row.peer_rate == pytest.approx(10)


def test_a_quick_side_repeats_until_the_clock_can_tell() -> None:
    stage = Stage()
    found = compare(stage.side("ours", 0.25), stage.side("peer", 1.0), 1, least=1.0, clock=stage.clock)
    assert stage.order[4:] == ["ours"] * 4 + ["peer"]
    assert found.ratio == pytest.approx(4)


def test_what_warmed_up_for_long_is_not_tried_once_more() -> None:
    _, stage = compared([5.0], [1.0], rounds=1)
    assert stage.order == ["ours", "peer", "peer", "ours", "peer"]


def test_the_collector_rests_while_work_is_timed_and_wakes_afterwards() -> None:
    assert gc.isenabled()
    _, stage = compared([1.0], [1.0])
    assert not any(stage.collecting)
    assert gc.isenabled()


def test_a_duration_leaves_out_the_first_time() -> None:
    stage = Stage()
    found = duration(stage.side("ours", 100, 3, 1, 2), 3, stage.clock)
    assert (found.seconds, found.low, found.high) == (2.0, 1.0, 3.0)
