"""Laplace: no event is likelier with a person than e^epsilon times as likely as without, and nearly so."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from cotally.server.dp.noise import Noise
from cotally.server.model.plan import Block
from tests.privacy.federation import Asked
from tests.privacy.worlds import Pair, Worlds, beyond

K = 10  # so that one row more is a loss 10 % above
TRIALS = 100_000
DEPARTMENTS = ("east", "north", "west")
FEW = "COUNT(*) AS n, AVG(age) AS a"
MANY = ("SUM(age) AS s, HISTOGRAM(pay, 5) AS h, QUANTILE(pay, 0.5, 4) AS q, WEIGHTED(SUM(age), w) AS w, "
        "COUNT(pay) AS p")
OF_PERSONS = "INCIDENCES(pid) AS i, TRUNCATED(*) AS t, CLIPPED_HIGH(age) AS c"
Claim = tuple[list[Block], float]


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worlds]:
    """One department alone: its noise is all that there is."""
    yield Worlds(K, DEPARTMENTS[:1], tmp_path_factory.mktemp("pure"))


def stated(asked: Asked) -> list[Claim]:
    """Per statistic its blocks, and the epsilon that the plan states for them."""
    readings = [asked.blocks_of(position) for position in range(len(asked.query.statistics))]
    return [(blocks, float(sum(block.l1 / block.scale.fraction() for block in blocks)))
            for blocks in readings]


def lowered(claims: list[Claim]) -> list[Claim]:
    """Claims of which the truth is 10 % above."""
    return [(blocks, claim / 1.1) for blocks, claim in claims]


def rejected(pair: Pair, claims: list[Claim], noise: Noise, known: tuple[str, ...] = (),
             trials: int = TRIALS) -> list[bool]:
    """Which claims two audits in a row refute: one alone is wrong about one of 1000 true claims."""
    standing = [True] * len(claims)
    for _ in range(2):
        if any(standing):
            found = pair.guess(beyond, [blocks for blocks, _ in claims], trials, noise, known)
            standing = [still and each.epsilon > claim
                        for still, each, (_, claim) in zip(standing, found, claims, strict=True)]
    return standing


def test_a_release_spends_no_more_than_it_says(worlds: Worlds) -> None:
    asked = worlds.ask(f"{FEW}, {MANY}, {OF_PERSONS}", "epsilon = 8, mechanism = 'laplace'")
    total = sum((block.l1 / block.scale.fraction() for block in asked.plan.blocks), start=0)
    assert asked.plan.epsilon is not None and total <= asked.plan.epsilon <= 8
    assert asked.plan.pico_loss <= 32 * 10**12


@pytest.mark.parametrize("select, epsilon, noise, trials", [
    (FEW, 3, Noise.EXACT, TRIALS), ("SUM(age) AS s", 1, Noise.OPENDP, TRIALS // 2),
    *(pytest.param(select, epsilon, noise, TRIALS, marks=pytest.mark.slow) for noise in Noise
      for select, epsilon in ((FEW, 3), (OF_PERSONS, 5))),
    pytest.param(MANY, 5, Noise.EXACT, TRIALS, marks=pytest.mark.slow),
])
def test_the_loss_is_the_stated_one(
    select: str, epsilon: int, noise: Noise, trials: int, worlds: Worlds
) -> None:
    """Of every statistic by itself: not above what is stated, but above ten elevenths of it."""
    asked = worlds.ask(select, f"epsilon = {epsilon}, mechanism = 'laplace'")
    pair, claims = worlds.measure(asked), stated(asked)
    assert min(claim for _, claim in claims) >= 0.5
    expected = [False] * len(claims) + [True] * len(claims)
    assert rejected(pair, [*claims, *lowered(claims)], noise, trials=trials) == expected


@pytest.mark.parametrize("select, epsilon", [(FEW, 3), pytest.param(MANY, 5, marks=pytest.mark.slow)])
def test_a_bound_off_by_one_is_a_loss_that_is_seen(select: str, epsilon: int, worlds: Worlds) -> None:
    asked = worlds.ask(select, f"epsilon = {epsilon}, mechanism = 'laplace'")
    pair, claims = worlds.measure(asked, replace(asked.table, rows_per_person=K + 1)), stated(asked)
    assert all(rejected(pair, claims, Noise.EXACT))


@pytest.mark.slow
def test_a_small_loss_is_measured_as_well(worlds: Worlds) -> None:
    """Epsilon of one half, with trials enough to tell ten per cent of it."""
    asked = worlds.ask("SUM(age) AS s", "epsilon = 0.5, mechanism = 'laplace'")
    claims = stated(asked)
    honest, planted = (worlds.measure(asked, replace(asked.table, rows_per_person=k)) for k in (K, K + 1))
    assert rejected(honest, claims, Noise.EXACT, trials=4 * TRIALS) == [False]
    assert rejected(planted, claims, Noise.EXACT, trials=4 * TRIALS) == [True]


def test_one_honest_share_carries_the_loss(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Pure loss takes the noise of one department; with all but one known, nothing is left to spare."""
    worlds = Worlds(K, DEPARTMENTS, tmp_path_factory.mktemp("shared"))
    asked = worlds.ask("COUNT(*) AS n", "epsilon = 1, mechanism = 'laplace'")
    pair, claims = worlds.measure(asked), stated(asked)
    assert asked.plan.honest == 1
    assert rejected(pair, [*claims, *lowered(claims)], Noise.EXACT, DEPARTMENTS[:2]) == [False, True]
    assert rejected(pair, claims, Noise.EXACT, DEPARTMENTS, trials=1) == [True]


def test_what_the_client_shows_tells_no_more(worlds: Worlds) -> None:
    """Decoding is post-processing: the numbers of an answer give the totals back, and nothing else."""
    asked = worlds.ask("COUNT(*) AS n", "epsilon = 1, mechanism = 'laplace'")
    totals, (block,) = worlds.measure(asked).present.release(Noise.EXACT), asked.plan.blocks
    shown = [row.estimates[0].value for row in asked.decode(totals.tolist(), departments=1)]
    assert np.rint(np.array(shown, float) * block.refinement).astype(int).tolist() == totals.tolist()


@pytest.mark.parametrize("noise", [Noise.EXACT, pytest.param(Noise.OPENDP, marks=pytest.mark.slow)])
def test_the_variance_is_the_stated_one(noise: Noise, worlds: Worlds) -> None:
    """2 b^2 but for the rounding to integers, block by block."""
    asked = worlds.ask("COUNT(*) AS n", "epsilon = 1, mechanism = 'laplace'")
    drawn = np.concatenate(list(worlds.measure(asked).noises(80, noise))).reshape(80, -1)
    for block in asked.plan.blocks:
        variance = 2 * float(block.scale.fraction()) ** 2
        measured = float(np.mean(drawn[:, block.offset:block.offset + block.cells].astype(float) ** 2))
        assert abs(measured / variance - 1) < 0.02
        assert abs(measured / (0.95 * variance) - 1) > 0.02
