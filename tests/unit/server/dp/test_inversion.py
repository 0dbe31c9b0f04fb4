"""Thresholds and decisions agree with rational arithmetic; ambiguous words get the bits they need."""

from collections.abc import Sequence

import numpy as np
import pytest

from cotally.server.dp import inversion
from cotally.server.dp.bounds import Sums
from cotally.server.dp.inversion import WORD, Inversion, RandomBytes, resolve, tabulate
from cotally.server.dp.law import Law, gaussian, laplace
from cotally.server.model.plan import Dyadic
from tests.fixtures import rational

LAWS = [laplace(Dyadic(3, -1)), laplace(Dyadic(11, -2)), laplace(Dyadic(1, -3)), laplace(Dyadic(5, 1)),
        gaussian(Dyadic(3, -1)), gaussian(Dyadic(11, -2)), gaussian(Dyadic(1, -2)), gaussian(Dyadic(9, 2))]
LARGEST = 2**WORD - 1


def script(*answers: bytes) -> RandomBytes:
    """Random bytes that are these, in this order; more or fewer would be an error."""
    left = list(answers)

    def random_bytes(count: int) -> bytes:
        answer = left.pop(0)
        assert len(answer) == count
        return answer

    return random_bytes


def words(numbers: Sequence[int], width: int) -> bytes:
    return b"".join(number.to_bytes(width, "little") for number in numbers)


def one(law: Law, word: int, negative: int, *more: int) -> int:
    """What the inversion makes of a sign, 63 bits and more words of 64 bits."""
    lead = negative << 15 | word >> 48
    rest = (word & (2**48 - 1)) << 16
    answers = [words([lead], 2), words([rest], 8), *(words([number], 8) for number in more)]
    return int(Inversion(law, tabulate(law)[1]).draw(1, script(*answers))[0])


@pytest.mark.parametrize("law", LAWS)
def test_thresholds_are_the_floors_of_the_exact_distribution(law: Law) -> None:
    thresholds = tabulate(law)[1].tolist()
    exact = rational.cumulative(law)
    assert thresholds == [rational.floor_of(exact[j], WORD) for j in range(len(thresholds))]
    assert thresholds[-1] == LARGEST
    assert LARGEST not in thresholds[:-1]


@pytest.mark.parametrize("law", LAWS)
def test_each_of_all_leading_words_is_decided_rightly_or_left_open(law: Law) -> None:
    """All 2**16 leads at once, so each code's exact share is seen; what is open is searched to the end."""
    leads = np.arange(2**16, dtype="<u2")
    exact = rational.cumulative(law)
    starts = np.array([rational.floor_of(f, 15) for f in exact])  # leads that a threshold begins with
    open_leads = np.isin(leads & 0x7FFF, starts)
    rest = np.full(int(open_leads.sum()), 0x1234_5678_9ABC_DEF0, "<u8")
    codes = Inversion(law, tabulate(law)[1]).draw(2**16, script(leads.tobytes(), rest.tobytes()))
    floors = np.array([rational.floor_of(f, WORD) for f in exact], np.uint64)
    below = (leads & np.uint64(0x7FFF)) << np.uint64(48) | np.uint64(0x1234_5678_9ABC)
    magnitudes = np.searchsorted(floors, below, side="right")
    assert (codes == np.where(leads >> 15, ~magnitudes, magnitudes)).all()


def test_a_threshold_at_either_edge_of_an_interval_leaves_it_open() -> None:
    """No law here has one. Two of five leads draw more bits; those around them do not."""
    edges = np.array([5 << 48, (8 << 48) - 1, LARGEST], np.uint64)
    answers = script(words([4, 5, 6, 7, 8], 2), words([1 << 16, (2**48 - 2) << 16], 8))
    assert Inversion(LAWS[0], edges).draw(5, answers).tolist() == [0, 1, 1, 1, 2]


@pytest.mark.parametrize("negative", [0, 1])
@pytest.mark.parametrize("law", LAWS)
def test_words_on_a_threshold_are_decided_by_the_bits_that_follow(law: Law, negative: int) -> None:
    exact = rational.cumulative(law)
    thresholds = [int(t) for t in tabulate(law)[1]]
    for j in sorted({0, 1, len(thresholds) // 3, len(thresholds) - 2} & set(range(len(thresholds) - 1))):
        at = thresholds[j]
        if at in (thresholds[j - 1] if j else None, thresholds[j + 1]):
            continue
        here, next_ = (~j, ~(j + 1)) if negative else (j, j + 1)
        following = rational.floor_of(exact[j], WORD + 64) & (2**64 - 1)
        assert one(law, at, negative, following - 1) == here
        assert one(law, at, negative, following + 1) == next_
        last = rational.floor_of(exact[j], WORD + 128) & (2**64 - 1)
        assert one(law, at, negative, following, last - 1) == here
        assert one(law, at, negative, following, last + 1) == next_
        assert one(law, at, negative, following, last, 0) == here
        assert one(law, at, negative, following, last, 2**64 - 1) == next_


@pytest.mark.parametrize("law", LAWS)
def test_tails_reach_beyond_the_table(law: Law) -> None:
    table = len(tabulate(law)[1])
    exact = rational.cumulative(law)
    for following in (2**64 - 2**40, 2**64 - 2**12):
        number = LARGEST << 64 | following
        expected = sum(rational.floor_of(f, WORD + 64) <= number for f in exact)
        found = resolve(law, LARGEST, script(words([following], 8)))
        assert found == expected
        assert found >= table or law.exponent(1) > 4  # a narrow law steps over more than 64 bits
    deeper = resolve(law, LARGEST, script(words([2**64 - 1], 8), words([2**64 - 2**30], 8)))
    assert deeper >= found


@pytest.mark.parametrize("number, following, found", [
    (5 * 2**127 // 12 - 1, 0xFF, 0), (5 * 2**127 // 12, 0xFF, None), (3 * 2**127 // 5, 0, None),
    (3 * 2**127 // 5 + 1, 0, 1), (2**128 // 3 - 1, 0xFF, 1), (2**128 // 3, 0xFF, None), (2**127 - 1, 0, None),
])
def test_a_word_that_bounds_do_not_decide_stays_open(
    number: int, following: int, found: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All that is known is that the first threshold lies in [5/12, 3/5] and the second in [2/3, 9/10]."""
    monkeypatch.setattr(inversion, "sum_weights", lambda law, bits: Sums(8, [100, 160], [], 20, 200, 240))
    drawn = script(words([number & (2**64 - 1)], 8), *[bytes([following] * 8)] * 63)
    if found is None:
        with pytest.raises(ArithmeticError):
            resolve(LAWS[0], number >> 64, drawn)
    else:
        assert resolve(LAWS[0], number >> 64, drawn) == found


@pytest.mark.parametrize("half, error, high", [(2**199 - 1, 1, 2**200), (2**199, 0, 2**200 + 1)])
def test_a_threshold_that_bounds_do_not_decide_is_not_tabulated(
    half: int, error: int, high: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """1/2, which is a multiple of 2**-63, lies within the bounds."""
    known = Sums(200, [half, 2**200 - 1], [], error, 2**200, high)
    monkeypatch.setattr(inversion, "sum_weights", lambda law, bits: known)
    with pytest.raises(ArithmeticError):
        tabulate(LAWS[0])


def test_endless_ambiguity_is_an_error_and_not_a_bias() -> None:
    drawn: list[int] = []

    def ones(count: int) -> bytes:
        drawn.append(count)
        return b"\xff" * count

    with pytest.raises(ArithmeticError):
        resolve(laplace(Dyadic(1, -3)), LARGEST, ones)
    assert 8 * sum(drawn) > 3900
