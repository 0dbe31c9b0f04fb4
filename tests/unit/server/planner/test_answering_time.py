"""D depends on public sizes alone, in whole ticks."""

import pytest

from cotally.server.planner.answering_time import answering_time


@pytest.mark.parametrize(
    "max_people, coordinates, ciphertexts, tick_ms, round_ms, expected",
    [
        (1, 1, 1, 50, 20_000, 450),
        (1, 1, 1, 1, 20_000, 406),
        (100_000, 300, 5, 50, 20_000, 900),
        (10**9, 100_000, 5000, 50, 20_000, 10_000),
        (10**9, 1, 1, 300, 20_000, 9900),
        (1, 1, 1, 5000, 2000, 5000),
    ],
)
def test_time_is_rounded_up_to_ticks_and_capped(
    max_people: int, coordinates: int, ciphertexts: int, tick_ms: int, round_ms: int, expected: int
) -> None:
    assert answering_time(max_people, coordinates, ciphertexts, tick_ms, round_ms) == expected


def test_more_work_never_takes_less_time() -> None:
    times = [answering_time(people, 300, 5, 50, 60_000) for people in range(0, 10_000_000, 10_000)]
    assert times == sorted(times)
