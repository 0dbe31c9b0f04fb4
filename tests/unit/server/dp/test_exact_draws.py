"""Samples fit the exact distribution, and would not fit one whose scale is wrong by 2 %."""

import math
import os
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import opendp.prelude as opendp
import pytest
from scipy import stats

from cotally.server.dp import exact
from cotally.server.dp.law import Law, gaussian, laplace
from cotally.server.dp.rounding import odd_dyadic
from cotally.server.model.plan import Dyadic

opendp.enable_features("contrib")
ALARM = 1e-9  # of a test that should accept
Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Make = Callable[[Dyadic], Law]
CLAIMS = [(1.0, True), (0.98, False), (1.02, False)]

SMALL = [Dyadic(3, -1), Dyadic(11, -2), Dyadic(1, 3)]


def chi_square(samples: Integers, scale: float, make: Make) -> float:
    """The p-value of *samples* under the probabilities of *scale*, cells with few expected draws joined."""
    reach = int(np.abs(samples).max())
    x = np.arange(-max(reach, int(60 * scale)), max(reach, int(60 * scale)) + 1)
    weights = np.exp(-np.abs(x) / scale if make is laplace else -(x**2) / (2 * scale**2))
    expected = weights / weights.sum() * len(samples)
    observed = np.bincount(samples + x[-1], minlength=len(x))
    inner = expected >= 30
    cells = np.array([[*counts[inner], counts[~inner].sum()] for counts in (observed, expected)])
    return float(stats.chi2.sf(((cells[0] - cells[1]) ** 2 / cells[1]).sum(), cells.shape[1] - 1))


@pytest.mark.parametrize("make", [laplace, gaussian])
@pytest.mark.parametrize("scale", SMALL)
def test_small_scales_fit_their_exact_probabilities(scale: Dyadic, make: Make) -> None:
    samples = exact.draw(make(scale), 1_000_000)
    true = float(scale.fraction())
    for claim, accepted in CLAIMS:
        assert (chi_square(samples, true * claim, make) > ALARM) == accepted


@pytest.mark.parametrize("make", [laplace, gaussian])
@pytest.mark.parametrize("buckets", [4, 16])
def test_coarse_buckets_leave_the_distribution_as_it_is(
    make: Make, buckets: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Few buckets, so that most offsets must be decided and many are refused."""
    monkeypatch.setattr(exact, "_BUCKETS", buckets)
    sampler = exact.Sampler(make(Dyadic(1, 5)))
    assert sampler._shift >= 1
    samples = sampler.draw(1_000_000, os.urandom)
    for claim, accepted in CLAIMS:
        assert (chi_square(samples, 32 * claim, make) > ALARM) == accepted


def gap(samples: Integers, distribution: Callable[[Floats], Floats], scale: float) -> float:
    """Kolmogorov distance to a continuous distribution, read halfway between integers at 2,000 places."""
    places = np.unique(np.round(np.linspace(-4, 4, 2000) * scale))
    counts = np.histogram(samples, np.concatenate([[-np.inf], places + 0.5, [np.inf]]))[0]
    return float(np.abs(np.cumsum(counts)[:-1] / len(samples) - distribution((places + 0.5) / scale)).max())


DRAWS = 6_000_000
SHAPES: dict[Make, Callable[[Floats], Floats]] = {laplace: stats.laplace.cdf, gaussian: stats.norm.cdf}


def dkw(make: Make, scale: Dyadic, draws: int) -> None:
    samples = exact.draw(make(scale), draws)
    bound = math.sqrt(math.log(2 / ALARM) / (2 * draws))
    true = float(scale.fraction())
    for claim, accepted in CLAIMS:
        assert (gap(samples, SHAPES[make], true * claim) < bound) == accepted


@pytest.mark.parametrize("make", [laplace, gaussian])
@pytest.mark.parametrize("scale", [(1000, 0), (10**6, 0)])
def test_large_scales_lie_within_the_dkw_band(scale: tuple[int, int], make: Make) -> None:
    dkw(make, odd_dyadic(*scale), DRAWS)


@pytest.mark.slow
@pytest.mark.parametrize("make", [laplace, gaussian])
@pytest.mark.parametrize("scale", [(1000, 0), (1025, 0), (99_999, 2), (2**23, 0),
                                   (2**23 + 1, 0), (10**9 + 7, 0), (3, 39), (1, 55)])
def test_many_draws_lie_within_a_narrower_band(scale: tuple[int, int], make: Make) -> None:
    dkw(make, odd_dyadic(*scale), 30_000_000)


@pytest.mark.parametrize("make", [laplace, gaussian])
@pytest.mark.parametrize("scale", [(3, -1), (1000, 0), (3, 39)])
def test_signs_offsets_and_neighbours_are_fair(scale: tuple[int, int], make: Make) -> None:
    samples = exact.draw(make(odd_dyadic(*scale)), 1_000_000)
    positive, negative = int((samples > 0).sum()), int((samples < 0).sum())
    assert stats.binomtest(positive, positive + negative).pvalue > ALARM
    signs = np.sign(samples[samples != 0])
    alike = int((signs[1:] == signs[:-1]).sum())
    assert stats.binomtest(alike, len(signs) - 1).pvalue > ALARM
    if scale != (3, -1):  # a wide law is even about the last bits
        low = np.bincount(samples & 15, minlength=16)
        assert stats.chisquare(low).pvalue > ALARM


@pytest.mark.parametrize("scale", [2.75, 1000.0, 2.0**40])
@pytest.mark.parametrize("make", [laplace, gaussian])
def test_two_samplers_cannot_be_told_apart(scale: float, make: Make) -> None:
    space = opendp.vector_domain(opendp.atom_domain(T="i64"))
    if make is gaussian:
        theirs = opendp.m.make_gaussian(space, opendp.l2_distance(T="f64"), scale=scale)
    else:
        theirs = opendp.m.make_laplace(space, opendp.l1_distance(T="f64"), scale=scale)
    peer = np.array(theirs([0] * 20_000))
    mantissa, denominator = scale.as_integer_ratio()
    for factor, alike in ((Dyadic(1, 0), True), (Dyadic(5, -2), False)):
        dyadic = odd_dyadic(mantissa * factor.mantissa, factor.exponent - denominator.bit_length() + 1)
        ours = exact.draw(make(dyadic), 1_000_000)
        assert (stats.ks_2samp(peer, ours, method="asymp").pvalue > ALARM) == alike
