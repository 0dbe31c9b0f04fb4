"""Holdings to ask: real microdata, and made-up people with skew, heavy tails and small groups."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from cotally.v1 import catalog_pb2

PUMS: Final = Path(__file__).parents[3] / "shared" / "data" / "pums"
MADE_UP: Final = 20_261_122  # the seed of made-up people; that of the noise is another
TOWNS: Final = tuple(f"town-{i:02}" for i in range(12))
Record = dict[str, str]


@dataclass(frozen=True, slots=True)
class Holding:
    """One table and the records that each department has of it; `beside` is a table to join."""

    table: catalog_pb2.Table
    records: dict[str, list[Record]]
    beside: "Holding | None" = None

    @property
    def catalog(self) -> catalog_pb2.Catalog:
        """The catalog that lists the table, and the one beside it."""
        tables = [self.table, *([self.beside.table] if self.beside else ())]
        return catalog_pb2.Catalog(federation="honesty", epoch=1, tables=tables)


def pums(file: str) -> Holding:
    """The people of `file.csv` over three departments; one row and one group of each count.

    Education is listed twice: as a code list to group by, and as a number of years to explain by. A weight
    is made of it.
    """
    with (PUMS / f"{file}.csv").open(newline="") as opened:
        found = [dict(record) for record in csv.DictReader(opened)]
    for record in found:
        record["years"] = record["educ"]
        record["w"] = str(0.5 + 0.25 * float(record["educ"])) if record["educ"] else ""
    return _dealt(catalog_pb2.Table(
        name="people", population="residents", unit_column="pid", overlap=1, rows_per_person=1,
        groups_per_person=1, expected_people=1000, max_people=5000, min_departments=3, vintage="1", columns=[
            number("age", "0", "100"), number("income", "0", "200000", "1"), number("years", "1", "16"),
            weight("w", "0.5", "5", "0.25"), codes("sex", ("0", "1")), codes("married", ("0", "1")),
            codes("educ", [str(i) for i in range(1, 17)]),
        ]), found, ("east", "north", "west"))


def made_up() -> Holding:
    """6,000 people in twelve towns over five departments; every seventh has several rows, some elsewhere.

    Towns shrink from thousands of people to a few dozen. Incomes have a tail as heavy as 1/x^1.5, cut at the
    bound; hours pile up at zero; some incomes are missing.
    """
    rng = np.random.default_rng(MADE_UP)
    shares = 1 / np.arange(1, len(TOWNS) + 1) ** 2.2
    shares /= shares.sum()
    found = []
    for person in range(6000):
        home = int(rng.choice(len(TOWNS), p=shares))
        for _ in range(int(rng.integers(2, 5)) if person % 7 == 0 else 1):
            away = person % 7 == 0 and rng.random() < 0.4
            town = int(rng.choice(len(TOWNS), p=shares)) if away else home
            hours = float(np.clip(rng.gamma(2, 12) - 6, 0, 80))
            score = float(np.clip(rng.normal(hours / 4 - 8, 9), -50, 50))
            income = 900 * (1 + rng.pareto(1.5)) + 60 * hours
            found.append({
                "pid": f"p{person}", "town": TOWNS[town], "hours": str(round(hours)),
                "score": str(round(2 * score) / 2), "income": "" if rng.random() < 0.04 else f"{income:.2f}",
                "w": f"{0.5 + rng.gamma(1.5, 1.2):.2f}"})
    return _dealt(catalog_pb2.Table(
        name="people", population="residents", unit_column="pid", overlap=1, rows_per_person=2,
        groups_per_person=2, expected_people=6000, max_people=20_000, min_departments=3, vintage="1",
        columns=[
            number("hours", "0", "80"), number("score", "-50", "50", "0.5"),
            number("income", "0", "20000", "10", nullable=True), weight("w", "0.5", "8", "0.01"),
            codes("town", TOWNS),
        ]), found, ("coast", "east", "hills", "north", "west"))


def number(
    name: str, lower: str, upper: str, resolution: str = "", nullable: bool = False
) -> catalog_pb2.Column:
    """A column of integers, or of floats where a resolution is given."""
    kind = catalog_pb2.COLUMN_TYPE_FLOAT if resolution else catalog_pb2.COLUMN_TYPE_INTEGER
    return catalog_pb2.Column(
        name=name, type=kind, lower=lower, upper=upper, resolution=resolution, nullable=nullable)


def weight(name: str, lower: str, upper: str, resolution: str) -> catalog_pb2.Column:
    """A survey weight."""
    column = number(name, lower, upper, resolution)
    column.weight = True
    return column


def codes(name: str, listed: Sequence[str]) -> catalog_pb2.Column:
    """A category, to group by."""
    return catalog_pb2.Column(name=name, type=catalog_pb2.COLUMN_TYPE_CATEGORY, codes=listed,
                              integer_codes=all(code.isdigit() for code in listed))


def _dealt(table: catalog_pb2.Table, records: list[Record], departments: Sequence[str]) -> Holding:
    """The holding whose people are dealt out by turns, in the order in which they first appear."""
    turns: dict[str, int] = {}
    dealt: dict[str, list[Record]] = {name: [] for name in departments}
    for record in records:
        turn = turns.setdefault(record["pid"], len(turns))
        dealt[departments[turn % len(departments)]].append(record)
    table.holders.extend(departments)
    return Holding(table, dealt)
