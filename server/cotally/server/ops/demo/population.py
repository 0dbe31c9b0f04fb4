"""Invents a country: people who do not exist, drawn from a seed, and equal for equal seeds.

The distributions are only plausible: ages thin out past seventy, schooling grows by generation,
incomes are log-normal and follow schooling, age and region. Nothing is taken from real records.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

REGIONS: Final = ("harbour", "highlands", "lakeside", "midlands", "southvale")
SEXES: Final = ("female", "male")
SCHOOLING: Final = ("primary", "secondary", "vocational", "bachelor", "master")
ACTIVITIES: Final = ("child", "pupil", "student", "employed", "unemployed", "retired", "home")
BENEFITS: Final = ("pension", "unemployment", "housing", "child", "study_grant")

MAX_AGE: Final = 100
MAX_INCOME: Final = 200_000  # a year; the public bound, which a few people exceed
MAX_AMOUNT: Final = 3_000  # a month
MAX_VISITS: Final = 40  # a year
KINDS_PER_PERSON: Final = 2  # benefits that one department pays to one person, at most

_CHILD, _PUPIL, _STUDENT, _EMPLOYED, _UNEMPLOYED, _RETIRED, _HOME = range(len(ACTIVITIES))
_REGION_SHARES: Final = (0.31, 0.11, 0.15, 0.24, 0.19)
_REGION_INCOME: Final = (1.14, 0.93, 1.02, 0.97, 0.90)
_SCHOOLING_INCOME: Final = (0.70, 0.86, 1.00, 1.24, 1.52)
_INCOME: Final = {  # of an activity: median a year, spread of the logarithm, share with a record
    _STUDENT: (6_500.0, 0.60, 0.75), _EMPLOYED: (33_000.0, 0.45, 1.00), _UNEMPLOYED: (9_500.0, 0.35, 0.95),
    _RETIRED: (18_500.0, 0.40, 1.00), _HOME: (4_000.0, 0.80, 0.40)}

Numbers = NDArray[np.int64]
Truths = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Country:
    """Everybody. `residents` has one row per person; `benefits` one per person, payer and kind.

    residents: pid, region, sex, age (years), education, activity, income (a year, missing where there is
    none on record), visits (to a doctor, a year), and `chronic`, which only says who keeps the file.
    benefits: pid, payer ("social" or "education"), region, kind, amount (a month).
    """

    residents: pd.DataFrame
    benefits: pd.DataFrame


def invent(people: int, seed: int) -> Country:
    """The country of *people* persons that *seed* stands for."""
    rng = np.random.default_rng(seed)
    age = _ages(rng, people)
    region = rng.choice(len(REGIONS), people, p=_REGION_SHARES)
    male = rng.random(people) < 0.51 - 0.18 / (1 + np.exp((80 - age) / 5))
    schooling = _schooling(rng, age)
    activity = _activity(rng, age, schooling)
    chronic = rng.random(people) < 0.03 + 0.0015 * age
    residents = pd.DataFrame({
        "pid": rng.permutation(people) + 10**8,
        "region": np.array(REGIONS)[region], "sex": np.array(SEXES)[male.astype(int)], "age": age,
        "education": np.array(SCHOOLING)[schooling], "activity": np.array(ACTIVITIES)[activity],
        "income": _incomes(rng, age, region, male, schooling, activity),
        "visits": np.minimum(rng.poisson(rng.gamma(1.2, (1 + age / 18 + 5 * chronic) / 1.2)), MAX_VISITS),
        "chronic": chronic})
    return Country(residents, _benefits(rng, residents, activity))


def _ages(rng: np.random.Generator, people: int) -> Numbers:
    years = np.arange(MAX_AGE + 1)
    weights = (1 + 0.25 * np.exp(-(((years - 46) / 14) ** 2))) / (1 + np.exp((years - 79) / 6.5))
    ages: Numbers = rng.choice(years, people, p=weights / weights.sum())
    return ages


def _schooling(rng: np.random.Generator, age: Numbers) -> Numbers:
    """Younger generations went to school for longer; nobody holds a degree before the usual age."""
    pull = rng.normal((55 - np.clip(age, 25, 90)) / 45, 1.0)
    level = np.digitize(pull, [-1.1, -0.1, 0.65, 1.35])
    ceiling = np.select([age < 16, age < 18, age < 22, age < 24], [0, 1, 2, 3], len(SCHOOLING) - 1)
    levels: Numbers = np.minimum(level, ceiling)
    return levels


def _activity(rng: np.random.Generator, age: Numbers, schooling: Numbers) -> Numbers:
    draw = rng.random(len(age))
    working = 0.70 + 0.04 * schooling
    grown = np.select([draw < working, draw < working + 0.06], [_EMPLOYED, _UNEMPLOYED], _HOME)
    young = np.select([draw < 0.45, draw < 0.86, draw < 0.93], [_STUDENT, _EMPLOYED, _UNEMPLOYED], _HOME)
    old = np.where(draw < 0.07, _EMPLOYED, _RETIRED)
    activities: Numbers = np.select(
        [age < 6, age < 18, age < 25, age < 66], [np.full_like(age, _CHILD), np.full_like(age, _PUPIL),
                                                  young, grown], old)
    return activities


def _incomes(rng: np.random.Generator, age: Numbers, region: Numbers, male: Truths, schooling: Numbers,
             activity: Numbers) -> NDArray[np.float64]:
    """Whole amounts a year; NaN where there is no record."""
    incomes = np.full(len(age), np.nan)
    level = np.array(_REGION_INCOME)[region] * (1 + 0.07 * male)
    career = np.array(_SCHOOLING_INCOME)[schooling] * (1 - ((np.clip(age, 18, 64) - 50) / 55) ** 2)
    for kind, (median, spread, share) in _INCOME.items():
        who = (activity == kind) & (rng.random(len(age)) < share)
        scale = level[who] * (career[who] if kind in (_EMPLOYED, _RETIRED) else 1)
        incomes[who] = np.rint(median * scale * rng.lognormal(0, spread, int(who.sum())))
    return incomes


def _benefits(rng: np.random.Generator, residents: pd.DataFrame, activity: Numbers) -> pd.DataFrame:
    """At most KINDS_PER_PERSON kinds per person from each payer; some persons are paid by both."""
    people = len(residents)
    age, income = residents["age"].to_numpy(), residents["income"].fillna(0).to_numpy()
    poor = income < 14_000
    parent = (age >= 22) & (age < 52) & (rng.random(people) < 0.45)
    student = activity == _STUDENT
    paid = [
        ("social", "pension", activity == _RETIRED, 1_250, 0.25),
        ("social", "unemployment", (activity == _UNEMPLOYED) & (rng.random(people) < 0.8), 920, 0.2),
        ("social", "housing", poor & (age >= 18) & ~student & (rng.random(people) < 0.35), 310, 0.3),
        ("social", "child", parent, 240, 0.35),
        ("education", "study_grant", student & (rng.random(people) < 0.7), 480, 0.2),
        ("education", "housing", student & (rng.random(people) < 0.25), 190, 0.2),
    ]
    given: dict[str, Numbers] = {payer: np.zeros(people, np.int64) for payer, *_ in paid}
    parts = []
    for payer, kind, who, median, spread in paid:
        rows = np.flatnonzero(who & (given[payer] < KINDS_PER_PERSON))
        given[payer][rows] += 1
        amount = np.rint(median * rng.lognormal(0, spread, len(rows)))
        parts.append(pd.DataFrame({
            "pid": residents["pid"].to_numpy()[rows], "payer": payer,
            "region": residents["region"].to_numpy()[rows], "kind": kind, "amount": amount}))
    return pd.concat(parts, ignore_index=True)
