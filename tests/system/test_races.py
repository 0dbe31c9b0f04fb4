"""Sixty-four clients at once, and a budget for three questions: three are answered, and three are paid."""

import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cotally.client.release import Release
from cotally.v1.refusals import Refusal, Refused
from tests.system.asking import charges, log_of, price
from tests.system.running import Running, running

CLIENTS = 64
FIT = 3
DEPARTMENTS = ("east", "north", "south")
COUNT = "SELECT COUNT(*) AS n FROM people WITH PRIVACY (rho = 0.3, replay = false)"
_SPEC = """\
[federation]
name = "race"
key_bits = 2048
min_departments = 3
delta = 1e-6
round_seconds = 30
tick_ms = 500

[[tables]]
name = "people"
unit = "pid"
population = "residents"
max_people = 1000
columns = [{{ name = "age", type = "integer", lower = 0, upper = 100 }}]
{departments}
[[analysts]]
name = "analyst"
"""


@pytest.fixture
def race(tmp_path: Path) -> Iterator[Running]:
    """Three departments, all of them needed, each with a budget for three questions."""
    departments = "".join(f'[[departments]]\nname = "{name}"\ndata = {{ people = "people.csv" }}\n'
                          "budget = { rho = 1 }\n" for name in DEPARTMENTS)
    (tmp_path / "people.csv").write_text("pid,age\n" + "".join(f"{i},{i % 90}\n" for i in range(300)))
    (tmp_path / "SPEC.toml").write_text(_SPEC.format(departments=departments))
    with running(tmp_path / "SPEC.toml", tmp_path / "federation") as federation:
        federation.heal()
        yield federation


@pytest.mark.slow
def test_sixty_four_clients_race_for_the_last_budget(race: Running) -> None:
    """Whoever is told to come back does; every question that is answered is paid, and none besides."""
    def run(_: int) -> Release | Refused:
        while True:
            try:
                return con.sql(COUNT).run()
            except Refused as why:
                if why.refusal is not Refusal.OVERLOADED and "in progress" not in why.message:
                    return why
            time.sleep(0.5)

    with race.connect() as con:
        before, cost = race.spent(), price(con, COUNT)
        with ThreadPoolExecutor(CLIENTS) as pool:
            outcomes = list(pool.map(run, range(CLIENTS)))
    refused = Counter(each.refusal for each in outcomes if isinstance(each, Refused))
    released = {each.id for each in outcomes if isinstance(each, Release)}
    assert len(released) == FIT and refused == {Refusal.BUDGET_SPENT: CLIENTS - FIT}
    assert charges(before, race.spent()) == dict.fromkeys(DEPARTMENTS, FIT * cost)
    assert sum(entry.WhichOneof("leaf") == "transcript" for entry in log_of(race)) == FIT
