"""Tables, plans and files for the engines' tests, made by hand."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from cotally.server.model.catalog import Column, ColumnType, Table
from cotally.server.model.packing import Packing
from cotally.server.model.plan import Block, BlockKind, Dyadic, Plan
from cotally.server.model.query import Mechanism, Predicate, Privacy, Query, Target

WIDE = 10**60


def table(
    columns: Iterable[Column], *, unit: str | None = "pid", k: int = 1, g: int = 1, vintage: str = "2026"
) -> Table:
    """A table named people."""
    return Table(
        name="people",
        population="residents",
        unit=unit,
        overlap=1,
        rows_per_person=k,
        groups_per_person=g,
        expected_people=100,
        max_people=1000,
        min_departments=1,
        vintage=vintage,
        columns=tuple(columns),
        holders=("north",),
    )


def query(*keys: str, where: Predicate | None = None) -> Query:
    """A query with these keys; engines read statistics from the plan."""
    privacy = Privacy(Target.EPSILON, Fraction(1), Fraction(95, 100), Mechanism.GAUSSIAN)
    return Query("people", keys, (), where, privacy)


def block(kind: BlockKind, column: Column | None = None, *, refinement: int = 1, cap: int = WIDE) -> Block:
    """A block without its place; `plan` places it. Sensitivities are left to the tests."""
    units = column.units if column is not None and column.is_number else 0
    factor, shift = {
        BlockKind.COUNT: (0, 1),
        BlockKind.SUM: (1, int(column.lower / column.resolution) if column is not None else 0),
        BlockKind.CENTRED_SUM: (2, -units),
    }[kind]
    return Block(
        kind=kind,
        column=column.name if column is not None else "",
        offset=0,
        cells=0,
        factor=factor,
        shift=shift,
        step=Fraction(1),
        centre=Fraction(0),
        refinement=refinement,
        low=-cap,
        high=cap,
        l1=1,
        l2_squared=1,
        scale=Dyadic(1, 0),
        pico_loss=1,
    )


def plan(groups: int, *blocks: Block) -> Plan:
    """The blocks one after another, over so many groups."""
    placed, offset = [], 0
    for b in blocks:
        placed.append(replace(b, offset=offset, cells=groups * b.width))
        offset += groups * b.width
    return Plan(
        blocks=tuple(placed),
        mechanism=Mechanism.GAUSSIAN,
        honest=1,
        pico_loss=1,
        epsilon=None,
        packing=Packing((), 0),
        answer_ms=50,
        population="residents",
        minimum=1,
    )


def write_csv(path: Path, header: Sequence[str], records: Iterable[Mapping[str, str]]) -> Path:
    """The records as a CSV file."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows([record[name] for name in header] for record in records)
    return path


AGE = Column("age", ColumnType.INTEGER, upper=Fraction(100))
INCOME = Column(
    "income", ColumnType.FLOAT, lower=Fraction(-3, 2), upper=Fraction(10), resolution=Fraction(1, 4)
)
BIG = Column("big", ColumnType.INTEGER, lower=Fraction(-(2**63)), upper=Fraction(2**63 - 1))
CITY = Column("city", ColumnType.CATEGORY, codes=("北京", "e\u0301", "o'c"), other=True)
CODE = Column("code", ColumnType.CATEGORY, codes=("0", "1"), integer_codes=True)
DAY = Column("day", ColumnType.DATE)
COLUMNS = (AGE, INCOME, BIG, CITY, CODE, DAY)
