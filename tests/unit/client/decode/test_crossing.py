"""Edges before a crossing are refuted about as often as is nominal, and never on the far side of a zero."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from cotally.client.decode.crossing import Noises, rising

SEED = 20261122
EDGES = 41
VALUES = arrays.arrays(np.float64, st.integers(1, 30), elements=st.integers(-100, 100).map(float))


def walk(draws: int, rng: np.random.Generator) -> np.ndarray:
    """Edges x draws of standard noise, each edge's correlated 0.8 with the next one's."""
    found = np.empty((EDGES, draws))
    found[0] = rng.standard_normal(draws)
    for edge in range(1, EDGES):
        found[edge] = 0.8 * found[edge - 1] + 0.6 * rng.standard_normal(draws)
    return found


def noises(confidence: float = 0.95) -> Noises:
    return Noises(walk(999, np.random.default_rng(SEED)), np.ones(EDGES), confidence, 1.959964)


@settings(max_examples=40, deadline=None)
@given(VALUES)
def test_the_fit_rises_and_is_nearest(values: np.ndarray) -> None:
    fit = rising(values)
    assert (np.diff(fit) >= 0).all()
    assert fit.sum() == pytest.approx(values.sum())
    for other in (np.maximum.accumulate(values), np.sort(values), np.full(len(values), values.mean())):
        assert ((fit - values) ** 2).sum() <= ((other - values) ** 2).sum() + 1e-6


@pytest.mark.parametrize("slope, factor, accepted", [
    (0.3, 1.0, True), (1.0, 1.0, True), (50.0, 1.0, True), (1.0, 2.5, False),
    (50.0, 2.5, False)])
def test_the_edge_at_the_crossing_is_rarely_refuted(slope: float, factor: float, accepted: bool) -> None:
    """A line through zero at the middle edge, under noise *factor* times what is told."""
    told, curve = noises(), slope * (np.arange(EDGES) - EDGES // 2)
    drawn = factor * walk(600, np.random.default_rng(SEED + 1)).T + curve
    missed = sum(told.refuted(each, rising(each))[EDGES // 2] for each in drawn) / len(drawn)
    assert (missed <= 0.05) == accepted, f"{missed}, seed {SEED}"
    assert missed >= 0.005, f"{missed}: hardly ever, seed {SEED}"


def test_nothing_is_refuted_from_the_first_value_that_is_not_negative() -> None:
    values = np.full(EDGES, -30.0)
    values[7:] = 0.0
    assert noises().refuted(values, rising(values)).tolist() == [True] * 7 + [False] * (EDGES - 7)
    values[0] = 1.0
    assert not noises().refuted(values, rising(values)).any()


def test_too_few_draws_leave_each_edge_its_own_quantile() -> None:
    told = Noises(noises().draws, np.ones(EDGES), 0.999, 3.29)
    values = np.linspace(-5, 5, EDGES)
    assert told.refuted(values, values).tolist() == (values < -3.29).tolist()


def test_the_mirror_tells_the_same_from_the_other_side() -> None:
    told = noises()
    values = walk(1, np.random.default_rng(3))[:, 0] + np.linspace(-8, 8, EDGES)
    there_and_back = told.mirrored().mirrored()
    assert (there_and_back.refuted(values, rising(values)) == told.refuted(values, rising(values))).all()
