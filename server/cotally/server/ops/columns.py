"""Returns the columns that a spec declares, each with the keys of its own type only."""

import re
import unicodedata
from collections.abc import Sequence
from fractions import Fraction

from cotally.server.model.catalog import LONGEST_TEXT, OTHER, Column, ColumnType
from cotally.server.planner.limits import MAX_STEPS

from .reader import Section

MAX_UNITS = 2**53  # resolution steps between the bounds
MAX_BOUND = 2**62
_INTEGER_CODE = re.compile(r"0|-?[1-9]\d*")


def read_columns(sections: Sequence[Section]) -> tuple[Column, ...]:
    """The columns in *sections*, names distinct whatever their case: engines differ in telling them apart."""
    columns: list[Column] = []
    for s in sections:
        name = s.identifier("name")
        twin = next((c.name for c in columns if c.name.casefold() == name.casefold()), None)
        if twin is not None:
            s.refuse("name", f"repeats {twin!r}; names must differ in more than upper and lower case")
        kind = ColumnType(s.choice("type", [t.value for t in ColumnType]))
        columns.append(_READ[kind](s, name, s.flag("nullable", True)))
        s.done()
    return tuple(columns)


def _integer(s: Section, name: str, nullable: bool) -> Column:
    lower = s.integer("lower", -MAX_BOUND, MAX_BOUND)
    upper = s.integer("upper", -MAX_BOUND, MAX_BOUND)
    if lower > upper:
        s.refuse("upper", f"must be at least lower ({lower}), not {upper}")
    if upper - lower > MAX_UNITS:
        s.refuse("upper", "is too far from lower: at most 2^53 apart")
    return Column(name, ColumnType.INTEGER, nullable, lower=Fraction(lower), upper=Fraction(upper),
                  weight=_weight(s, Fraction(lower), Fraction(upper)))


def _float(s: Section, name: str, nullable: bool) -> Column:
    lower, upper, resolution = s.number("lower"), s.number("upper"), s.number("resolution")
    if lower > upper:
        s.refuse("upper", f"must be at least lower ({float(lower):g}), not {float(upper):g}")
    if resolution <= 0:
        s.refuse("resolution", f"must be above 0, not {float(resolution):g}")
    if lower < upper and resolution > upper - lower:
        s.refuse("resolution", f"must be at most upper - lower ({float(upper - lower):g}), "
                               f"not {float(resolution):g}")
    if upper - lower > MAX_UNITS * resolution:
        s.refuse("resolution", "is too fine for these bounds: at most 2^53 steps from lower to upper")
    if max(abs(lower), abs(upper)) > MAX_STEPS * resolution:
        s.refuse("resolution", "is too fine for bounds so far from 0: at most 2^112 steps from there")
    return Column(name, ColumnType.FLOAT, nullable, lower=lower, upper=upper, resolution=resolution,
                  weight=_weight(s, lower, upper))


def _weight(s: Section, lower: Fraction, upper: Fraction) -> bool:
    """Whether a number is declared as a survey weight."""
    weight = s.flag("weight", False)
    if weight and lower < 0:
        s.refuse("weight", "must not be declared of a column that may be negative")
    if weight and upper == 0:
        s.refuse("weight", "must not be declared of a column that is always 0")
    return weight


def _category(s: Section, name: str, nullable: bool) -> Column:
    codes = s.texts("codes")
    other = s.flag("other", False)
    integers = s.choice("format", ("text", "integer"), "text") == "integer"
    if other and OTHER in codes:
        s.refuse(f"codes[{codes.index(OTHER)}]", f"must not be {OTHER!r}: other = true makes a cell so named")
    for i, code in enumerate(codes):
        if len(code) > LONGEST_TEXT:
            s.refuse(f"codes[{i}]", f"must be of at most {LONGEST_TEXT:,} characters")
        if any(unicodedata.category(c) == "Cc" for c in code):
            s.refuse(f"codes[{i}]", f"must hold no control character such as a line's end, not {code[:20]!r}")
        if integers and not _INTEGER_CODE.fullmatch(code):
            s.refuse(f"codes[{i}]", f"must be a whole number as text (format = \"integer\"), not {code!r}")
    return Column(name, ColumnType.CATEGORY, nullable, codes=codes, other=other, integer_codes=integers)


def _date(s: Section, name: str, nullable: bool) -> Column:
    first, last = s.day("lower"), s.day("upper")
    if first > last:
        s.refuse("upper", f"must not be before lower ({first}), not {last}")
    return Column(name, ColumnType.DATE, nullable, first=first, last=last)


_READ = {
    ColumnType.INTEGER: _integer,
    ColumnType.FLOAT: _float,
    ColumnType.CATEGORY: _category,
    ColumnType.DATE: _date,
}
