"""What the catalog says of a column, as exact numbers: its cells, its bounds, its units.

A number x between the bounds is clamped and becomes the unit floor((x - lower) / resolution + 1/2), 0..M.
"""

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from cotally.v1 import catalog_pb2
from cotally.v1.refusals import Refusal, Refused

OTHER: Final = "other"  # the cell for NULL and for what no other cell takes
NUMBERS: Final = (catalog_pb2.COLUMN_TYPE_INTEGER, catalog_pb2.COLUMN_TYPE_FLOAT)
# No exponents: "1e999999999" is short to write and long to compute.
_NUMBER: Final = re.compile(r"-?[0-9]{1,400}(\.[0-9]{1,400}|/0{0,9}[1-9][0-9]{0,400})?")


def rational(text: str, what: str) -> Fraction:
    """Return the number that *text* writes as "a/b" or a decimal; refuse anything else."""
    if _NUMBER.fullmatch(text) is None:
        raise Refused(Refusal.MALFORMED, f"the {what} is not a number")
    return Fraction(text)


def key_cells(column: catalog_pb2.Column) -> tuple[str, ...]:
    """Return a category's public cells in publication order, `other` last where declared."""
    return (*column.codes, OTHER) if column.other else tuple(column.codes)


def column_of(table: catalog_pb2.Table, name: str) -> catalog_pb2.Column:
    """Return the column called *name*; refuse an unknown one."""
    for column in table.columns:
        if column.name == name:
            return column
    raise Refused(Refusal.UNKNOWN_NAME, f"table {table.name!r} has no column {name!r}")


def present(table: catalog_pb2.Table, names: tuple[str, ...]) -> tuple[str, ...]:
    """Return those of *names* that may hold NULL, sorted, each once."""
    return tuple(sorted({name for name in names if column_of(table, name).nullable}))


@dataclass(frozen=True, slots=True)
class Units:
    """A number's public bounds; `resolution` is what one unit is worth, 1 for integers."""

    lower: Fraction
    upper: Fraction
    resolution: Fraction

    @classmethod
    def of(cls, column: catalog_pb2.Column) -> "Units":
        """Return the units of *column*; refuse one that is no number, or whose bounds do not ascend."""
        if column.type not in NUMBERS:
            raise Refused(Refusal.UNSUPPORTED, f"{column.name!r} is no number")
        integer = column.type == catalog_pb2.COLUMN_TYPE_INTEGER
        found = cls(
            rational(column.lower, f"lower bound of {column.name!r}"),
            rational(column.upper, f"upper bound of {column.name!r}"),
            Fraction(1) if integer else rational(column.resolution, f"resolution of {column.name!r}"))
        if found.resolution <= 0 or found.upper < found.lower:
            raise Refused(Refusal.MALFORMED, f"the bounds of {column.name!r} are no bounds")
        return found

    @property
    def most(self) -> int:
        """M, the largest unit."""
        return int((self.upper - self.lower) / self.resolution)

    def value(self, unit: int) -> Fraction:
        """Return what *unit* stands for."""
        return self.lower + self.resolution * unit


def decimal_text(value: Fraction) -> str:
    """Return *value* as the shortest exact decimal, or as "a/b" where there is none of 20 digits.

    >>> decimal_text(Fraction(5, 2)), decimal_text(Fraction(-20)), decimal_text(Fraction(1, 3))
    ('2.5', '-20', '1/3')
    """
    for digits in range(20):
        scaled = value * 10**digits
        if scaled.denominator == 1:
            sign, text = "-" if scaled < 0 else "", f"{abs(int(scaled)):0{digits + 1}d}"
            return sign + (f"{text[:-digits]}.{text[-digits:]}" if digits else text)
    return str(value)
