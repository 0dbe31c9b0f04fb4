"""The hardest curves for a quantile: values that pile up on a few atoms with nothing between them."""

from fractions import Fraction

import numpy as np
import pytest

from cotally.client.decode.quantile import ranks
from cotally.v1 import query_pb2
from tests.fixtures import simulated
from tests.honesty.noise import SEED

pytestmark = pytest.mark.slow
TABLE = simulated.table(simulated.number("x", "0", "256"))
ATOMS, GAP, RELEASES = 8, 32, 300


def coverage(heavy: float, place: Fraction, rng: np.random.Generator) -> float:
    """How often a quantile *place* of the way through an atom of *heavy* sigma of rows is covered."""
    before = 5
    q = float(round((before + place) / ATOMS, 4))
    plan, asked = simulated.prepared(simulated.asking(query_pb2.Statistic(
        kind=query_pb2.STATISTIC_KIND_QUANTILE, column="x", quantile=str(q), bins=256, alias="a"),
        rho="0.002"), TABLE)
    weights = ranks(256, q)[before * GAP]
    rows = round(heavy * float(weights @ weights * asked.measured[0].variance) ** 0.5)
    units = {"x": np.repeat(np.arange(ATOMS) * GAP, rows)}
    found = simulated.releases(plan, asked, TABLE, units, RELEASES, rng)
    truth = float(np.quantile(units["x"], q, method="inverted_cdf"))
    return float(np.mean([each.low is None or each.high is None or each.low <= truth <= each.high
                          for each in found]))


@pytest.mark.parametrize("heavy", [1.0, 2.0, 4.0])
def test_atoms_are_covered(heavy: float) -> None:
    """Nine in ten where the rank falls on the very end of an atom; as stated where it falls within it."""
    rng = np.random.default_rng(SEED)
    at_the_end = coverage(heavy, Fraction(1), rng)
    within = np.mean([coverage(heavy, Fraction(place, 10), rng) for place in (1, 3, 5, 7, 9)])
    print(f"\natoms of {heavy} sigma: {at_the_end:.3f} at the end, {within:.3f} within, seed {SEED}")
    assert at_the_end >= 0.9
    assert within >= 0.94
