"""Tables that hypothesis makes, columns and all, with records of theirs and questions about them."""

import unicodedata
from dataclasses import dataclass, replace
from datetime import date, timedelta
from fractions import Fraction

from hypothesis import reject
from hypothesis import strategies as st

from cotally.server.engines import parity_questions
from cotally.server.model.catalog import Column, ColumnType, Table
from cotally.server.model.plan import Plan, Rules
from cotally.server.model.query import Query
from cotally.server.planner.plan import make_plan
from cotally.v1.refusals import Refused
from tests.unit.server.engines import reference
from tests.unit.server.engines.plans import table

RULES = Rules(colluding=0, delta=Fraction(1, 10**6), tick_ms=50, round_ms=20_000, modulus_bits=3072)
SALT = b"\x00\xffsalt"
_TEXTS = ("北京", "e\u0301", "é", "o'c", "\u1e9b\u0323", "\uac00", "\u1100\u1161", " a", "0", "1", "01",
          "other")  # fmt: skip
_ODD = ("", "nan", "NaN", "null", "x", "1e3", "-0.0", "+7", " 7 ", "12.5", "inf", "-Infinity", "1e400",
        "-1e400", "5e-324", "9" * 30, "-" + "9" * 30, str(2**63 - 1), str(-(2**63)),
        "0.30000000000000004")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Case:
    """A question about generated records, and the vector that the design read aloud gives."""

    records: list[dict[str, str]]
    stored: Table
    query: Query
    scope: Table
    plan: Plan

    def expected(self) -> list[int]:
        """The judge's vector."""
        return reference.measure(self.records, self.query, self.scope, self.plan, SALT)


@st.composite
def columns(draw: st.DrawFn, name: str) -> Column:
    """A column of any type, with bounds of any size that can be summed."""
    kind = draw(st.sampled_from(ColumnType))
    nullable = draw(st.booleans())
    if kind is ColumnType.CATEGORY:
        codes = draw(st.lists(st.sampled_from(_TEXTS), max_size=4, unique_by=_normal))
        return Column(name, kind, nullable, codes=tuple(codes), other=not codes or draw(st.booleans()),
                      integer_codes=draw(st.booleans()))
    if kind is ColumnType.DATE:
        first = draw(st.dates(date(1990, 1, 1), date(2030, 1, 1)))
        return Column(name, kind, nullable, first=first, last=first + timedelta(draw(st.integers(0, 900))))
    lower = draw(st.integers(-100, 100) | st.integers(-(2**40), 2**40))
    width = draw(st.integers(1, 100) | st.integers(1, 2**41))
    resolution = Fraction(1) if kind is ColumnType.INTEGER else draw(
        st.sampled_from([Fraction(1), Fraction(1, 4), Fraction(1, 100), Fraction(5, 2)]))
    return Column(name, kind, nullable, lower * resolution, (lower + width) * resolution, resolution,
                  weight=lower >= 0 and draw(st.booleans()))


def cells(column: Column) -> st.SearchStrategy[str]:
    """Texts around what *column* declares, and far from it."""
    odd = st.sampled_from(_ODD)
    if column.type is ColumnType.CATEGORY:
        return odd | st.sampled_from([*column.codes, *_TEXTS])
    if column.type is ColumnType.DATE:
        near = st.integers(-2, (column.last - column.first).days + 2)
        return odd | near.map(lambda days: (column.first + timedelta(days)).isoformat())
    within = st.integers(-2, column.units + 2).map(lambda unit: column.lower + unit * column.resolution)
    if column.type is ColumnType.INTEGER:
        return odd | within.map(str)
    return odd | within.map(lambda x: repr(float(x))) | st.floats(
        float(column.lower) - 1, float(column.upper) + 1).map(repr)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """One question of the parity check about a generated table; joins are left to tests of their own."""
    made = [draw(columns(name)) for name in draw(st.sampled_from(["ab", "abc", "abcd"]))]
    unit = draw(st.sampled_from(["pid", "pid", None]))
    k, g = (1, 1) if unit is None else (draw(st.integers(1, 3)), draw(st.integers(1, 4)))
    stored = table(made, unit=unit, k=k, g=g)
    people = st.sampled_from(["1", "1.0", "2", "李", "e\u0301", "", "NaN"])
    row = {c.name: cells(c) for c in made} | {"pid": people}
    records = draw(st.lists(st.fixed_dictionaries(row), max_size=20))
    asked = [each for each in parity_questions.questions(stored) if not each[0].joins]
    query, scope = draw(st.sampled_from(asked))
    chosen = draw(st.lists(st.sampled_from(query.statistics), min_size=1, max_size=4, unique=True))
    query = replace(query, statistics=tuple(chosen))
    try:
        return Case(records, stored, query, scope, make_plan(query, scope, RULES))
    except Refused:
        return reject()


def _normal(code: str) -> str:
    return unicodedata.normalize("NFC", code)
