"""People for what the large sweep leaves out: two tables to join, people whom two departments hold."""

from dataclasses import replace
from typing import Final

import numpy as np

from cotally.v1 import catalog_pb2
from tests.honesty.people import MADE_UP, Holding, Record, codes, made_up, number

WARDS: Final = ("a", "b", "c", "d")
DEPARTMENTS: Final = ("east", "north", "west")


def visited() -> Holding:
    """Visits of 2,000 people, some of whom are not listed beside them and some listed twice."""
    rng = np.random.default_rng(MADE_UP)
    visits: dict[str, list[Record]] = {name: [] for name in DEPARTMENTS}
    listed: dict[str, list[Record]] = {name: [] for name in DEPARTMENTS}
    for person in range(2000):
        home, pid = DEPARTMENTS[person % 3], f"p{person}"
        for _ in range(int(rng.integers(1, 5))):
            cost = round(float(np.clip(20 * (1 + rng.pareto(1.2)), 0, 5000)))
            ward = WARDS[min(int(rng.exponential(1)), 3)]
            visits[home].append({"pid": pid, "ward": ward, "cost": str(cost)})
        for _ in range(int(rng.choice(3, p=(0.1, 0.8, 0.1)))):
            listed[home].append({"pid": pid, "age": str(int(rng.integers(18, 90)))})
    return Holding(
        _table("visits", 2, number("cost", "0", "1000"), codes("ward", WARDS)), visits,
        Holding(_table("people", 1, number("age", "0", "100")), listed))


def _table(name: str, rows: int, *columns: catalog_pb2.Column) -> catalog_pb2.Table:
    return catalog_pb2.Table(
        name=name, population="residents", unit_column="pid", overlap=1, rows_per_person=rows,
        groups_per_person=2, expected_people=2000, max_people=5000, min_departments=3, vintage="1",
        holders=DEPARTMENTS, columns=columns)


def joined(holding: Holding, table: catalog_pb2.Table) -> Holding:
    """Every visit beside every listing of its person in the department, as *table* has it."""
    assert holding.beside is not None
    found: dict[str, list[Record]] = {}
    for name, visits in holding.records.items():
        found[name] = [
            {"pid": visit["pid"], **{f"visits.{key}": value for key, value in visit.items()},
             **{f"people.{key}": value for key, value in person.items()}}
            for visit in visits for person in holding.beside.records[name] if person["pid"] == visit["pid"]]
    return Holding(table, found)


def overlapping() -> Holding:
    """The made-up people, the first department's held by the second as well: two at most hold a person."""
    holding = made_up()
    first, second, *_ = holding.records
    table = catalog_pb2.Table()
    table.CopyFrom(holding.table)
    table.overlap = 2
    shared = {**holding.records, second: holding.records[second] + holding.records[first]}
    return replace(holding, table=table, records=shared)
