"""Real microdata over three departments: counts, sums and means cover the bounded truth as often as they say.

People are dealt by pid % 3 (records without a pid in turn). The truth is computed here, in exact
fractions and straight from the design (section 3): per person and group, min(n, k) times the average
clamped row, rounded half up; means are sums of those over counts of those.
"""

import csv
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path

import pandas as pd
import pytest

from tests.system.running import Running, running

PUMS = Path(__file__).parents[3] / "shared" / "data" / "pums"
pytestmark = pytest.mark.skipif(not PUMS.is_dir(), reason="the PUMS samples are not beside the checkout")

FILES = ("PUMS_pid", "PUMS_dup", "PUMS_null")
DEPARTMENTS = ("d0", "d1", "d2")
RELEASES = 5
SEXES = ("0", "1")
EDUCATION = tuple(str(i) for i in range(1, 17))
INCOME_MAX = 200_000
STATISTICS = ("n", "s", "a")
Key = tuple[str, ...]
Truth = Mapping[Key, Mapping[str, Fraction | None]]

_SPEC = """\
[federation]
name = "pums"
key_bits = 2048
delta = 1e-5
round_seconds = 20
tick_ms = 1500
"""
_TABLE = """
[[tables]]
name = "{name}"
unit = "pid"
max_people = 10000
columns = [
  {{ name = "age", type = "integer", lower = 0, upper = 100 }},
  {{ name = "income", type = "float", lower = 0, upper = {top}, resolution = 1 }},
  {{ name = "sex", type = "category", codes = [{sexes}], format = "integer" }},
  {{ name = "educ", type = "category", codes = [{education}], format = "integer" }},
]
"""
_DEPARTMENT = """
[[departments]]
name = "{name}"
budget = {{ rho = 1000 }}
data = {{ {data} }}
"""


def records(name: str) -> list[dict[str, str]]:
    """The rows of one file."""
    with (PUMS / f"{name}.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def dealt_out(name: str, folder: Path) -> None:
    """Write the rows of a file into one file per department, persons whole."""
    rows = records(name)
    for number, department in enumerate(DEPARTMENTS):
        with (folder / f"{department}-{name}.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, rows[0].keys())
            writer.writeheader()
            for at, row in enumerate(rows):
                if int(float(row["pid"] or at)) % len(DEPARTMENTS) == number:
                    writer.writerow(row)


@pytest.fixture(scope="module")
def federation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Three departments that hold a third of each file."""
    folder = tmp_path_factory.mktemp("pums")
    for name in FILES:
        dealt_out(name, folder)
    quoted = [", ".join(f'"{code}"' for code in codes) for codes in (SEXES, EDUCATION)]
    text = _SPEC + "".join(_TABLE.format(name=name, top=INCOME_MAX, sexes=quoted[0], education=quoted[1])
                           for name in FILES)
    text += "".join(_DEPARTMENT.format(name=d, data=", ".join(f'{n} = "{d}-{n}.csv"' for n in FILES))
                    for d in DEPARTMENTS)
    (folder / "SPEC.toml").write_text(text)
    with running(folder / "SPEC.toml", folder / "federation") as started:
        yield started


# The truth

def half_up(value: Fraction) -> int:
    """The nearest integer, halves upwards."""
    return math.floor(value + Fraction(1, 2))


def clamped(text: str, top: int) -> int | None:
    """A number of a file as whole units between 0 and *top*; None where there is none."""
    return None if text == "" else min(max(half_up(Fraction(text)), 0), top)


def truth(name: str, keys: Sequence[str], top: int = INCOME_MAX) -> Truth:
    """Bounded count, sum of income and mean of age in every group; a person counts in one group only.

    None of these persons has rows in several groups (asserted), so it does not matter which is kept.
    """
    people: dict[str, dict[Key, list[dict[str, str]]]] = defaultdict(lambda: defaultdict(list))
    for row in records(name):
        if row["pid"] and all(row[key] for key in keys):  # without an id, or a key, a row leaves
            people[row["pid"]][tuple(str(int(float(row[key]))) for key in keys)].append(row)
    assert all(len(groups) == 1 for groups in people.values())
    count: dict[Key, int] = defaultdict(int)
    income: dict[Key, int] = defaultdict(int)
    ages: dict[Key, list[int]] = defaultdict(lambda: [0, 0])
    for groups in people.values():
        for group, rows in groups.items():
            count[group] += 1
            for column, limit in (("income", top), ("age", 100)):
                values = [v for row in rows if (v := clamped(row[column], limit)) is not None]
                if not values:
                    continue
                if column == "income":
                    income[group] += half_up(Fraction(sum(values), len(values)))
                else:
                    ages[group][0] += half_up(Fraction(sum(values) - 50 * len(values), len(values)))
                    ages[group][1] += 1
    return {group: {"n": Fraction(count[group]), "s": Fraction(income[group]),
                    "a": 50 + Fraction(*ages[group]) if ages[group][1] else None}
            for group in groups_of(keys)}


def groups_of(keys: Sequence[str]) -> list[Key]:
    """Every public group."""
    if list(keys) == ["sex"]:
        return [(sex,) for sex in SEXES]
    return [(sex, education) for sex in SEXES for education in EDUCATION]


# The releases

def ask(federation: Running, name: str, keys: Sequence[str], rho: int) -> list[pd.DataFrame]:
    """RELEASES answers to the same question, each with noise of its own."""
    names = ", ".join(keys)
    sql = (f"SELECT {names}, COUNT(*) AS n, SUM(income) AS s, AVG(age) AS a FROM {name} GROUP BY {names} "
           f"WITH PRIVACY (rho = {rho}, replay = false)")
    with federation.connect() as con, ThreadPoolExecutor(RELEASES) as pool:
        releases = list(pool.map(lambda _: con.sql(sql).run(), range(RELEASES)))
    assert not any(r.missing for r in releases)
    return [r.df() for r in releases]


def misses(frames: Iterable[pd.DataFrame], keys: Sequence[str], true: Truth) -> tuple[int, int, float]:
    """(intervals that miss the truth, intervals, the farthest miss in standard errors)."""
    missed = total = 0
    worst = 0.0
    for frame in frames:
        assert [tuple(row) for row in frame[list(keys)].itertuples(index=False)] == list(true)
        for _, row in frame.iterrows():
            expected = true[tuple(row[key] for key in keys)]
            for alias in STATISTICS:
                value = expected[alias]
                if value is None or pd.isna(row[f"{alias}_low"]):
                    continue  # the mean of nobody, or one that is flagged as unstable
                total += 1
                missed += not row[f"{alias}_low"] <= value <= row[f"{alias}_high"]
                worst = max(worst, abs(float(value) - row[alias]) / row[f"{alias}_se"])
    return missed, total, worst


def stated(missed: int, total: int, worst: float) -> bool:
    """True where intervals of nominally 95 % cover often enough, and none is absurdly far."""
    return missed <= 0.12 * total and worst < 6


@pytest.mark.parametrize("name", [
    FILES[0], *(pytest.param(name, marks=pytest.mark.slow) for name in FILES[1:])])
def test_intervals_cover_the_bounded_truth_at_the_stated_rate(federation: Running, name: str) -> None:
    frames = ask(federation, name, ["sex", "educ"], 20)
    missed, total, worst = misses(frames, ["sex", "educ"], truth(name, ["sex", "educ"]))
    assert total > RELEASES * 32 * 2
    assert stated(missed, total, worst), (missed, total, worst)
    assert missed >= 0.01 * total, "intervals that never miss are not 95 % intervals"
    # The same releases refute a truth that is bounded wrongly, or of other people.
    assert not stated(*misses(frames, ["sex", "educ"], truth(name, ["sex", "educ"], top=50_000)))
    assert not stated(*misses(frames, ["sex", "educ"], wrong(truth(name, ["sex", "educ"]))))


def wrong(true: Truth) -> Truth:
    """The truth with its groups turned by one."""
    groups = list(true)
    return {group: true[groups[at - 1]] for at, group in enumerate(groups)}


@pytest.mark.slow
def test_by_sex_repeats_and_missing_ids_are_bounded(federation: Running) -> None:
    """1,948 rows with repeats, and 88 without an id, count as the persons that they name."""
    for name in ("PUMS_dup", "PUMS_null"):
        true = truth(name, ["sex"])
        frames = ask(federation, name, ["sex"], 20)
        assert stated(*misses(frames, ["sex"], true))
        rows = sum(frame["n"].sum() for frame in frames) / RELEASES
        persons = float(sum(row["n"] or 0 for row in true.values()))
        assert abs(rows - persons) < 20 < len(records(name)) - persons
