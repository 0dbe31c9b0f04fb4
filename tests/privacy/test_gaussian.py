"""Gaussian: with a person and without are told apart no better than two normal laws math.sqrt(2 rho) apart.

Of all tests the likelihoods' ratio is the best one for normal laws (Neyman and Pearson); its rates of true
and false positives give a lower bound on that distance.
"""

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from cotally.server.dp.noise import Noise
from tests.privacy.worlds import PLACES, Pair, Worlds, nearer

K = 20  # so that one row more is a rho 10 % above
TRIALS = 100_000
DEPARTMENTS = ("east", "north", "west")
SELECT = "COUNT(*) AS n, AVG(age) AS a, VARIANCE(age) AS v"
EVERY = (
    "COUNT(*) AS n, COUNT(pay) AS np, SUM(age) AS s, AVG(age) AS a, VARIANCE(age) AS v, "
    "COVAR(age, pay) AS c, REGR(age, pay, w) AS r, WEIGHTED(SUM(age), w) AS w, HISTOGRAM(age, 3) AS h, "
    "QUANTILE(pay, 0.9, 4) AS q, INCIDENCES(pid) AS i, TRUNCATED(*) AS t, CLIPPED_HIGH(pay) AS ch"
)


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worlds]:
    """One department alone: its noise is all that there is."""
    yield Worlds(K, DEPARTMENTS[:1], tmp_path_factory.mktemp("gaussian"))


def rejected(
    pair: Pair, rhos: Sequence[float], noise: Noise, known: Collection[str] = (), trials: int = TRIALS
) -> list[bool]:
    """Which claims two audits of all coordinates together refute: one alone errs in one of 1000."""
    standing = [True] * len(rhos)
    for _ in range(2):
        if any(standing):
            (found,) = pair.guess(nearer, [pair.asked.plan.blocks], trials, noise, known)
            standing = [still and found.mu > math.sqrt(2 * rho)
                        for still, rho in zip(standing, rhos, strict=True)]
    return standing


@pytest.mark.parametrize("select, rho, noise, trials", [
    (SELECT, 2, Noise.EXACT, TRIALS), ("SUM(age) AS s", 2, Noise.OPENDP, TRIALS // 2),
    pytest.param(EVERY, 2, Noise.EXACT, TRIALS, marks=pytest.mark.slow),
    *(pytest.param(SELECT, 0.5001, noise, 2 * TRIALS, marks=pytest.mark.slow) for noise in Noise),
])
def test_the_loss_is_the_price(select: str, rho: float, noise: Noise, trials: int, worlds: Worlds) -> None:
    """Of all coordinates of a release together: its blocks' prices add up to what is lost, and to no less."""
    asked = worlds.ask(select, f"rho = {rho}")
    assert 0.5 <= asked.rho <= rho
    pair = worlds.measure(asked)
    assert rejected(pair, [asked.rho, asked.rho / 1.1], noise, trials=trials) == [False, True]


def test_a_bound_off_by_one_is_a_loss_that_is_seen(worlds: Worlds) -> None:
    asked = worlds.ask(SELECT, "rho = 2")
    pair = worlds.measure(asked, replace(asked.table, rows_per_person=K + 1))
    assert rejected(pair, [asked.rho], Noise.EXACT) == [True]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worlds]:
    """Three departments, of which one may collude: h is two."""
    yield Worlds(K, DEPARTMENTS, tmp_path_factory.mktemp("shared"))


@pytest.mark.parametrize("noise", [Noise.EXACT, pytest.param(Noise.OPENDP, marks=pytest.mark.slow)])
def test_h_shares_carry_the_loss(noise: Noise, shared: Worlds) -> None:
    """With all shares but h known nothing is left to spare; with all but h - 1, the price is not met."""
    asked = shared.ask("COUNT(*) AS n", "rho = 2")
    pair = shared.measure(asked)
    assert asked.plan.honest == 2
    assert rejected(pair, [asked.rho, asked.rho / 1.1], noise, DEPARTMENTS[2:]) == [False, True]
    assert rejected(pair, [asked.rho * 1.5], noise, DEPARTMENTS[1:], TRIALS // 5) == [True]
    assert rejected(pair, [asked.rho * 0.75], noise, (), TRIALS // 5) == [False]  # three shares: two thirds


def test_the_variance_is_the_stated_one(shared: Worlds) -> None:
    """That of a release is the sum of all departments' shares, block by block."""
    asked = shared.ask("AVG(age) AS a", "rho = 2")
    drawn = np.concatenate(list(shared.measure(asked).noises(30, Noise.EXACT))).reshape(30, -1)
    for block in asked.plan.blocks:
        variance = len(DEPARTMENTS) * float(block.scale.fraction()) ** 2
        measured = float(np.mean(drawn[:, block.offset:block.offset + block.cells].astype(float) ** 2))
        assert abs(measured / variance - 1) < 0.02
        assert abs(measured / (0.95 * variance) - 1) > 0.02


def echoes(drawn: npt.NDArray[np.float64]) -> list[int]:
    """At which distances draws, releases of coordinates of variance 1, resemble each other: none may.

    Neighbours, every other one, the same place of the next block or the one after, of the next release.
    """
    line, release = drawn.ravel(), drawn.shape[1]
    found = {lag: float(np.mean(line[:-lag] * line[lag:])) for lag in (1, 2, PLACES, 2 * PLACES, release)}
    return [lag for lag, resemblance in found.items() if abs(resemblance) > 5 / math.sqrt(line.size)]


@pytest.mark.parametrize("noise, releases", [(Noise.EXACT, 20), (Noise.OPENDP, 4)])
def test_every_draw_is_a_new_one(noise: Noise, releases: int, worlds: Worlds) -> None:
    """What two statistics, places or releases share, their difference lacks; an audit of each misses that."""
    asked = worlds.ask(SELECT, "rho = 2")
    drawn = np.array(list(worlds.measure(asked).noises(releases, noise)), float)
    for block in asked.plan.blocks:
        assert block.cells == PLACES
        drawn[:, block.offset:block.offset + block.cells] /= float(block.scale.fraction())
    assert echoes(drawn) == []
    lent, kept = drawn.copy(), drawn.copy()
    lent[:, PLACES:2 * PLACES] = lent[:, :PLACES]  # one block's noise serves another
    kept[1::2] = kept[::2]  # and one release's the next
    assert echoes(lent) == [PLACES] and echoes(kept) == [drawn.shape[1]]
