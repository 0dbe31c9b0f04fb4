"""Decisions agree with rational arithmetic, and nothing but the operating system's bytes feeds the noise."""

import inspect
import math
import os
from collections import Counter
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cotally.server.dp import exact, inversion, measure
from cotally.server.dp.exact import LARGEST, Sampler, below_exp
from cotally.server.dp.law import Law, gaussian, laplace
from cotally.server.dp.rounding import odd_dyadic
from cotally.server.model.plan import Dyadic
from tests.fixtures import rational


def never(count: int) -> bytes:
    raise AssertionError("no more bits are needed")


@given(st.fractions(0, 5, max_denominator=10**9), st.integers(1, 64), st.booleans())
@settings(max_examples=100, deadline=None)
def test_acceptance_is_decided_by_the_bits_and_no_earlier(exponent: Fraction, bits: int, last: bool) -> None:
    low, high = rational.exponential(exponent)
    at = min(rational.floor_of((low, high), bits), 2**bits - 1) if exponent else 2**bits - 1
    if at:
        assert below_exp(exponent, at - 1, bits, never)
    if at + 1 < 2**bits:
        assert not below_exp(exponent, at + 1, bits, never)
    if exponent:  # the word itself is ambiguous: what follows decides
        following = rational.floor_of((low, high), bits + 64) & (2**64 - 1)
        if 0 < following < 2**64 - 1:
            shifted = (following + 1 if last else following - 1).to_bytes(8, "little")
            assert below_exp(exponent, at, bits, lambda count: shifted) is not last
    else:
        assert below_exp(exponent, at, bits, never)


@pytest.mark.parametrize("word", [0, 1])
def test_acceptance_waits_for_bits_that_clear_both_bounds(word: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of exp(-d) it is known, at any precision, that it lies within a unit of 1/2; so it is asked twice."""
    monkeypatch.setattr(exact, "exp_below", lambda exponent, precision: 2 ** (precision - 1) - 1)
    towards, away = (bytes(8), b"\xff" * 8) if word else (b"\xff" * 8, bytes(8))
    answers = [towards, away]
    assert below_exp(Fraction(1), word, 1, lambda count: answers.pop(0)) is (word == 0)
    assert not answers


@pytest.mark.parametrize("law", [laplace(Dyadic(1, 12)), gaussian(Dyadic(1, 12)), gaussian(Dyadic(3, 9)),
                                 laplace(Dyadic(1, 40)), gaussian(Dyadic(5, 38)), laplace(Dyadic(3, 55)),
                                 laplace(Dyadic(1, 60)), gaussian(Dyadic(1, 59)),
                                 Law(Fraction(1, 10**5), Fraction(1, 10**9))])
def test_offsets_are_accepted_just_below_the_exact_weight(law: Law) -> None:
    """Words at the weight's leading bits, one below and one above, met with bits that say yes and no."""
    sampler = Sampler(law)
    shift, bits = sampler._shift, sampler._deciding
    assert sampler._inversion._law.exponent(3) == law.exponent(3 << shift)
    rng = np.random.default_rng(5)
    buckets = np.repeat(rng.integers(0, 1500, 60), 4)
    offsets = np.repeat(np.append(rng.integers(0, 1 << shift, 58), [1, (1 << shift) - 1]), 4)
    words, expected, feed = [], [], b""
    for i, (y, r) in enumerate(zip(buckets.tolist(), offsets.tolist(), strict=True)):
        start = y << shift
        weight = rational.exponential(law.exponent(start + r) - law.exponent(start))
        at = rational.floor_of(weight, bits) if r else 2**bits - 1
        turn = i % 4
        word = min(max(at + (-1, 0, 0, 1)[turn], 0), 2**bits - 1)
        words.append(word)
        if word == at and r:
            feed += (b"\0" if turn < 2 else b"\xff") * 8  # far from the weight's next 64 bits
        expected.append(word < at or (word == at and (turn < 2 or not r)))
    left = [feed[i : i + 8] for i in range(0, len(feed), 8)]
    upper = np.array([word << shift for word in words], sampler._words)
    quick = upper < sampler._surely.take(buckets, mode="clip")
    assert all(want for want, fast in zip(expected, quick, strict=True) if fast)
    decided = sampler._decide(buckets, offsets, upper, lambda count: left.pop(0))
    assert decided.tolist() == expected
    assert not left


@pytest.mark.parametrize("excess, word, following, accepted", [(1, 2**47 - 2, b"\xff", False),
                                                               (-1, 2**47 - 1, b"\0", True)])
def test_doubles_leave_open_what_their_roundings_could_change(
    excess: int, word: int, following: bytes, accepted: bool
) -> None:
    """d = 2**-47 +- 2**-58, but 1 - d in doubles is 1 - 2**-47: U lies between that and exp(-d)."""
    sampler = Sampler(Law(Fraction(0), Fraction(2**11 + excess, 2**58)))
    assert (sampler._shift, sampler._deciding) == (17, 47)
    upper = np.array([word << 17], sampler._words)
    bucket, offset = np.array([0]), np.array([1])
    assert sampler._decide(bucket, offset, upper, lambda count: following * count).tolist() == [accepted]


def test_a_negative_zero_is_drawn_again() -> None:
    sampler = Sampler(laplace(Dyadic(1, 2)))
    answers = [(0x8000).to_bytes(2, "little"), (0x0000).to_bytes(2, "little")]
    assert sampler.draw(1, lambda count: answers.pop(0)).tolist() == [0]
    assert not answers


def test_a_negative_zero_of_a_wide_law_is_drawn_again(monkeypatch: pytest.MonkeyPatch) -> None:
    sampler = Sampler(laplace(Dyadic(1, 20)))
    codes = [-1, 0]  # the first bucket below zero, then the one above; every offset is 0
    monkeypatch.setattr(sampler._inversion, "draw", lambda n, _: np.array([codes.pop(0)]))
    assert sampler._shift and sampler.draw(1, bytes).tolist() == [0]
    assert not codes


def test_noise_beyond_its_largest_is_cut_and_does_not_wrap(monkeypatch: pytest.MonkeyPatch) -> None:
    sampler = Sampler(laplace(Dyadic(1, 58)))
    for bucket in (int(LARGEST >> sampler._shift) - 1, LARGEST >> sampler._shift, 2**62):
        for code in (bucket, -1 - bucket):
            monkeypatch.setattr(sampler._inversion, "draw", lambda n, _, code=code: np.full(n, code))
            drawn = sampler.draw(200, lambda count: bytes(count // 2) + b"\x01" * (count - count // 2))
            exact_ = min(bucket << sampler._shift, LARGEST)
            assert (np.abs(drawn) <= LARGEST).all()
            assert (np.sign(drawn) == (1 if code >= 0 else -1)).all()
            assert int(np.abs(drawn).min()) == exact_


@pytest.mark.parametrize("make", [laplace, gaussian])
def test_scales_reach_up_to_64_bits_and_no_further(make: type) -> None:
    drawn = exact.draw(make(Dyadic(1, 59)), 1000)
    assert int(np.abs(drawn).max()) > 2**59
    widest = 2**40 if make is laplace else math.isqrt(2**79)  # times 2**20: scales of 2**60 and 2**59.5
    exact.draw(make(odd_dyadic(widest, 20)), 1)
    with pytest.raises(ValueError):
        exact.draw(make(odd_dyadic(widest + 1, 20)), 1)
    assert set(exact.draw(make(Dyadic(1, -12)), 100).tolist()) == {0}


def test_one_sampler_serves_all_threads_and_every_byte_is_used_once(monkeypatch: pytest.MonkeyPatch) -> None:
    given_out: list[bytes] = []

    def recorded(count: int) -> bytes:
        given_out.append(os.getrandom(count))
        return given_out[-1]

    monkeypatch.setattr(os, "urandom", recorded)
    law = gaussian(Dyadic(1, 30))
    values = exact.draw(law, 300_000, threads=4)
    assert Counter(values.tolist()).most_common(1)[0][1] <= 3
    assert sum(map(len, given_out)) >= 10 * 300_000
    long = [chunk for chunk in given_out if len(chunk) >= 16]
    assert len(set(long)) == len(long)


def test_the_operating_systems_bytes_are_the_only_source(monkeypatch: pytest.MonkeyPatch) -> None:
    """With them replaced all noise follows, so nothing else feeds it; nobody can hand in others."""
    law = gaussian(odd_dyadic(3001, 0))

    def twice() -> list[list[int]]:
        drawn = []
        for _ in range(2):
            rng = np.random.default_rng(1)
            monkeypatch.setattr(os, "urandom", rng.bytes)
            drawn.append(exact.draw(law, 1000).tolist())
        return drawn

    first, second = twice()
    assert first == second
    monkeypatch.undo()
    assert exact.draw(law, 1000).tolist() != first
    assert list(inspect.signature(exact.draw).parameters) == ["law", "count", "threads"]
    assert list(inspect.signature(measure.measure).parameters) == ["values", "plan", "noise"]
    for module in (exact, inversion, measure):
        text = Path(str(module.__file__)).read_text()
        assert "np.random" not in text
        assert "import random" not in text
