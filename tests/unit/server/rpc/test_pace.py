from hypothesis import given, settings
from hypothesis import strategies as st

from cotally.server.rpc.pace import Pace


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0, 3), max_size=60), st.integers(1, 20), st.integers(1, 10))
def test_no_stretch_of_time_sees_more_than_its_share(gaps: list[float], per_second: int, burst: int) -> None:
    pace, now, begun = Pace(per_second, burst), 1000.0, []
    for gap in gaps:
        now += gap
        begun.append(now + pace.wait(now))
    assert begun == sorted(begun)
    for i, first in enumerate(begun):
        for j, last in enumerate(begun[i:]):
            assert j + 1 <= burst + per_second * (last - first) + 1e-6


def test_a_burst_is_free_and_then_it_is_even() -> None:
    pace = Pace(10, 3)
    assert [round(pace.wait(5.0), 6) for _ in range(6)] == [0, 0, 0, 0.1, 0.2, 0.3]


def test_who_is_not_admitted_books_nothing() -> None:
    pace = Pace(10, 3)
    assert [pace.admits(5.0) for _ in range(6)] == [True] * 3 + [False] * 3
    assert pace.admits(5.101) and not pace.admits(5.102)
