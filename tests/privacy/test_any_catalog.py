"""Whatever bounds, resolutions and k and g a catalog declares, nobody moves a block further than priced.

Catalogs at random: columns of one value, of steps that do not fit their bounds, far from zero, below it;
persons whose rows lie at the bounds, beyond them, at halves of a step, or nowhere.
"""

import random
from fractions import Fraction
from pathlib import Path

import pytest

from cotally.server.model.plan import BlockKind
from cotally.v1 import catalog_pb2
from cotally.v1.refusals import Refusal, Refused
from tests.privacy.audit import by_group, furthest
from tests.privacy.federation import Asked, Federation, ask
from tests.privacy.people import SEED, catalog, number, table

PLACES = 150
NAMES = ("x", "y", "w")
STATISTICS = (
    "COUNT(*) AS n", "COUNT(x) AS nx", "SUM(x) AS s", "AVG(y) AS a", "WEIGHTED(COUNT(*), w) AS wn",
    "WEIGHTED(SUM(x), w) AS ws", "WEIGHTED(AVG(y), w) AS wa", "VARIANCE(x) AS v", "COVAR(x, y) AS c",
    "REGR(y, x, w) AS r", "HISTOGRAM(x, {bins}) AS h", "QUANTILE(y, 0.3, {leaves}) AS q",
    "INCIDENCES(pid) AS i", "CLIPPED_LOW(x) AS cl", "CLIPPED_HIGH(y) AS ch", "TRUNCATED(*) AS t")
CLAUSE = "FROM people GROUP BY BIN(place, 1), sex WITH PRIVACY (rho = 1)"


def decimal(value: Fraction) -> str:
    """*value*, which has few digits, as text."""
    whole = value.denominator == 1
    return str(value) if whole else f"{value.numerator / value.denominator:.9f}".rstrip("0").rstrip(".")


def column(draw: random.Random, name: str) -> catalog_pb2.Column:
    """A number with strange bounds; a weight has none below zero."""
    weight = name == "w"
    whole = draw.random() < 0.4
    resolution = Fraction("1" if whole else draw.choice(["0.1", "0.25", "1", "3", "0.000001", "1000"]))
    steps = draw.choice([0, 1, 2, 7, 1000, 2**31] if whole else [1, 2, 7, 1000, 2**20])
    lower = Fraction(draw.choice([0, 1, 5] if weight else [0, -1, -7, 5, -(2**31), 2**20]))
    part = Fraction(0) if whole else resolution * draw.choice([Fraction(0), Fraction(1, 2), Fraction(4, 5)])
    upper = lower + steps * resolution + part
    return number(name, str(lower), decimal(upper), "" if whole else decimal(resolution), weight=weight,
                  nullable=draw.random() < 0.6)


def cells(draw: random.Random, declared: catalog_pb2.Column) -> list[str]:
    """Cells at the edges of *declared*."""
    lower, upper = Fraction(declared.lower), Fraction(declared.upper)
    step = Fraction(declared.resolution or "1")
    inside = [lower, upper, lower + step / 2, upper - step / 2, (lower + upper) / 2]
    outside = ["", "nan", "inf", "-inf", "1e300", "-1e300", "x", decimal(lower - step), decimal(upper + step)]
    return [*map(decimal, inside), *outside]


def world(seed: int, folder: Path) -> tuple[Asked, Federation]:
    """A catalog, its persons, each at a place of their own, and a question of every statistic that fits."""
    draw = random.Random(SEED + seed)
    k, g = draw.choice([1, 1, 2, 3, 10]), draw.choice([1, 2, 3])
    declared = table(PLACES, k, g, people=1000)
    kept = [each for each in declared.columns if each.name in ("place", "sex")]
    made = [column(draw, name) for name in NAMES]
    del declared.columns[:]
    declared.columns.extend([*kept, *made])
    choices = [cells(draw, each) for each in made]
    lines = ["pid,place,sex,x,y,w"]
    for place in range(PLACES):
        sexes = draw.choice(["a", "ab", "ab?"])
        alike = [draw.choice(of) for of in choices] if place % 2 else None
        for _ in range(draw.choice([1, k, k + 1, 2 * k + 1])):
            for sex in sexes:
                row = alike or [draw.choice(of) for of in choices]
                lines.append(f"p{place},{place},{sex},{','.join(row)}")
    known = catalog(declared)
    wanted = [each.format(bins=draw.choice([1, 3, 17]), leaves=draw.choice([2, 16])) for each in STATISTICS]
    return _asked(wanted, known), Federation(known, {"north": {"people": lines}}, folder)


def _asked(wanted: list[str], known: catalog_pb2.Catalog) -> Asked:
    """The question of those statistics that the catalog's bounds allow."""
    allowed = []
    for each in wanted:
        try:
            ask(f"SELECT {each} {CLAUSE}", known)
        except Refused as refused:
            assert refused.refusal in (Refusal.UNSUPPORTED, Refusal.BAD_PRIVACY), refused
        else:
            allowed.append(each)
    return ask(f"SELECT {', '.join(allowed)} {CLAUSE}", known)


@pytest.mark.parametrize("seed", [
    *range(4), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(4, 100))])
def test_nobody_moves_a_block_further_than_its_price_says(seed: int, tmp_path: Path) -> None:
    asked, federation = world(seed, tmp_path)
    measured = federation.measure(asked)
    for block in asked.plan.blocks:
        l1, l2_squared = furthest(by_group(measured.exact, [block], PLACES))
        assert l1 <= block.l1 and l2_squared <= block.l2_squared, (seed, block)
        if block.kind is BlockKind.COUNT and not block.column:  # the comparison is as sharp as the price
            assert (l1, l2_squared) == (block.l1, block.l2_squared), seed
