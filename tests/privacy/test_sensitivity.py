"""How far a person really moves what is measured, against what every block's price was computed from.

Each place of a question is a dataset with and without one person: thousands of neighbours are replayed
through the production engine, and the largest move must be the declared one: no more, and no less either,
so that a sensitivity understated by one is seen.
"""

import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cotally.server.model.catalog import Table
from cotally.server.model.plan import Block
from cotally.v1 import catalog_pb2
from tests.privacy.audit import by_group, furthest
from tests.privacy.federation import Asked, Federation, Measured, ask
from tests.privacy.people import SEED, catalog, lines, number, persons, table

PLACES = 1200
ROWS = 3  # of a person in one group, where all are alike: more than k
CLAUSE = "GROUP BY BIN(place, 1), sex WITH PRIVACY (rho = 1)"
STATISTICS = (
    "COUNT(*) AS n, COUNT(age) AS na, SUM(age) AS s, SUM(pay) AS sp, AVG(age) AS a, AVG(pay) AS ap, "
    "WEIGHTED(COUNT(*), w) AS wn, WEIGHTED(SUM(age), w) AS ws, WEIGHTED(AVG(pay), w) AS wa, "
    "VARIANCE(age) AS v, STDDEV(pay) AS sd, COVAR(age, pay) AS c, CORR(pay, age) AS r, "
    "REGR(age, pay, w) AS g, HISTOGRAM(age, 5) AS h, QUANTILE(pay, 0.9, 8) AS q, INCIDENCES(pid) AS i"
)
OF_PERSONS = ("COUNT(DISTINCT pid) AS p, CLIPPED_LOW(age) AS cl, CLIPPED_HIGH(pay) AS ch, TRUNCATED(*) AS t, "
              "COUNT(*) AS n")
QUESTIONS = {
    "sums": f"SELECT {STATISTICS} FROM people {CLAUSE}",
    "persons": f"SELECT {OF_PERSONS} FROM people {CLAUSE}",
    "bounds": f"SELECT {STATISTICS} FROM people {CLAUSE}".replace(
        "WITH", "BOUNDS(age, -1, 4), BOUNDS(pay, 1, 2) WITH"),
    "where": f"SELECT {STATISTICS} FROM people WHERE NOT (age = 8 OR w IS NULL) {CLAUSE}",
    "suggest": f"SUGGEST BOUNDS FOR age, pay FROM people {CLAUSE}",
}
LOOSE = {"where"}  # the WHERE clause takes the most extreme rows away
Case = tuple[int, int, int]  # k, g, m
CASES: list[Case] = [(1, 1, 1), (2, 2, 1), (2, 3, 1), (2, 1, 2)]


def holders(m: int) -> tuple[str, ...]:
    """The departments of a case: as many as a person may be in."""
    return ("north", "south")[:m]


@pytest.fixture(scope="module")
def federations(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[int, Federation]]:
    """By m: departments that all hold the same persons, so that these are in as many."""
    people = persons(PLACES, ROWS)
    found = {}
    for m in (1, 2):
        text = list(lines(people))
        known = catalog(table(PLACES, holders=holders(m), minimum=m))
        found[m] = Federation(known, {name: {"people": text} for name in holders(m)},
                              tmp_path_factory.mktemp(f"departments-{m}"))
    yield found


def asking(question: str, case: Case) -> Asked:
    """The question over a table with the contribution bounds of *case*."""
    k, g, m = case
    text = QUESTIONS[question]
    if m > 1:
        text = text.replace(OF_PERSONS, "INCIDENCES(pid) AS i")
    return ask(text, catalog(table(PLACES, k, g, m, holders(m), minimum=m)))


def moves(measured: Measured) -> Iterator[tuple[Block, tuple[int, int]]]:
    """Each block with the largest norms by which any place's person moved it."""
    places = PLACES
    for block in measured.asked.plan.blocks:
        yield block, furthest(by_group(measured.exact, [block], places))


def exceeded(block: Block, norms: tuple[int, int]) -> bool:
    """Whether somebody moved the block further than its sensitivities say."""
    return norms[0] > block.l1 or norms[1] > block.l2_squared


@pytest.mark.parametrize("question, case", [
    pytest.param(question, case, marks=[] if question == "sums" or case == CASES[1] else pytest.mark.slow)
    for question in QUESTIONS for case in CASES
])
def test_the_furthest_move_is_the_declared_one(
    question: str, case: Case, federations: dict[int, Federation]
) -> None:
    asked = asking(question, case)
    for block, norms in moves(federations[case[2]].measure(asked)):
        assert not exceeded(block, norms)
        if question in LOOSE:
            continue
        assert norms == (block.l1, block.l2_squared)
        for lie in (replace(block, l1=block.l1 - 1), replace(block, l2_squared=block.l2_squared - 1),
                    replace(block, l1=block.l1 * 9 // 10, l2_squared=block.l2_squared * 9 // 10)):
            assert exceeded(lie, norms)


def planted(measured: Table) -> dict[str, Table]:
    """Engines' faults: each bounds a person less than the plan was priced for."""
    wider = tuple(replace(column, upper=column.upper + column.resolution) if column.name == "age" else column
                  for column in measured.columns)
    return {
        "one row more": replace(measured, rows_per_person=measured.rows_per_person + 1),
        "one group more": replace(measured, groups_per_person=measured.groups_per_person + 1),
        "one unit more": replace(measured, columns=wider),
    }


@pytest.mark.parametrize("fault, untouched", [
    ("one row more", {"persons", "clipped_low", "clipped_high", "truncated"}), ("one group more", set()),
    ("one unit more", {"count", "cells", "tree", "persons"})])
def test_an_engine_that_bounds_less_is_seen(
    fault: str, untouched: set[str], federations: dict[int, Federation]
) -> None:
    asked = asking("sums", (2, 2, 1))
    measured = federations[1].measure(asked, planted(asked.table)[fault])
    seen = {block.kind.value for block, norms in moves(measured) if exceeded(block, norms)}
    assert seen == {"count", "sum", "centred_sum", "product", "cells", "tree", "persons"} - untouched


def test_a_person_changes_nothing_but_their_own(tmp_path: Path, federations: dict[int, Federation]) -> None:
    """Without every other person, those who stay are measured as before, to the integer."""
    asked = asking("sums", (2, 2, 1))
    stay = range(0, PLACES, 2)
    text = list(lines(persons(PLACES, ROWS), stay))
    fewer = Federation(federations[1].catalog, {"north": {"people": text}}, tmp_path)
    before, after = federations[1].measure(asked).exact, fewer.measure(asked).exact
    for block in asked.plan.blocks:
        all_places, some = by_group(before, [block], PLACES), by_group(after, [block], PLACES)
        assert (some[::2] == all_places[::2]).all()
        assert not some[1::2].any()


@pytest.mark.parametrize("question", ["sums", "persons", "bounds", "suggest"])
def test_persons_in_one_group_add_up(question: str, federations: dict[int, Federation]) -> None:
    """What all persons add to a shared group is the sum of what each adds alone."""
    asked = asking(question, (2, 3, 1))
    together = replace(asked.query, keys=("sex",), derived=())
    table_ = replace(asked.table, columns=tuple(c for c in asked.table.columns if c.derived is None))
    text = QUESTIONS[question].replace("BIN(place, 1), ", "")
    shared = ask(text, catalog(table(PLACES, 2, 3)))
    assert shared.query == together and shared.table == table_
    alone, sums = federations[1].measure(asked).exact, federations[1].measure(shared).exact
    for one, all_ in zip(asked.plan.blocks, shared.plan.blocks, strict=True):
        expected = by_group(alone, [one], PLACES).sum(axis=0) // one.refinement
        assert (by_group(sums, [all_], 1)[0] // all_.refinement == expected).all()


def test_a_row_as_unit_moves_one_row(tmp_path: Path) -> None:
    people = [person[:1] for person in persons(PLACES, ROWS)]
    known = catalog(table(PLACES, 9, 9, unit="", holders=("north",)))
    federation = Federation(known, {"north": {"people": list(lines(people))}}, tmp_path)
    text = QUESTIONS["sums"].replace(", INCIDENCES(pid) AS i", "")
    for block, norms in moves(federation.measure(ask(text, known))):
        assert norms == (block.l1, block.l2_squared)


def register(m: int) -> catalog_pb2.Table:
    """A second table of the same persons."""
    other = table(PLACES, 9, 9, m, holders(1), minimum=1, name="register")
    del other.columns[:]
    other.columns.extend([number("level", "-4", "3")])
    return other


@pytest.mark.parametrize("k, g", [(1, 1), (2, 2)])
def test_a_fan_out_lifts_nobody(k: int, g: int, tmp_path: Path) -> None:
    """Each person has several rows in both tables, and every pair of them is joined."""
    people = persons(PLACES, ROWS)
    known = catalog(table(PLACES, k, g), register(1))
    found = ((), ("-4",), ("-9",) * 4, ("9",), ("9", "", "-4"), ("3", "3"))
    draw = random.Random(SEED)
    levels = [f"p{place},{level}" for place in range(PLACES) for level in draw.choice(found)]
    federation = Federation(
        known, {"north": {"people": list(lines(people)), "register": ["pid,level", *levels]}}, tmp_path)
    text = ("SELECT COUNT(*) AS n, SUM(register.level) AS s, COVAR(register.level, people.age) AS c, "
            "AVG(people.pay) AS a, HISTOGRAM(register.level, 4) AS h, TRUNCATED(*) AS t, "
            "WEIGHTED(SUM(register.level), people.w) AS w FROM people JOIN register USING (pid) "
            "GROUP BY BIN(people.place, 1), people.sex WITH PRIVACY (rho = 1)")
    for block, norms in moves(federation.measure(ask(text, known))):
        assert not exceeded(block, norms)
        assert norms == (block.l1, block.l2_squared)
