"""The tour's questions fit the demo's spec, and their truths are the bounded truths."""

import json
import math
from pathlib import Path

import pandas as pd
import pytest

from cotally.client.sql.parse import parse
from cotally.client.tour import script as scripts
from cotally.server.ops.charter import catalog_message
from cotally.server.ops.demo.federation import LEAST_PEOPLE, MOST_PEOPLE, spec_text
from cotally.server.ops.demo.folder import script
from cotally.server.ops.demo.holdings import DEPARTMENTS, Holdings, divide, write
from cotally.server.ops.demo.population import KINDS_PER_PERSON, invent
from cotally.server.ops.demo.questions import FORBIDDEN, QUESTIONS, Question
from cotally.server.ops.spec import Spec, check_data, load_spec
from cotally.v1.refusals import Refused

SMALL = 3_000


@pytest.fixture(scope="module")
def held() -> Holdings:
    return divide(invent(SMALL, seed=5))


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory, held: Holdings) -> Spec:
    folder = tmp_path_factory.mktemp("demo")
    write(held, folder)
    (folder / "demo.toml").write_text(spec_text(LEAST_PEOPLE, "demo.toml"), "utf-8")
    spec = load_spec(folder / "demo.toml")
    check_data(spec)
    return spec


def test_the_federation_is_the_one_that_is_promised(spec: Spec) -> None:
    assert tuple(d.name for d in spec.departments) == DEPARTMENTS and len(DEPARTMENTS) == 5
    assert (spec.key_bits, spec.threshold, spec.key_holders) == (3072, 2, 3)
    residents, benefits = spec.tables
    assert residents.overlap == 1 and set(residents.holders) == set(DEPARTMENTS)
    assert benefits.overlap == 2 == len(benefits.holders)
    assert benefits.groups_per_person == KINDS_PER_PERSON


@pytest.mark.parametrize("people", [LEAST_PEOPLE, 345_678, MOST_PEOPLE])
def test_the_spec_holds_for_every_size(tmp_path: Path, people: int) -> None:
    file = tmp_path / "demo.toml"
    file.write_text(spec_text(people, file.name), "utf-8")
    assert load_spec(file).tables[0].expected_people == people
    assert 2 * load_spec(file).tables[0].max_people >= people


def test_the_files_have_the_columns_of_the_spec(spec: Spec) -> None:
    for department in spec.departments:
        for table in spec.tables:
            if table.name in department.data:
                header = pd.read_csv(spec.data_source(department, table.name), nrows=0).columns
                assert {table.unit, *(c.name for c in table.columns)} == set(header)


def test_no_holding_exceeds_its_cap() -> None:
    held = divide(invent(LEAST_PEOPLE // 10, seed=1))
    assert all(file["pid"].nunique() <= LEAST_PEOPLE // 20 for file in held.values())


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda q: q.title)
def test_a_question_parses_to_the_keys_and_aliases_of_its_truth(
    spec: Spec, held: Holdings, question: Question,
) -> None:
    query = parse(question.sql, catalog_message(spec)).query
    assert query.table == question.table
    assert list(query.keys) == list(question.keys)
    assert [s.alias for s in query.statistics] == list(question.measures)
    codes = {c.name: c.codes for t in spec.tables if t.name == question.table for c in t.columns}
    assert all(tuple(listed) == codes[key] for key, listed in question.keys.items())
    assert len(question.truth(held)) == math.prod(map(len, question.keys.values()))


def test_the_first_forbidden_question_is_refused_before_it_is_sent(spec: Spec) -> None:
    with pytest.raises(Refused) as caught:
        parse(FORBIDDEN[0].sql, catalog_message(spec))
    assert caught.value.refusal is FORBIDDEN[0].refusal


def test_truths_survive_the_script_and_equal_a_count_by_hand(held: Holdings) -> None:
    told = scripts.parse(json.loads(json.dumps({"people": SMALL, "seed": 5, **script(held)})))
    here = DEPARTMENTS[1:]  # without the civil registry
    rows = [row for name in here for row in held[name, "residents"].to_dict("records")]
    adults = [row for row in rows if 18 <= row["age"] <= 64 and row["region"] == "midlands"]
    incomes = [min(row["income"], 200_000) for row in adults if not math.isnan(row["income"])]
    truth = told.questions[0].truth
    assert truth.of(("midlands",), "people", here) == len(adults)
    assert truth.of(("midlands",), "mean_income", here) == pytest.approx(sum(incomes) / len(incomes))

    paid = [row for (_, table), file in held.items() if table == "benefits"
            for row in file.to_dict("records") if row["kind"] == "pension"]
    benefits = told.questions[2].truth
    payers = ("education", "social-security")
    assert benefits.of(("pension",), "payments", payers) == len(paid)
    assert benefits.of(("pension",), "total", payers) == sum(min(row["amount"], 3_000) for row in paid)


def test_clamping_is_part_of_the_truth(held: Holdings) -> None:
    rich = {key: file.copy() for key, file in held.items()}
    file = rich["tax", "residents"]
    first = file.index[(file["activity"] == "employed") & (file["sex"] == "male")
                       & (file["education"] == "master")][0]
    truths = []
    for income in (200_000, 9e9):
        file.loc[first, "income"] = income
        truths.append(QUESTIONS[1].truth(rich))
    assert truths[0] == truths[1]
