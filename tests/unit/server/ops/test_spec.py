"""A spec is read exactly, and whatever is wrong with it is named by file and key."""

import re
import time
import tomllib
from datetime import date
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from cotally.server.dp.noise import Noise
from cotally.server.model.catalog import ColumnType
from cotally.server.model.encryption import Encryption
from cotally.server.model.pace import Pace
from cotally.server.ops.charter import catalog_message, policy_message
from cotally.server.ops.folders import render
from cotally.server.ops.spec import check_data, load_spec
from cotally.v1.refusals import Misconfigured

FULL = """
[federation]
name = "pums"
key_bits = 2048
key_holders = 3
threshold = 2
min_departments = 3
colluding = 1
delta = 1e-6
round_seconds = 2.5
tick_ms = 50
encryption = "short"
answer_base_ms = 120
answer_pace = "kernel"
population_budget = { epsilon = 20.0 }

[[tables]]
name = "people"
population = "residents"
unit = "pid"
overlap = 2
max_rows_per_person = 3
max_groups_per_person = 4
expected_people = 1000
max_people = 100000
columns = [
  { name = "age", type = "integer", lower = 0, upper = 100, nullable = false },
  { name = "income", type = "float", lower = 0, upper = 200000.05, resolution = 0.1 },
  { name = "sex", type = "category", codes = ["0", "1"], other = true },
  { name = "visited", type = "date", lower = "2020-01-01", upper = 2025-12-31 },
  { name = "region", type = "category", codes = ["1", "-2"], format = "integer" },
]

[[departments]]
name = "north"
budget = { epsilon = 10.0 }
data = { people = "north.csv" }
[[departments]]
name = "south"
budget = { rho = 0.25 }
data = { people = "south.csv" }
noise = "exact"
[[departments]]
name = "west"
budget = { epsilon = 10 }
data = { people = "west.csv" }
"""

MINIMAL = """
[federation]
name = "one"
[[tables]]
name = "t"
unit = "row"
columns = [{ name = "x", type = "integer", lower = 0, upper = 1 }]
[[departments]]
name = "a"
budget = { epsilon = 1 }
data = { t = "t.csv" }
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "SPEC.toml"
    path.write_text(text, "utf-8")
    return path


def refused(folder: Path, text: str) -> str:
    path = written(folder, text)
    with pytest.raises(Misconfigured) as caught:
        load_spec(path)
    assert caught.value.message.startswith(f"{path}: ")
    assert "\n" not in caught.value.message
    return caught.value.message.removeprefix(f"{path}: ")


def test_everything_is_read_exactly(tmp_path: Path) -> None:
    spec = load_spec(written(tmp_path, FULL))
    assert (spec.name, spec.key_bits, spec.key_holders, spec.threshold) == ("pums", 2048, 3, 2)
    assert (spec.delta, spec.round_ms, spec.tick_ms) == (Fraction(1, 10**6), 2500, 50)
    assert spec.answer_base_ms == 120
    assert spec.answer_pace is Pace.KERNEL
    assert [d.noise for d in spec.departments] == [Noise.OPENDP, Noise.EXACT, Noise.OPENDP]
    assert spec.encryption is Encryption.SHORT
    (table,) = spec.tables
    assert (table.population, table.unit, table.overlap) == ("residents", "pid", 2)
    assert (table.rows_per_person, table.groups_per_person, table.min_departments) == (3, 4, 3)
    assert table.holders == ("north", "south", "west")
    age, income, sex, visited, region = table.columns
    assert (age.type, age.nullable, age.upper) == (ColumnType.INTEGER, False, Fraction(100))
    assert (income.upper, income.resolution, income.units) == (
        Fraction(20000005, 100), Fraction(1, 10), 2_000_000)
    assert (sex.keys, sex.nullable) == (("0", "1", "other"), True)
    assert (visited.first, visited.last) == (date(2020, 1, 1), date(2025, 12, 31))
    assert (region.integer_codes, sex.integer_codes) == (True, False)
    assert spec.departments[1].budget.pico_loss("p", spec.pure, spec.delta) == 250_000_000_000
    assert spec.data_source(spec.departments[0], "people") == str(tmp_path / "north.csv")


def test_what_may_be_left_out_has_its_default(tmp_path: Path) -> None:
    spec = load_spec(written(tmp_path, MINIMAL))
    assert (spec.key_bits, spec.key_holders, spec.threshold) == (3072, 3, 2)
    assert (spec.min_departments, spec.colluding, spec.delta) == (3, 1, Fraction(1, 10**6))
    assert (spec.round_ms, spec.tick_ms, spec.population_budget) == (20_000, 50, None)
    assert spec.answer_base_ms == 390
    assert spec.answer_pace is Pace.PORTABLE
    assert spec.encryption is Encryption.DJN
    (table,) = spec.tables
    assert (table.population, table.unit, table.vintage) == ("one", None, "1")
    assert (table.overlap, table.rows_per_person, table.groups_per_person) == (1, 1, 1)
    assert (table.expected_people, table.max_people, table.min_departments) == (1000, 100_000, 1)
    (analyst,) = spec.analysts
    assert (analyst.name, analyst.purposes, analyst.budget) == ("analyst", ("statistics",), None)


def test_names_may_be_in_any_script(tmp_path: Path) -> None:
    text = FULL.replace('"people"', '"人口"').replace("{ people =", '{ "人口" =')
    text = text.replace('"pums"', '"临沂"').replace('"north"', '"卫健委"')
    spec = load_spec(written(tmp_path, text))
    assert (spec.name, spec.tables[0].name, spec.departments[0].name) == ("临沂", "人口", "卫健委")


@pytest.mark.parametrize("old, new, place, says", [
    ('name = "pums"', "", "federation.name", "is missing"),
    ('name = "pums"', 'nmae = "pums"', "federation.name", "'nmae'"),
    ('name = "pums"', 'name = "a b"', "federation.name", "letters"),
    ('name = "pums"', 'name = "../x"', "federation.name", "letters"),
    ('name = "pums"', 'name = "e\u0301"', "federation.name", "NFC"),
    ('name = "pums"', "name = 7", "federation.name", "text"),
    ("key_bits = 2048", "key_bits = 1024", "federation.key_bits", "from 2048"),
    ("key_bits = 2048", "key_bits = 2050", "federation.key_bits", "2048, 3072, 4096"),
    ("key_bits = 2048", "key_bits = true", "federation.key_bits", "not true"),
    ("key_bits = 2048", "keybits = 2048", "federation.keybits", "'key_bits'"),
    ("key_holders = 3", "key_holders = 0", "federation.key_holders", "from 1"),
    ("threshold = 2", "threshold = 4", "federation.threshold", "from 1 to 3"),
    ("threshold = 2", "threshold = 0", "federation.threshold", "from 1 to 3"),
    ("colluding = 1", "colluding = 0", "federation.colluding", "from 1"),
    ("colluding = 1", "colluding = 3", "federation.min_departments", "must exceed colluding"),
    ("min_departments = 3", "min_departments = 1", "federation.min_departments", "must exceed colluding"),
    ("delta = 1e-6", "delta = 1.1e-4", "federation.delta", "at most 1/(10 x 1000"),
    ("delta = 1e-6", "delta = 0", "federation.delta", "above 0"),
    ("delta = 1e-6", "delta = nan", "federation.delta", "finite"),
    ("delta = 1e-6", "delta = inf", "federation.delta", "finite"),
    ("delta = 1e-6", 'delta = "1e-6"', "federation.delta", "a number"),
    ("expected_people = 1000", "expected_people = 100001", "federation.delta", "100001"),
    ("round_seconds = 2.5", "round_seconds = 0", "federation.round_seconds", "from 1"),
    ("tick_ms = 50", "tick_ms = 3000", "federation.tick_ms", "longer than the round"),
    ('encryption = "short"', 'encryption = "rsa"', "federation.encryption", "djn"),
    ("answer_base_ms = 120", "answer_base_ms = 0", "federation.answer_base_ms", "from 1"),
    ('answer_pace = "kernel"', 'answer_pace = "fast"', "federation.answer_pace", "'portable', 'kernel'"),
    ('noise = "exact"', 'noise = "none"', "departments[1].noise", "'opendp', 'exact'"),
    ("{ epsilon = 20.0 }", "{ epsilon = 0 }", "federation.population_budget.epsilon", "above 0"),
    ("{ epsilon = 20.0 }", "{ epsilon = inf }", "federation.population_budget.epsilon", "finite"),
    ("{ epsilon = 20.0 }", "{ epsilon = 1e-13 }", "federation.population_budget", "too small"),
    ("{ epsilon = 20.0 }", "{ epsilom = 1 }", "federation.population_budget.epsilom", "'epsilon'"),
    ("{ epsilon = 20.0 }", "20", "federation.population_budget", "a table"),
    ("{ rho = 0.25 }", "{ rho = 0.25, epsilon = 1 }", "departments[1].budget", "one of"),
    ("{ rho = 0.25 }", "{ rho = -1 }", "departments[1].budget.rho", "above 0"),
    ("budget = { rho = 0.25 }", "", "departments[1].budget", "is missing"),
    ('name = "people"', 'name = "1st"', "tables[0].name", "digit"),
    ('unit = "pid"', "", "tables[0].unit", "is missing"),
    ("overlap = 2", "overlap = 4", "tables[0].overlap", "from 1 to 3"),
    ("max_rows_per_person = 3", "max_rows_per_person = 0", "tables[0].max_rows_per_person", "from 1"),
    ("max_people = 100000", "max_people = 1e5", "tables[0].max_people", "whole number"),
    ("max_people = 100000", "max_people = 10", "tables[0].expected_people", "at most 30"),
    ("max_people = 100000", "max_peopel = 100000", "tables[0].max_peopel", "'max_people'"),
    ("max_people = 100000", "max_people = 1\nmin_departments = 4", "tables[0].min_departments", "at most 3"),
    ("max_people = 100000", "max_people = 1\nmin_departments = 1", "tables[0].min_departments", "colluding"),
    ('name = "age"', 'name = "a-b"', "tables[0].columns[0].name", "letters"),
    ('name = "income"', 'name = "age"', "tables[0].columns[1].name", "repeats"),
    ('type = "integer"', 'type = "int"', "tables[0].columns[0].type", "'integer'"),
    ("nullable = false", 'nullable = "no"', "tables[0].columns[0].nullable", "true or false"),
    ("nullable = false", "resolution = 1", "tables[0].columns[0].resolution", "not a known key"),
    ("upper = 100,", "upper = -1,", "tables[0].columns[0].upper", "at least lower (0)"),
    ("upper = 100,", "upper = 10.5,", "tables[0].columns[0].upper", "whole number"),
    ("upper = 100,", "", "tables[0].columns[0].upper", "is missing"),
    ("lower = 0, upper = 200000.05", "lower = 1, upper = 0", "tables[0].columns[1].upper", "at least"),
    ("resolution = 0.1", "resolution = 0", "tables[0].columns[1].resolution", "above 0"),
    ("resolution = 0.1", "resolution = 1e6", "tables[0].columns[1].resolution", "at most upper - lower"),
    ("resolution = 0.1", "resolution = 1e-20", "tables[0].columns[1].resolution", "too fine"),
    ("lower = 0, upper = 200000.05, resolution = 0.1", "lower = 1e30, upper = 1e30, resolution = 1e-6",
     "tables[0].columns[1].resolution", "so far from 0"),
    (", resolution = 0.1", "", "tables[0].columns[1].resolution", "is missing"),
    ('["0", "1"]', "[]", "tables[0].columns[2].codes", "at least one"),
    ('["0", "1"]', '["0", 1]', "tables[0].columns[2].codes[1]", "text"),
    ('["0", "1"]', '["0", ""]', "tables[0].columns[2].codes[1]", "not empty"),
    ('["0", "1"]', '["0", "0"]', "tables[0].columns[2].codes[1]", "repeats"),
    ('["0", "1"]', '["0", "other"]', "tables[0].columns[2].codes[1]", "other = true"),
    ('["0", "1"]', '["e\u0301"]', "tables[0].columns[2].codes[0]", "NFC"),
    ('["0", "1"]', '["\u00e9", "e\u0301"]', "tables[0].columns[2].codes[1]", "NFC"),
    ('["0", "1"]', '["a\\nb"]', "tables[0].columns[2].codes[0]", "control character"),
    ('["0", "1"]', '["a\\u0000"]', "tables[0].columns[2].codes[0]", "control character"),
    ('["1", "-2"]', '["0", "-0"]', "tables[0].columns[4].codes[1]", "whole number"),
    ("other = true", "weight = true", "tables[0].columns[2].weight", "not a known key"),
    ("upper = 2025-12-31", "upper = 2025-12-31, weight = true", "tables[0].columns[3].weight", "not a known"),
    ("upper = 100,", "upper = 0, weight = true,", "tables[0].columns[0].weight", "always 0"),
    ('"2020-01-01"', '"2020-02-30"', "tables[0].columns[3].lower", "YYYY-MM-DD"),
    ("upper = 200000.05", "upper = nan", "tables[0].columns[1].upper", "finite"),
    ("max_people = 100000", "quality = 1", "tables[0].quality", "a table"),
    ("max_people = 100000", "quality = { unreliable = nan, suppressed = 1 }",
     "tables[0].quality.unreliable", "finite"),
    ("max_people = 100000", "vintage = 2026", "tables[0].vintage", "text in quotes"),
    ('["1", "-2"]', '["1", "01"]', "tables[0].columns[4].codes[1]", "whole number"),
    ('format = "integer"', 'format = "int"', "tables[0].columns[4].format", "'integer'"),
    ('"2020-01-01"', '"2026-01-01"', "tables[0].columns[3].upper", "before lower"),
    ('"2020-01-01"', '"01.01.2020"', "tables[0].columns[3].lower", "YYYY-MM-DD"),
    ('"2020-01-01"', "2020-01-01T00:00:00", "tables[0].columns[3].lower", "YYYY-MM-DD"),
    ('name = "south"', 'name = "north"', "departments[1].name", "already the name of departments[0]"),
    ('name = "south"', 'name = "coordinator"', "departments[1].name", "the coordinator"),
    ('name = "south"', 'name = "keyholder-3"', "departments[1].name", "key holder"),
    ('name = "south"', 'name = "analyst"', "analysts[0].name", "departments[1]"),
    ('{ people = "west.csv" }', '{ peopel = "west.csv" }', "departments[2].data.peopel", "known are people"),
    ('{ people = "west.csv" }', "{ people = 1 }", "departments[2].data.people", "text"),
    ('{ people = "west.csv" }', "{}", "departments[2].data", "no table"),
    ('name = "people"', 'name = "people"\npure = 1', "tables[0].pure", "true or false"),
    ('name = "people"', 'name = "people"\npure = true', "departments[1].budget", "is in rho, but"),
    ("[federation]", "[federatoin]", "federation", "'federatoin'"),
    ("[[departments]]", "[[departement]]", "departments", "'departement'"),
    ("[[tables]]", "extra = 1\n[[tables]]", "federation.extra", "not a known key"),
])
def test_a_wrong_spec_is_named_by_key(tmp_path: Path, old: str, new: str, place: str, says: str) -> None:
    assert old in FULL
    message = refused(tmp_path, FULL.replace(old, new))
    assert message.startswith(place + " "), message
    assert says in message


def test_a_long_code_list_is_read_in_no_time(tmp_path: Path) -> None:
    codes = ", ".join(f'"{i}"' for i in range(50_000))
    began = time.monotonic()
    spec = load_spec(written(tmp_path, FULL.replace('["0", "1"]', f"[{codes}]")))
    assert len(spec.tables[0].columns[2].codes) == 50_000
    assert time.monotonic() - began < 10, "one look at every code, not one at every pair"


@pytest.mark.parametrize("tail, place, says", [
    ('[[analysts]]\nname = "x"\npurposes = []', "analysts[0].purposes", "at least one"),
    ('[[analysts]]\npurposes = ["p"]', "analysts[0].name", "is missing"),
    ('[[analysts]]\nname = "x"\nbudget = { epsilon = -1 }', "analysts[0].budget.epsilon", "above 0"),
    ('[[analysts]]\nname = "x"\n[[analysts]]\nname = "x"', "analysts[1].name", "analysts[0]"),
    ('[[analyst]]\nname = "x"', "analyst", "'analysts'"),
])
def test_analysts_are_checked(tmp_path: Path, tail: str, place: str, says: str) -> None:
    message = refused(tmp_path, FULL + tail)
    assert message.startswith(place + " ")
    assert says in message


def second_table(population: str, unit: str, name: str = "visits") -> str:
    table = (f'[[tables]]\nname = "{name}"\npopulation = "{population}"\nunit = "{unit}"\n'
             'columns = [{ name = "x", type = "integer", lower = 0, upper = 1 }]\n[[departments]]')
    return FULL.replace("[[departments]]", table, 1).replace(
        '{ people = "north.csv" }', f'{{ people = "north.csv", {name} = "v.csv" }}')


def test_rows_and_persons_do_not_share_a_population(tmp_path: Path) -> None:
    assert refused(tmp_path, second_table("residents", "row")).startswith("tables[1].population ")
    spec = load_spec(written(tmp_path, second_table("events", "row")))
    assert spec.populations == ("events", "residents")
    assert len(load_spec(written(tmp_path, second_table("residents", "card"))).populations) == 1


def test_a_table_of_one_department_needs_no_other(tmp_path: Path) -> None:
    spec = load_spec(written(tmp_path, second_table("residents", "pid")))
    assert (spec.tables[1].holders, spec.tables[1].min_departments) == (("north",), 1)


def test_tables_have_distinct_names_and_holders(tmp_path: Path) -> None:
    orphan = second_table("residents", "pid").replace(', visits = "v.csv"', "")
    assert refused(tmp_path, orphan).startswith("tables[1].name 'visits' is held by no department")
    again = ('[[tables]]\nname = "people"\nunit = "row"\n'
             'columns = [{ name = "x", type = "integer", lower = 0, upper = 1 }]\n[[departments]]')
    twice = FULL.replace("[[departments]]", again, 1)
    assert refused(tmp_path, twice).startswith("tables[1].name repeats")


@pytest.mark.parametrize("content, says", [
    (b"name = ", "not valid TOML"),
    (b"a = 1\na = 2", "not valid TOML"),
    (b"name = \"\xff\"", "not UTF-8"),
    (b"", "federation is missing"),
])
def test_a_file_that_is_no_spec(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "SPEC.toml"
    path.write_bytes(content)
    with pytest.raises(Misconfigured, match=says):
        load_spec(path)


def test_a_missing_spec_and_missing_data_are_named(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="there is no such file"):
        load_spec(tmp_path / "absent.toml")
    spec = load_spec(written(tmp_path, MINIMAL))
    with pytest.raises(Misconfigured, match=re.escape(f"departments[0].data.t: there is no file {tmp_path}")):
        check_data(spec)
    (tmp_path / "t.csv").touch()
    check_data(spec)


def test_what_is_rendered_can_be_read(tmp_path: Path) -> None:
    values: dict[str, Any] = {
        "name": 'a "quoted"\\ 北\n\x7f', "list": ["x", "y z"], "data": {"人口": "/tmp/a b.csv"},
        "budget": {"residents": {"epsilon": Fraction(1, 8)}, "p.q": {"rho": Fraction(3)}}}
    assert tomllib.loads(render(values), parse_float=Fraction) == values


SECOND = """
[[tables]]
name = "visits"
population = "residents"
unit = "pid"
{pure}
columns = [{ name = "cost", type = "integer", lower = 0, upper = 9 }]

[[departments]]
"""


@pytest.mark.parametrize("first, second", [("", "pure = true"), ("pure = true", "pure = false")])
def test_tables_of_one_population_count_in_one_thing(tmp_path: Path, first: str, second: str) -> None:
    text = FULL.replace("rho = 0.25", "epsilon = 1").replace('unit = "pid"', f'unit = "pid"\n{first}')
    text = text.replace("[[departments]]\n", SECOND.replace("{pure}", second).lstrip(), 1)
    text = text.replace('{ people = "north.csv" }', '{ people = "north.csv", visits = "v.csv" }')
    message = refused(tmp_path, text)
    assert message.startswith("tables[1].pure is true for ") and "population 'residents'" in message
    assert "'people'" in message and "'visits'" in message


def test_budgets_of_a_pure_population_are_epsilon_as_it_stands(tmp_path: Path) -> None:
    text = FULL.replace("rho = 0.25", "epsilon = 0.1").replace('unit = "pid"', 'unit = "pid"\npure = true')
    spec = load_spec(written(tmp_path, text))
    assert spec.pure == {"residents"} and spec.tables[0].pure
    found = [d.budget.pico_loss("residents", spec.pure, spec.delta) for d in spec.departments]
    assert found == [10**13, 10**11, 10**13]
    (overall,) = policy_message(spec).budgets
    assert overall.pico_loss == 2 * 10**13
    assert catalog_message(spec).tables[0].pure
