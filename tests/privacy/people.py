"""Places with one person each, so that one question is many neighbours at once.

A place is a group that no other person reaches: with the place's person or without, nothing else about
its coordinates differs. Persons are all that a small grid of rows can make.
"""

import random
from collections.abc import Iterator, Sequence
from itertools import combinations_with_replacement, product
from typing import Final

from cotally.v1 import catalog_pb2

Row = tuple[str, ...]
Person = tuple[Row, ...]

AGES: Final = ("", "-9", "-3", "2", "3", "8", "99", "-inf", "inf", "nan")
PAYS: Final = ("", "0.4", "0.5", "1.4", "2.5", "1e300")
WEIGHTS: Final = ("", "0", "1.75", "7")
SEXES: Final = ("a", "b", "?")
HEADER: Final = "pid,place,sex,age,pay,w"
SEED: Final = 20_261_122


def number(name: str, lower: str, upper: str, resolution: str = "", weight: bool = False,
           nullable: bool = True) -> catalog_pb2.Column:
    """A column of integers, or of floats where a resolution is given."""
    kind = catalog_pb2.COLUMN_TYPE_FLOAT if resolution else catalog_pb2.COLUMN_TYPE_INTEGER
    return catalog_pb2.Column(name=name, type=kind, lower=lower, upper=upper, resolution=resolution,
                              weight=weight, nullable=nullable)


def table(
    places: int, k: int = 1, g: int = 1, m: int = 1, holders: Sequence[str] = ("north",),
    unit: str = "pid", minimum: int | None = None, people: int = 1_000_000, name: str = "people",
) -> catalog_pb2.Table:
    """A table of persons at *places*."""
    return catalog_pb2.Table(
        name=name, population="residents" if unit else "rows", unit_column=unit, overlap=m,
        rows_per_person=k, groups_per_person=g, expected_people=places, max_people=people, vintage="1",
        min_departments=len(holders) if minimum is None else minimum, holders=sorted(holders), columns=[
            number("place", "0", str(places - 1), nullable=False), number("age", "-3", "8"),
            number("pay", "0.5", "2.5", "0.25"), number("w", "0", "2", "0.25", weight=True),
            catalog_pb2.Column(
                name="sex", type=catalog_pb2.COLUMN_TYPE_CATEGORY, codes=["a", "b"], other=True),
        ])


def catalog(*tables: catalog_pb2.Table) -> catalog_pb2.Catalog:
    """The catalog that lists these tables."""
    return catalog_pb2.Catalog(federation="audit", epoch=1, tables=tables)


def persons(count: int, rows: int) -> list[Person]:
    """*count* persons with 1 to *rows* rows of (sex, age, pay, w): all of one row, and others at random."""
    draw = random.Random(SEED)
    grid = [(sex, *cells) for sex, *cells in product(SEXES, AGES, PAYS, WEIGHTS)]
    found: list[Person] = [(row,) for row in product(SEXES[:1], AGES, PAYS, WEIGHTS)]
    filled = list(product(AGES[1:], PAYS[1:], WEIGHTS[1:]))
    found += [(("a", *cells),) * n for cells in filled for n in range(2, rows + 1)]
    found += [tuple((sex, *cells) for sex in SEXES for _ in range(rows)) for cells in filled]
    found += combinations_with_replacement([("a", age, "2.5", "7") for age in AGES], rows)
    while len(found) < count:
        found.append(tuple(draw.choice(grid) for _ in range(draw.randint(1, 2 * rows + 1))))
    return draw.sample(found, count) if len(found) > count else found


def lines(people: Sequence[Person], of: Sequence[int] | None = None) -> Iterator[str]:
    """The CSV lines of *people*, each at a place of their own; those at the places *of* only."""
    yield HEADER
    for place in range(len(people)) if of is None else of:
        for sex, age, pay, weight in people[place]:
            yield f"p{place},{place},{sex},{age},{pay},{weight}"
