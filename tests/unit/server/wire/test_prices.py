"""Prices are computed once while they are in use, and take up a bounded room, whoever asks for how many."""

import pytest

from cotally.server.wire import prices
from cotally.server.wire.prices import Prices
from cotally.v1.refusals import Refusal, Refused


class Counted:
    """Computes a price, of the size that a question states, and counts how often."""

    def __init__(self) -> None:
        self.computed: list[bytes] = []
        self.kept = Prices(self._compute, lambda size: size)

    def _compute(self, question: bytes) -> int:
        self.computed.append(question)
        if question == b"absurd":
            raise Refused(Refusal.MALFORMED, "no question")
        return int(question.partition(b":")[2])


def test_a_price_is_computed_once() -> None:
    counted = Counted()
    assert [counted.kept.of(b"a:1") for _ in range(3)] == [1, 1, 1]
    assert counted.computed == [b"a:1"]


def test_a_refusal_is_not_kept() -> None:
    counted = Counted()
    for _ in range(2):
        with pytest.raises(Refused):
            counted.kept.of(b"absurd")
    assert counted.computed == [b"absurd"] * 2


def test_few_large_prices_are_kept_and_at_least_the_last() -> None:
    counted = Counted()
    large = [b"%d:%d" % (number, prices.ROOM // 3) for number in range(64)]
    for question in large:
        counted.kept.of(question)
    assert list(counted.kept._kept) == large[-2:]  # a third would be over, by the questions' own bytes
    counted.kept.of(b"huge:%d" % (2 * prices.ROOM))
    assert list(counted.kept._kept) == [b"huge:%d" % (2 * prices.ROOM)]
    counted.kept.of(b"small:1")
    assert list(counted.kept._kept) == [b"small:1"]


def test_many_small_ones_are_kept_those_used_last() -> None:
    counted = Counted()
    for number in range(prices.PRICES):
        counted.kept.of(b"%d:1" % number)
    counted.kept.of(b"0:1")
    counted.kept.of(b"one more:1")
    counted.kept.of(b"0:1")
    assert len(counted.kept._kept) == prices.PRICES and counted.computed.count(b"0:1") == 1
