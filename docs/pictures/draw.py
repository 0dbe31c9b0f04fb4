"""Draws the pictures of docs/walkthrough.md: a sandbox of made-up people, each question asked once.

    python docs/pictures/draw.py        # needs cotally[all]; a minute

The people are invented here, from one seed; noise is drawn by the departments, so pictures differ from run
to run.
"""

import csv
import os
import random
import re
import subprocess
import sys
import tempfile
from datetime import date, timedelta
from pathlib import Path

SEED = 2026
HERE = Path(__file__).parent
PAGE = HERE.parent / "walkthrough.md"
DEPARTMENTS = {"east": 4000, "north": 5000, "west": 3000}
SPEC = """
[federation]
name = "walkthrough"
key_bits = 2048
key_holders = 3
threshold = 2
min_departments = 3
colluding = 1
delta = 1e-6

[[tables]]
name = "people"
unit = "pid"
expected_people = 12000
max_people = 20000
columns = [
  { name = "age", type = "integer", lower = 0, upper = 100, nullable = false },
  { name = "income", type = "float", lower = 0, upper = 200000, resolution = 1 },
  { name = "sex", type = "category", codes = ["f", "m"] },
  { name = "w", type = "float", lower = 0, upper = 4, resolution = 0.01, weight = true },
]

[[tables]]
name = "visits"
unit = "pid"
max_rows_per_person = 3
max_groups_per_person = 2
expected_people = 12000
max_people = 20000
columns = [
  { name = "cost", type = "integer", lower = 0, upper = 900, nullable = false },
  { name = "visited", type = "date", lower = "2023-01-01", upper = "2025-12-31" },
]

"""


def people(department: str, rng: random.Random, into: Path) -> str:
    """Write the two files of *department*; return its part of the spec."""
    tables: dict[str, list[list[object]]] = {"people": [["pid", "age", "income", "sex", "w"]],
                                             "visits": [["pid", "cost", "visited"]]}
    for number in range(DEPARTMENTS[department]):
        pid, age = f"{department}{number}", min(100, max(0, round(rng.gauss(42, 19))))
        income = max(0.0, 9000 + 480 * min(age, 55) + rng.lognormvariate(9, 0.9) - 8000) if age > 15 else 0.0
        tables["people"].append([pid, age, round(income), rng.choice("fm"), round(rng.uniform(0.5, 2.5), 2)])
        for _ in range(rng.choice((0, 0, 1, 1, 2, 4))):
            day = date(2023, 1, 1) + timedelta(days=min(1094, int(rng.triangular(0, 1095, 800))))
            tables["visits"].append(
                [pid, min(900, int(rng.expovariate(1 / (60 + 2 * age)))), day.isoformat()]
            )
    for table, rows in tables.items():
        with (into / f"{department}-{table}.csv").open("w", newline="") as file:
            csv.writer(file).writerows(rows)
    data = ", ".join(f'{table} = "{department}-{table}.csv"' for table in tables)
    return f'[[departments]]\nname = "{department}"\nbudget = {{ epsilon = 60.0 }}\ndata = {{ {data} }}\n\n'


def outside() -> int:
    """Start the sandbox, and this script inside it."""
    rng = random.Random(SEED)  # noqa: S311  # invented people, no secrets
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        spec = SPEC + "".join(people(department, rng, folder) for department in DEPARTMENTS)
        spec += '[[analysts]]\nname = "ann"\npurposes = ["statistics"]\nbudget = { epsilon = 60.0 }\n'
        (folder / "spec.toml").write_text(spec)
        command: list[str | Path] = [
            Path(sys.executable).with_name("cotally"), "sandbox", folder / "spec.toml", "--",
            sys.executable, __file__, "inside"]
        return subprocess.run(command, check=False, env=os.environ | {"MPLBACKEND": "Agg"}).returncode


def inside() -> int:
    """Ask every question of the page, the same in SQL and Python; draw what is pictured."""
    from matplotlib import pyplot

    import cotally.client as client
    page = PAGE.read_text("utf-8")
    con = client.connect()
    names = {name: getattr(client, name) for name in client.__all__} | {"con": con}
    for sql, python, tail in re.findall(
        r"```sql\n(.*?)```\n\n```python\n(.*?)```(.*?)(?=```sql|\Z)", page, re.DOTALL
    ):
        ask = con.sql(sql)
        fluent = eval(python.partition("q = ")[2], names).ask()  # noqa: S307  # our own page
        if ask.query != fluent.query:
            print(f"not the same question:\n{sql}\n{python}", file=sys.stderr)
            return 1
        picture = re.search(r"!\[.*?\]\(pictures/(.*?)\.png\)", tail)
        print(ask.explain(), flush=True)
        release = ask.run()
        print(release, flush=True)
        if picture:
            release.plot()
            pyplot.savefig(HERE / f"{picture[1]}.png", dpi=72)
            pyplot.close("all")
    con.close()
    return 0


if __name__ == "__main__":
    sys.exit(inside() if sys.argv[1:] == ["inside"] else outside())
