"""Writes the demo's federation as a SPEC.toml: five departments, two of three key holders, 3072 bits."""

from typing import Final

from .holdings import DEPARTMENTS, PAYERS, file_name
from .population import (
    ACTIVITIES,
    BENEFITS,
    KINDS_PER_PERSON,
    MAX_AGE,
    MAX_AMOUNT,
    MAX_INCOME,
    MAX_VISITS,
    REGIONS,
    SCHOOLING,
    SEXES,
)

NAME: Final = "demoland"
LEAST_PEOPLE: Final = 200_000
MOST_PEOPLE: Final = 1_000_000  # up to which the federation's delta is small enough

_SPEC: Final = """\
# An invented country. Everything below is public; only the files that `data` names are not.
#
#     cotally sandbox {file} --dir FOLDER      runs this federation and keeps it in FOLDER

[federation]
name = "{name}"
key_bits = 3072
key_holders = 3
threshold = 2
min_departments = 3
colluding = 1
delta = 1e-7
tick_ms = 2000                 # generous, so that a busy machine still answers in time
population_budget = {{ epsilon = 3.0 }}

[[tables]]
name = "residents"             # every person lies with exactly one of the five departments
unit = "pid"
overlap = 1
max_rows_per_person = 1
expected_people = {people}
max_people = {cap}
columns = [
  {{ name = "region", type = "category", codes = {regions}, nullable = false }},
  {{ name = "sex", type = "category", codes = {sexes}, nullable = false }},
  {{ name = "age", type = "integer", lower = 0, upper = {max_age}, nullable = false }},
  {{ name = "education", type = "category", codes = {schooling}, nullable = false }},
  {{ name = "activity", type = "category", codes = {activities}, nullable = false }},
  {{ name = "income", type = "float", lower = 0, upper = {max_income}, resolution = 1 }},
  {{ name = "visits", type = "integer", lower = 0, upper = {max_visits}, nullable = false }},
]

[[tables]]
name = "benefits"              # paid by two departments; a person can be with both
unit = "pid"
overlap = 2
max_rows_per_person = 1        # of one kind
max_groups_per_person = {kinds}
expected_people = {paid}
max_people = {cap}
columns = [
  {{ name = "region", type = "category", codes = {regions}, nullable = false }},
  {{ name = "kind", type = "category", codes = {benefits}, nullable = false }},
  {{ name = "amount", type = "float", lower = 0, upper = {max_amount}, resolution = 1, nullable = false }},
]
{departments}
[[analysts]]
name = "analyst"
purposes = ["statistics"]
budget = {{ epsilon = 2.0 }}
"""

_DEPARTMENT: Final = """
[[departments]]
name = "{name}"
budget = {{ epsilon = 3.0 }}
data = {{ {data} }}
"""


def spec_text(people: int, file: str) -> str:
    """The SPEC.toml of a country of *people* persons, to be stored under the name *file*."""
    thousands = -(-people // 1000)
    return _SPEC.format(
        file=file, name=NAME, people=people, cap=1000 * -(-thousands // 2), paid=400 * thousands,
        kinds=KINDS_PER_PERSON, regions=_list(REGIONS), sexes=_list(SEXES), schooling=_list(SCHOOLING),
        activities=_list(ACTIVITIES), benefits=_list(BENEFITS), max_age=MAX_AGE, max_income=MAX_INCOME,
        max_visits=MAX_VISITS, max_amount=MAX_AMOUNT,
        departments="".join(_department(name) for name in DEPARTMENTS))


def _department(name: str) -> str:
    tables = ["residents", *(["benefits"] if name in PAYERS.values() else [])]
    data = ", ".join(f'{table} = "{file_name(name, table)}"' for table in tables)
    return _DEPARTMENT.format(name=name, data=data)


def _list(words: tuple[str, ...]) -> str:
    return "[" + ", ".join(f'"{word}"' for word in words) + "]"
