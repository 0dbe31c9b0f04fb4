"""The common federation's spec and data: four departments, one clean table and one full of oddities."""

import random
from pathlib import Path

DEPARTMENTS = ("east", "north", "south", "west")
MINIMUM = 3
PEOPLE = 300  # per department
RHO = "0.01"  # of an ordinary question
BUDGET_RHO = 5
COUNT = f"SELECT sex, COUNT(*) AS n FROM people GROUP BY sex WITH PRIVACY (rho = {RHO}, replay = false)"

_SPEC = """\
[federation]
name = "system"
key_bits = 2048
min_departments = 3
delta = 1e-6
round_seconds = 10
tick_ms = 1000           # generous: a loaded machine drops nobody
{tables}
{departments}
[[analysts]]
name = "analyst"
[[analysts]]
name = "poor"
budget = {{ rho = 0.015 }}
[[analysts]]
name = "hasty"
budget = {{ rho = 0.015 }}
[[analysts]]
name = "reader"
budget = {{ rho = 0.015 }}
"""
_TABLE = """
[[tables]]
name = "{name}"
population = "{population}"
unit = "pid"
max_people = 10000
columns = [
  {{ name = "age", type = "integer", lower = 0, upper = 100, nullable = false }},
  {{ name = "income", type = "float", lower = 0, upper = 1000, resolution = 1 }},
  {{ name = "sex", type = "category", codes = ["0", "1"] }},
]
"""
_DEPARTMENT = """
[[departments]]
name = "{name}"
budget = {{ rho = {budget} }}
data = {{ {data} }}
"""
TABLES = {"people": "residents", "odd": "residents", "hollow": "ghosts"}  # and their populations
HEADER = "pid,age,income,sex"

# One row each that no declaration foresees; none of them may show to the analyst.
ODD_ROWS = (
    b",30,100,0",                      # no id
    b"NULL,30,100,0",
    b"1,\xff\xfe,100,1",               # not UTF-8
    b"2,30,much,1",                    # not a number
    b"3,30,inf,1",
    b"4,30,-1e308,0",
    b"5,-7,100,0",                     # out of bounds
    b"6,30,nan,0",
    b"7,30,100,9",                     # an unlisted code
    b"8,30,100,",                      # no key
    b'9,30,"100,0',                    # a stray quote
    b"10,30",                          # a short line
    b"11,30,100,0,wxyzzy",
    b"12,30,100,\xc3\x28",
)


def write_holdings(folder: Path) -> Path:
    """Write spec and data into the new *folder*; return the spec's path. The same in every run."""
    folder.mkdir(parents=True)
    rng = random.Random(20_261_121)
    for number, name in enumerate(DEPARTMENTS):
        first = 10_000 * (number + 1)
        (folder / f"{name}-people.csv").write_text(_people(rng, first, PEOPLE))
        (folder / f"{name}-odd.csv").write_bytes(
            _people(rng, first, 20).encode() + b"\n".join(ODD_ROWS) + b"\n")
        (folder / f"{name}-hollow.csv").write_text(HEADER + "\n")
    spec = folder / "SPEC.toml"
    spec.write_text(spec_text())
    return spec


def spec_text() -> str:
    """The spec, whose data paths are relative to it."""
    departments = [
        _DEPARTMENT.format(name=name, budget=BUDGET_RHO,
                           data=", ".join(f'{t} = "{name}-{t}.csv"' for t in TABLES))
        for name in DEPARTMENTS]
    return _SPEC.format(tables="".join(_TABLE.format(name=t, population=p) for t, p in TABLES.items()),
                        departments="".join(departments))


def _people(rng: random.Random, first: int, count: int) -> str:
    rows = [f"{first + i},{rng.randint(0, 100)},{rng.randint(0, 1000)},{rng.randint(0, 1)}"
            for i in range(count)]
    return "\n".join([HEADER, *rows]) + "\n"
