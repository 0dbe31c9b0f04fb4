"""What depends on query, catalog or engine is refused by name, before anything is spent where that can be.

Every question comes twice: as SQL, which the analyst's own side refuses, and as the message that a client
without any care would send, which every node refuses by itself.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from cotally.client.sql.parse import parse
from cotally.server.engines.duckdb import snapshot
from cotally.server.engines.engine import EngineError, Measures
from cotally.server.model.catalog import Table
from cotally.server.model.plan import Plan
from cotally.server.model.query import Query
from cotally.v1 import catalog_pb2, query_pb2
from cotally.v1.refusals import Misconfigured, Refusal, Refused
from tests.protocol.lab import Lab
from tests.protocol.site import Answered, Site, catalog, rounds_of_today

PEOPLE = b"pid,age,income,sex,city,seen\n1,30,100,0,,2024-01-01\n"
K = query_pb2.StatisticKind
CLAUSE = query_pb2.PrivacyClause(rho="0.02", confidence="0.95", mechanism=query_pb2.MECHANISM_GAUSSIAN)
COUNT = query_pb2.Statistic(alias="n", kind=K.STATISTIC_KIND_COUNT_ROWS)


def question(*statistics: query_pb2.Statistic, table: str = "people", keys: tuple[str, ...] = (),
             derived: tuple[query_pb2.DerivedKey, ...] = (), joins: tuple[query_pb2.Join, ...] = (),
             bounds: tuple[query_pb2.Bounds, ...] = ()) -> query_pb2.Query:
    """A question as it goes over the wire."""
    return query_pb2.Query(table=table, keys=keys, derived=derived, joins=joins, bounds=bounds,
                           statistics=statistics or [COUNT], privacy=CLAUSE)


def of(kind: int, column: str, **fields: object) -> query_pb2.Statistic:
    """A statistic called x."""
    return query_pb2.Statistic(alias="x", kind=K.ValueType(kind), column=column, **fields)  # type: ignore[arg-type]


def binned(column: str, width: str) -> query_pb2.DerivedKey:
    """BIN(column, width) AS b."""
    return query_pb2.DerivedKey(name=f"bin_{column}", derivation=query_pb2.DERIVATION_BIN, column=column,
                                width=width)


@dataclass(frozen=True)
class Bad:
    """A question, the refusal, and the nodes' sentence."""

    sql: str  # empty where an analyst's own side leaves it to the coordinator
    query: query_pb2.Query
    refusal: Refusal
    sentence: str


R = Refusal
BAD = {
    "a sum of a category": Bad(
        "SELECT SUM(sex) FROM people", question(of(K.STATISTIC_KIND_SUM, "sex")), R.UNSUPPORTED,
        "'sex' is a category; only numbers have sums, means and the like"),
    "a median of a date": Bad(
        "SELECT MEDIAN(seen) FROM people",
        question(of(K.STATISTIC_KIND_QUANTILE, "seen", quantile="0.5")), R.UNSUPPORTED,
        "'seen' is a date; only numbers have sums, means and the like"),
    "groups by a number": Bad(
        "SELECT age, COUNT(*) FROM people GROUP BY age", question(keys=("age",)), R.UNSUPPORTED,
        "GROUP BY takes columns with a public code list; 'age' is no category"),
    "a bin of a category": Bad(
        "SELECT BIN(sex, 2), COUNT(*) FROM people GROUP BY BIN(sex, 2)",
        question(keys=("bin_sex",), derived=(binned("sex", "2"),)), R.UNSUPPORTED,
        "BIN takes a number; 'sex' is none"),
    "a year of a number": Bad(
        "SELECT YEAR(age), COUNT(*) FROM people GROUP BY YEAR(age)",
        question(keys=("y",), derived=(query_pb2.DerivedKey(
            name="y", derivation=query_pb2.DERIVATION_YEAR, column="age"),)), R.UNSUPPORTED,
        "YEAR takes a date; 'age' is none"),
    "a column that is not there": Bad(
        "SELECT SUM(wealth) FROM people", question(of(K.STATISTIC_KIND_SUM, "wealth")), R.UNKNOWN_NAME,
        "table 'people' has no column 'wealth'"),
    "a weight that was not declared": Bad(
        "SELECT WEIGHTED(SUM(age), income) FROM people",
        question(of(K.STATISTIC_KIND_SUM, "age", weight="income")), R.UNSUPPORTED,
        "'income' is not declared as a survey weight"),
    "too many cells": Bad(
        "",  # whoever prices it counts them: coordinator, nodes, key holders
        question(of(K.STATISTIC_KIND_QUANTILE, "income", quantile="0.5"),
                 keys=("bin_age", "bin_income", "city", "sex"),
                 derived=(binned("age", "1"), binned("income", "1"))), R.UNSUPPORTED,
        "between 1 and 1000000 can be released at once"),
    "bounds beyond the declared ones": Bad(
        "SELECT SUM(BOUNDS(income, 0, 2000)) FROM people",
        question(of(K.STATISTIC_KIND_SUM, "income"),
                 bounds=(query_pb2.Bounds(column="income", lower="0", upper="2000"),)), R.UNSUPPORTED,
        "the bounds of 'income' must ascend and lie within 0 and 1000"),
    "a join that is not on the unit": Bad(
        "SELECT COUNT(*) FROM visits JOIN people USING (age)",
        question(table="visits", joins=(query_pb2.Join(table="people", using="age"),)), R.UNSUPPORTED,
        "tables are joined on their unit column only; that of 'visits' is not 'age'"),
    "a join with nobody's table": Bad(
        "SELECT COUNT(*) FROM visits JOIN horses USING (pid)",
        question(table="visits", joins=(query_pb2.Join(table="horses", using="pid"),)), R.UNKNOWN_NAME,
        "horses"),
    "a join across populations": Bad(
        "SELECT COUNT(*) FROM visits JOIN animals USING (pid)",
        question(table="visits", joins=(query_pb2.Join(table="animals", using="pid"),)), R.UNSUPPORTED,
        "'visits' is of population 'residents', 'animals' of 'pets'"),
    "a join with single rows": Bad(
        "SELECT COUNT(*) FROM visits JOIN events USING (pid)",
        question(table="visits", joins=(query_pb2.Join(table="events", using="pid"),)), R.UNSUPPORTED,
        "a table whose unit is the row has nobody to be joined on"),
}


def wider(departments: tuple[str, ...] = ("health", "north", "tax")) -> catalog_pb2.Catalog:
    """The catalog with two more tables, which others hold."""
    made = catalog(departments)
    for name, population, unit in (("animals", "pets", "pid"), ("events", "events", "")):
        table = made.tables.add()
        table.CopyFrom(made.tables[1])
        table.name, table.population, table.unit_column = name, population, unit
    return made


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """One federation for all questions."""
    yield rounds_of_today(tmp_path_factory.mktemp("lab"))


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """One with the wider catalog; its nodes hold no files."""
    yield rounds_of_today(tmp_path_factory.mktemp("wide"), wider)


@pytest.mark.parametrize("name", BAD)
def test_a_question_that_cannot_be_is_refused_by_name_on_both_sides(wide: Lab, name: str) -> None:
    bad = BAD[name]
    with pytest.raises(Refused) as nodes:
        wide.federation.price(bad.query)
    assert nodes.value.refusal is bad.refusal
    assert bad.sentence in nodes.value.message and "\n" not in nodes.value.message
    if not bad.sql:
        return
    with pytest.raises(Refused) as own:
        parse(f"{bad.sql} WITH PRIVACY (rho = 0.02)", wide.charter.catalog)
    assert own.value.refusal is bad.refusal, own.value.message
    assert "\n" not in own.value.message


@dataclass
class Troubled:
    """An engine that is *own* but for one trouble."""

    own: Measures
    opened: Callable[[], None] = lambda: None
    measured: Callable[[], None] = lambda: None

    def open(self, table: Table) -> None:
        self.opened()
        self.own.open(table)

    def measure(self, query: Query, table: Table, plan: Plan, salt: bytes) -> list[int]:
        exact = self.own.measure(query, table, plan, salt)
        self.measured()
        return exact


def raising(error: Exception) -> Callable[[], None]:
    """Something that raises *error*."""
    def raised() -> None:
        raise error
    return raised


def asked(lab: Lab, folder: Path, opened: Callable[[], None] = lambda: None,
          measured: Callable[[], None] = lambda: None) -> tuple[Answered, int]:
    """How a count was answered, and what it cost north."""
    before = spent(lab)
    site = Site(lab, folder / "site", PEOPLE, lambda own: Troubled(own, opened, measured))
    return site.ask(question()), spent(lab) - before


def spent(lab: Lab) -> int:
    """Pico-rho, by north's ledger."""
    return sum(each.spent_pico_loss for each in lab.nodes["north"].ledger.status())


def test_an_engine_that_is_down_is_named_before_anything_is_spent(lab: Lab, tmp_path: Path) -> None:
    answer, cost = asked(lab, tmp_path, opened=raising(EngineError("PostgreSQL stopped with Timeout")))
    assert answer.refused is not None and cost == 0
    assert (answer.refused.refusal, answer.refused.message) == (
        R.UNREACHABLE, "the engine that holds people does not answer its node")


def test_slow_out_of_memory_and_broken_over_a_record_look_alike(lab: Lab, tmp_path: Path) -> None:
    troubles: dict[str, Callable[[], None]] = {
        "slow": lambda: time.sleep(1.0),
        "out of memory": raising(EngineError("DuckDB stopped with OutOfMemoryException")),
        "out of Python's": raising(MemoryError()),
        "a record": raising(ValueError("wxyzzy")),
    }
    ended = {name: asked(lab, tmp_path / name, measured=trouble) for name, trouble in troubles.items()}
    for name, (answer, cost) in ended.items():
        assert answer.refused is not None and cost > 0, name
        assert (answer.refused.refusal, answer.refused.message) == (
            R.OUT_OF_ORDER, "north was not ready at the time that the plan allows"), name
        assert answer.seconds >= answer.d
    said = {name: [line["event"] for line in answer.log if line["level"] in ("warning", "error")]
            for name, (answer, _) in ended.items()}
    assert said["slow"] == ["too_slow", "declined"]
    assert said["out of memory"] == said["a record"] == ["measuring_failed", "declined"]
    assert "wxyzzy" not in str(ended["a record"][0].log)


def test_a_source_that_changes_after_its_vintage_changes_nothing(lab: Lab, tmp_path: Path) -> None:
    site = Site(lab, tmp_path / "site", PEOPLE)
    first = site.ask(question())
    site.files["people"].write_bytes(b"id,wealth\n1,2\n")
    site.files["visits"].unlink()
    assert site.ask(question()).text == first.text


def test_a_vintage_that_was_rewritten_is_refused_by_name_before_anything_is_spent(
    lab: Lab, tmp_path: Path
) -> None:
    site = Site(lab, tmp_path / "site", PEOPLE)
    holding = site.holding()
    kept = snapshot.folder(site.state, lab.federation.catalog.tables[0]) / snapshot.RECORDS_FILE
    other = snapshot.folder(site.state, lab.federation.catalog.tables[1]) / snapshot.RECORDS_FILE
    for spoil in (lambda: kept.write_bytes(other.read_bytes()), kept.unlink):
        before = spent(lab)
        spoil()
        answer = site.ask(question(), holding)
        assert answer.refused is not None and spent(lab) == before
        assert (answer.refused.refusal, answer.refused.message) == (
            R.NOT_ALLOWED, "the vintage of people is not the announced one")
        with pytest.raises(Misconfigured, match=r"vintage 1 in .*is gone or was changed.*restore the copy"):
            site.holding()


def test_columns_that_change_under_one_vintage_stop_the_node_with_a_sentence(
    lab: Lab, tmp_path: Path
) -> None:
    site = Site(lab, tmp_path / "site", PEOPLE)
    site.holding()

    def drifted(departments: tuple[str, ...] = ("health", "north", "tax")) -> catalog_pb2.Catalog:
        made = catalog(departments)
        made.tables[0].columns[0].type = catalog_pb2.COLUMN_TYPE_FLOAT
        made.tables[0].columns[0].resolution = "1"
        return made

    later = Site(rounds_of_today(tmp_path / "later", drifted), tmp_path / "later-site", PEOPLE)
    later.state = site.state
    with pytest.raises(Misconfigured) as stopped:
        later.holding()
    assert stopped.value.message == (
        "node.toml: data.people: table people: vintage 1 was made for other columns; changed columns need a "
        "new vintage")
