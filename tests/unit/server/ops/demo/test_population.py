"""The invented country: the same for the same seed, plausible, and divided without loss."""

import pandas as pd
import pytest

from cotally.server.ops.demo.holdings import DEPARTMENTS, EDUCATION, SOCIAL, TAX, Holdings, divide
from cotally.server.ops.demo.population import (
    ACTIVITIES,
    BENEFITS,
    KINDS_PER_PERSON,
    MAX_AGE,
    MAX_INCOME,
    MAX_VISITS,
    REGIONS,
    SCHOOLING,
    SEXES,
    Country,
    invent,
)

PEOPLE = 20_000


@pytest.fixture(scope="module")
def country() -> Country:
    return invent(PEOPLE, seed=3)


@pytest.fixture(scope="module")
def held(country: Country) -> Holdings:
    return divide(country)


def test_a_seed_stands_for_one_country(country: Country) -> None:
    again, other = invent(PEOPLE, seed=3), invent(PEOPLE, seed=4)
    pd.testing.assert_frame_equal(country.residents, again.residents)
    pd.testing.assert_frame_equal(country.benefits, again.benefits)
    assert not country.residents["income"].equals(other.residents["income"])


def test_people_are_as_the_spec_declares_them(country: Country) -> None:
    people = country.residents
    assert len(people) == PEOPLE and people["pid"].is_unique
    for column, codes in (("region", REGIONS), ("sex", SEXES), ("education", SCHOOLING),
                          ("activity", ACTIVITIES)):
        assert set(people[column]) == set(codes)
    assert people["age"].between(0, MAX_AGE).all() and people["visits"].between(0, MAX_VISITS).all()
    assert set(country.benefits["kind"]) == set(BENEFITS)
    assert (country.benefits["amount"] > 0).all()


def test_people_are_believable(country: Country) -> None:
    people = country.residents
    working = people[people["activity"] == "employed"]["income"]
    assert 0.35 < len(working) / PEOPLE < 0.6
    assert 1.05 < working.mean() / working.median() < 1.4  # skewed, as incomes are
    assert 0 < (people["income"] > MAX_INCOME).sum() < PEOPLE / 1000  # clamping has something to do
    assert people[people["age"] < 18]["income"].isna().all()
    means = people[people["activity"] == "employed"].groupby("education")["income"].mean()
    assert means[list(SCHOOLING)].is_monotonic_increasing
    assert (people["age"] > 80).mean() < (people["age"] < 20).mean()


def test_every_resident_lies_with_exactly_one_department(country: Country, held: Holdings) -> None:
    files = [held[name, "residents"] for name in DEPARTMENTS]
    everybody = pd.concat(files)
    assert sorted(everybody["pid"]) == sorted(country.residents["pid"])
    assert all(PEOPLE / 25 < len(file) < PEOPLE / 2 for file in files)
    assert "chronic" not in everybody  # it only says who keeps the file


def test_no_department_alone_sees_a_fair_sample(country: Country, held: Holdings) -> None:
    tax = held[TAX, "residents"]["income"].mean()
    assert tax > 1.2 * country.residents["income"].mean()


def test_benefits_keep_the_bounds_that_the_table_declares(held: Holdings) -> None:
    files = [held[name, "benefits"] for name in (SOCIAL, EDUCATION)]
    for file in files:
        assert not file.duplicated(["pid", "kind"]).any()
        assert file.groupby("pid").size().max() == KINDS_PER_PERSON
    assert set(files[0]["pid"]) & set(files[1]["pid"])  # some are paid by both
