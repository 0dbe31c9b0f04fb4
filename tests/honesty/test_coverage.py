"""Intervals of nominally 95 % cover the bounded truth in 94 to 97 % of releases, statistic by statistic.

Real microdata and made-up people with skew, heavy tails and small groups; each question is measured once, by
DuckDB in every department, and released thousands of times. The whole table is printed (pytest -s).
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import pytest

from cotally.client.decode.asked import Asked
from cotally.v1 import catalog_pb2, query_pb2
from tests.honesty import people
from tests.honesty.grain import steps
from tests.honesty.joint import SALT, Federation, Measured, decoded
from tests.honesty.noise import SEED
from tests.honesty.people import Holding
from tests.honesty.tally import ENOUGH, LINEAR, WIDE, Row, Table, Tally, faults, printed, tally
from tests.honesty.truth import groups, truth

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not people.PUMS.is_dir(), reason="the PUMS samples are not beside the checkout")]

NUMBERS = 12_000  # per statistic, question and holding, about
Decoder = Callable[[Asked], Asked]  # what a decoder is told, which a test may falsify


@dataclass(frozen=True, slots=True)
class Question:
    """A SELECT list, its keys and its price; `names` are what its statistics are pooled under."""

    names: tuple[str, ...]
    select: str
    keys: str
    rho: str
    hopeless: bool = False  # noise drowns most groups, and most intervals are the whole line
    share: float = 1  # of NUMBERS

    @property
    def text(self) -> str:
        """The question as an analyst writes it."""
        grouped = f" GROUP BY {self.keys}" if self.keys else ""
        return f"SELECT {self.select} FROM people{grouped} WITH PRIVACY (rho = {self.rho})"


TOTALS = ("count", "persons", "sum", "mean")
TOTALS_SQL = "COUNT(*) AS n, COUNT(DISTINCT pid) AS p, SUM(income) AS s, AVG({}) AS a"
WEIGHTED = ("weighted count", "weighted sum", "weighted mean")
WEIGHTED_SQL = "WEIGHTED(COUNT(*), w) AS n, WEIGHTED(SUM(income), w) AS s, WEIGHTED(AVG({}), w) AS a"
ON_PUMS = (
    Question(TOTALS, TOTALS_SQL.format("age"), "sex, educ", "0.08"),
    Question(TOTALS, TOTALS_SQL.format("age"), "sex, educ", "2"),
    Question(("histogram",), "HISTOGRAM(age, 10) AS h", "sex, educ", "0.02"),
    Question(("variance",), "VARIANCE(age) AS v", "sex", "0.04"),
    Question(("stddev",), "STDDEV(income) AS v", "sex", "0.04"),
    Question(("covar",), "COVAR(income, age) AS c", "sex", "0.05"),
    Question(("corr",), "CORR(income, age) AS c", "", "0.15"),
    Question(("corr",), "CORR(income, age) AS c", "sex", "0.25"),
    Question(("corr",), "CORR(income, age) AS c", "sex, married", "0.05", hopeless=True),
    Question(("regr, one",), "REGR(income, age) AS r", "sex", "0.15"),
    Question(("regr, two",), "REGR(income, age, years) AS r", "", "0.15"),
    Question(("median",), "MEDIAN(income) AS q", "sex", "0.002"),
    Question(("median",), "MEDIAN(age) AS q", "sex", "0.05", share=0.4),
    Question(("quantile",), "QUANTILE(income, 0.75, 256) AS q", "sex", "0.0025"),
    Question(("quantile",), "QUANTILE(income, 0.9, 64) AS q", "sex", "0.05", share=0.4),
    Question(WEIGHTED, WEIGHTED_SQL.format("age"), "sex, married", "0.08"),
)
ON_MADE_UP = (
    Question(TOTALS, TOTALS_SQL.format("hours"), "town", "0.4"),
    Question(TOTALS, TOTALS_SQL.format("hours"), "town", "20"),
    Question(("histogram",), "HISTOGRAM(hours, 10) AS h", "town", "0.1"),
    Question(("variance",), "VARIANCE(hours) AS v", "town", "0.4"),
    Question(("stddev",), "STDDEV(income) AS v", "town", "0.4"),
    Question(("covar",), "COVAR(score, hours) AS c", "town", "0.4"),
    Question(("corr",), "CORR(score, hours) AS c", "", "0.2"),
    Question(("corr",), "CORR(score, hours) AS c", "town", "0.5", hopeless=True),
    Question(("regr, one",), "REGR(score, hours) AS r", "", "0.2"),
    Question(("regr, one",), "REGR(score, hours) AS r", "town", "0.5", hopeless=True),
    Question(("regr, two",), "REGR(income, hours, score) AS r", "", "0.2"),
    Question(("median",), "MEDIAN(income) AS q", "", "0.00005"),
    Question(("median",), "MEDIAN(hours) AS q", "town", "2", share=0.4),
    Question(("quantile",), "QUANTILE(income, 0.9, 256) AS q", "", "0.003"),
    Question(("quantile",), "QUANTILE(income, 0.9, 64) AS q", "town", "2", share=0.4),
    Question(WEIGHTED, WEIGHTED_SQL.format("hours"), "town", "0.4"),
)


@pytest.fixture(scope="module")
def federations(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Federation]]:
    """Departments over each holding: one row per person, repeated rows, made-up people."""
    holdings = {"PUMS_pid": people.pums("PUMS_pid"), "PUMS_dup": people.pums("PUMS_dup"),
                "made up": people.made_up()}
    yield {name: Federation(holding, tmp_path_factory.mktemp(name.replace(" ", "-")))
           for name, holding in holdings.items()}


def released(table: Table, federation: Federation, question: Question, numbers: int, told: Decoder,
             source: np.random.Generator) -> None:
    """Ask once, release until there are about *numbers* of each statistic, and pool how intervals did."""
    measured = federation.measure(question.text)
    truths = _truths(measured, federation.holding, question)
    in_one = measured.groups * min(len(of_groups[0]) for of_groups in truths)
    releases = measured.releases(math.ceil(numbers * question.share / in_one), source)
    for position, (asked, name) in enumerate(zip(measured.asked, question.names, strict=True)):
        kind = asked.statistic.kind
        for group, due in enumerate(truths[position]):
            sigma = (steps(asked, group, measured.exact) if kind == query_pb2.STATISTIC_KIND_QUANTILE
                     else measured.sigma(position))
            row = Row(name, kind, sigma >= WIDE, question.hopeless)
            estimates = decoded(told(asked), group, releases)
            table.setdefault(row, Tally()).add(tally(estimates, due, kind in LINEAR))


def _truths(measured: Measured, holding: Holding, question: Question) -> list[list[list[float | None]]]:
    """Per statistic and group."""
    keys = question.keys.split(", ") if question.keys else []
    people_in = groups(holding, keys, SALT)
    return [[truth(asked.statistic, group, holding.table, asked.blocks) for group in people_in]
            for asked in measured.asked]


def honestly(asked: Asked) -> Asked:
    """What decoders are told in production."""
    return asked


def test_intervals_cover_the_bounded_truth(federations: dict[str, Federation]) -> None:
    source = np.random.default_rng(SEED)
    table: Table = {}
    for name, questions in (("PUMS_pid", ON_PUMS), ("PUMS_dup", ON_PUMS), ("made up", ON_MADE_UP)):
        share = 1 if name == "made up" else 2  # both files of PUMS count as much as the made-up people
        for question in questions:
            released(table, federations[name], question, NUMBERS // share, honestly, source)
    print(f"\nseed {SEED} (COTALLY_TEST_SEED)\n{printed(table)}")
    assert not (found := faults(table)), f"seed {SEED}: {'; '.join(found)}"
    judged = {row.name: each.numbers for row, each in table.items() if row.wide and not row.hopeless}
    assert judged.keys() == {row.name for row in table}
    assert min(judged.values()) >= ENOUGH, judged


def wrong_scale(factor: float) -> Decoder:
    """A decoder that takes the noise for *factor* times as wide as it is."""
    return lambda asked: replace(asked, measured=tuple(
        replace(each, noise=replace(each.noise, scale=each.noise.scale * factor)) for each in asked.measured))


def forgotten_share(asked: Asked) -> Asked:
    """A decoder that overlooks one department's noise."""
    return replace(asked, measured=tuple(
        replace(each, noise=replace(each.noise, departments=each.noise.departments - 1))
        for each in asked.measured))


def less_confident(asked: Asked) -> Asked:
    """A decoder whose intervals are those of 90 %."""
    return replace(asked, confidence=0.9)


@pytest.mark.parametrize("wrong, names", [
    (honestly, ()),
    (wrong_scale(1.05), ("count", "persons", "sum")),
    (wrong_scale(1 / 1.05), ("count", "persons", "sum")),
    (forgotten_share, TOTALS),
    (less_confident, TOTALS),
], ids=["honest", "5 % too wide", "5 % too narrow", "a forgotten share", "90 %"])
def test_planted_faults_are_found(
    federations: dict[str, Federation], wrong: Decoder, names: tuple[str, ...]
) -> None:
    table: Table = {}
    released(table, federations["made up"], ON_MADE_UP[0], ENOUGH, wrong, np.random.default_rng(SEED))
    found = faults(table)
    assert bool(found) == bool(names), f"seed {SEED}: {found}"
    for name in names:
        assert any(f"name={name!r}" in fault and "wide=True, hopeless=False" in fault for fault in found), (
            f"seed {SEED}: nothing is found wrong with {name}")


@pytest.mark.parametrize("wrong", [forgotten_share, less_confident, wrong_scale(1 / 1.2)],
                         ids=["a forgotten share", "90 %", "20 % too narrow"])
@pytest.mark.parametrize("name", ["variance", "covar", "regr, two", "corr"])
def test_planted_faults_are_found_in_every_decoder(
    federations: dict[str, Federation], wrong: Decoder, name: str
) -> None:
    table: Table = {}
    question = next(each for each in ON_MADE_UP if name in each.names)
    question = replace(question, rho=f"{3 * float(question.rho):.6f}")  # hardly any interval is a whole line
    released(table, federations["made up"], question, ENOUGH // 2, wrong, np.random.default_rng(SEED))
    assert any(f"name={name!r}" in fault for fault in faults(table)), f"seed {SEED}"


@pytest.mark.parametrize("name", ["median", "quantile"])
def test_quantiles_that_are_told_less_noise_are_found(federations: dict[str, Federation], name: str) -> None:
    """Half the noise: their intervals follow the noisy curve's own roughness, so small faults hardly show."""
    table: Table = {}
    question = next(each for each in ON_MADE_UP if name in each.names)
    told = wrong_scale(1 / 2)
    released(table, federations["made up"], question, ENOUGH // 5, told, np.random.default_rng(SEED))
    assert faults(table), f"seed {SEED}: {printed(table)}"


def test_a_truth_of_unbounded_rows_is_refuted(federations: dict[str, Federation]) -> None:
    """Where people repeat, intervals cover the sums of bounded rows, and not those of all rows."""
    repeated = federations["PUMS_dup"]
    loose = catalog_pb2.Table()
    loose.CopyFrom(repeated.holding.table)
    loose.rows_per_person = 9
    measured = repeated.measure(ON_PUMS[0].text)
    truths = _truths(measured, Holding(loose, repeated.holding.records), ON_PUMS[0])
    releases = measured.releases(400, np.random.default_rng(SEED))
    table: Table = {}
    for name, asked, of_groups in zip(TOTALS, measured.asked, truths, strict=True):
        row = Row(name, asked.statistic.kind, True, False)
        for group, due in enumerate(of_groups):
            table.setdefault(row, Tally()).add(tally(decoded(asked, group, releases), due, True))
    found = faults(table)
    for name in ("count", "sum"):
        assert any(f"name={name!r}" in fault for fault in found), f"seed {SEED}: {found}"
