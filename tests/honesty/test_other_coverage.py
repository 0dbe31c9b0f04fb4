"""What the large sweep leaves out: Laplace noise, shares, suggested bounds, joins, people held twice."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cotally.v1 import query_pb2
from tests.honesty import others, people
from tests.honesty.joint import SALT, Federation, Measured, decoded
from tests.honesty.noise import SEED
from tests.honesty.people import Holding
from tests.honesty.tally import ENOUGH, LEAST, LINEAR, WIDE, Row, Table, Tally, faults, printed, tally
from tests.honesty.truth import Group, Truth, clipped, groups, truth

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not people.PUMS.is_dir(), reason="the PUMS samples are not beside the checkout")]

K = query_pb2
TRUNCATED = ("SELECT TRUNCATED(*) AS t, COUNT(DISTINCT pid) AS p FROM people "
             "GROUP BY town WITH PRIVACY (rho = 0.05)")
CLIPPED = ("SELECT CLIPPED_LOW(age) AS l, CLIPPED_HIGH(income) AS h FROM people GROUP BY sex "
           "BOUNDS(age, 30, 100), BOUNDS(income, 0, 40000) WITH PRIVACY (rho = 0.01)")
SUGGESTED = "SUGGEST BOUNDS FOR people.income WITH PRIVACY (rho = 0.005)"
INCIDENCES = ("SELECT INCIDENCES(pid) AS p, COUNT(*) AS n, SUM(income) AS s, AVG(hours) AS a FROM people "
              "GROUP BY town WITH PRIVACY (rho = 1)")
JOINED = ("SELECT COUNT(*) AS n, SUM(cost) AS s, AVG(people.age) AS a, COUNT(DISTINCT pid) AS p "
          "FROM visits JOIN people USING (pid) GROUP BY ward WITH PRIVACY (rho = 0.1)")
LAPLACE = ("SELECT COUNT(*) AS n, SUM(income) AS s, AVG(age) AS a, HISTOGRAM(age, 8) AS h FROM people "
           "GROUP BY sex, married WITH PRIVACY (epsilon = 1, mechanism = 'laplace')")
LAPLACE_MOMENTS = ("SELECT VARIANCE(age) AS v, COVAR(income, age) AS c, REGR(income, age) AS r FROM people "
                   "GROUP BY sex WITH PRIVACY (epsilon = 2, mechanism = 'laplace')")


def own_truth(measured: Measured, holding: Holding) -> list[list[Truth]]:
    """Per statistic and group; people who stay apart are one across departments."""
    return _all(measured, holding, groups(holding, list(measured.query.keys), SALT))


def by_department(measured: Measured, holding: Holding) -> list[list[Truth]]:
    """The same where a person counts anew in every department that holds them."""
    parts = [groups(Holding(holding.table, {name: own}), list(measured.query.keys), SALT)
             for name, own in holding.records.items()]
    apart = [{f"{part}:{person}": rows for part, of in enumerate(same) for person, rows in of.items()}
             for same in zip(*parts, strict=True)]
    return _all(measured, holding, apart)


def after_the_join(measured: Measured, holding: Holding) -> list[list[Truth]]:
    """The same of the paired rows."""
    return own_truth(measured, others.joined(holding, measured.table))


def _all(measured: Measured, holding: Holding, found: Sequence[Group]) -> list[list[Truth]]:
    return [[_one(measured, position, holding, group) for group in found]
            for position in range(len(measured.asked))]


def _one(measured: Measured, position: int, holding: Holding, group: Group) -> Truth:
    asked = measured.asked[position]
    statistic = asked.statistic
    if statistic.kind in (K.STATISTIC_KIND_CLIPPED_LOW, K.STATISTIC_KIND_CLIPPED_HIGH):
        declared, bounded = (
            next(column for column in table.columns if column.name == statistic.column)
            for table in (holding.table, measured.table))
        return clipped(group, declared, bounded, statistic.kind == K.STATISTIC_KIND_CLIPPED_LOW)
    if statistic.kind == K.STATISTIC_KIND_INCIDENCES:
        return [float(len(group))]
    return truth(statistic, group, holding.table, asked.blocks)


Case = tuple[Callable[[], Holding], str, Callable[[Measured, Holding], list[list[Truth]]]]
CASES: dict[str, Case] = {
    "truncated": (people.made_up, TRUNCATED, own_truth),
    "clipped": (lambda: people.pums("PUMS_pid"), CLIPPED, own_truth),
    "suggested bounds": (people.made_up, SUGGESTED, own_truth),
    "held twice": (others.overlapping, INCIDENCES, by_department),
    "joined": (others.visited, JOINED, after_the_join),
    "laplace": (lambda: people.pums("PUMS_pid"), LAPLACE, own_truth),
    "laplace, moments": (lambda: people.pums("PUMS_pid"), LAPLACE_MOMENTS, own_truth),
}


def pooled(name: str, folder: Path, numbers: int, factor: float) -> Table:
    """How the statistics of a case do over about *numbers* of each, told *factor* times their noise."""
    make, text, truths_of = CASES[name]
    holding = make()
    measured = Federation(holding, folder).measure(text)
    truths = truths_of(measured, holding)
    table: Table = {}
    releases = measured.releases(-(-numbers // measured.groups), np.random.default_rng(SEED))
    for position, asked in enumerate(measured.asked):
        kind = asked.statistic.kind
        told = replace(asked, measured=tuple(
            replace(each, noise=replace(each.noise, scale=each.noise.scale * factor))
            for each in asked.measured))
        for group, due in enumerate(truths[position]):
            row = Row(f"{name}: {asked.statistic.alias}", kind, measured.sigma(position) >= WIDE, False)
            table.setdefault(row, Tally()).add(tally(decoded(told, group, releases), due, kind in LINEAR))
    return table


@pytest.mark.parametrize("name", CASES)
def test_intervals_cover_the_bounded_truth(name: str, tmp_path: Path) -> None:
    table = pooled(name, tmp_path, ENOUGH, 1)
    print(f"\nseed {SEED} (COTALLY_TEST_SEED)\n{printed(table)}")
    assert not (found := faults(table)), f"seed {SEED}: {'; '.join(found)}"
    assert any(row.wide for row in table)


@pytest.mark.parametrize("name", CASES)
def test_a_decoder_that_is_told_less_noise_is_rejected(name: str, tmp_path: Path) -> None:
    table = pooled(name, tmp_path, ENOUGH // 5, 1 / 2)
    for row, each in table.items():
        assert each.coverage < LEAST, f"seed {SEED}: {row} {each.coverage}"
