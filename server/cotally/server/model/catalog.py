"""What the departments publish about their holdings: tables, columns, bounds, code lists."""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from fractions import Fraction

from .account import Account
from .query import Derivation

OTHER = "other"  # the key of the cell for NULL and unlisted codes
LONGEST_TEXT = 1000  # characters of a code, or of what names a person; more in every cell would fill memory


class ColumnType(StrEnum):
    """How a column is read and bounded."""

    INTEGER = "integer"
    FLOAT = "float"
    CATEGORY = "category"
    DATE = "date"


@dataclass(frozen=True, slots=True)
class Derived:
    """Where a query's own category comes from: `width` units of a number, or a part of a date."""

    derivation: Derivation
    source: str
    width: int = 0


@dataclass(frozen=True, slots=True)
class Column:
    """One column. Bounds are exact; a float column also has a resolution.

    `codes`, `other` and `integer_codes` belong to categories, `first` and `last` to dates,
    `lower` and `upper` to numbers. Unused fields keep their defaults. A category that a query
    derives from another column lists its cells' labels as codes and says how in `derived`.
    """

    name: str
    type: ColumnType
    nullable: bool = True
    lower: Fraction = Fraction(0)
    upper: Fraction = Fraction(0)
    resolution: Fraction = Fraction(1)
    first: date = date.min
    last: date = date.max
    codes: tuple[str, ...] = ()
    other: bool = False
    integer_codes: bool = False
    weight: bool = False  # a survey weight
    derived: Derived | None = None

    @property
    def is_number(self) -> bool:
        """True for columns that can be summed."""
        return self.type in (ColumnType.INTEGER, ColumnType.FLOAT)

    @property
    def units(self) -> int:
        """M: the largest encoded unit; units run from 0 (at `lower`) to M (at `upper`).

        >>> Column("x", ColumnType.FLOAT, upper=Fraction(10), resolution=Fraction(1, 2)).units
        20
        """
        return int((self.upper - self.lower) / self.resolution)

    @property
    def keys(self) -> tuple[str, ...]:
        """Public cells of a category in publication order, `other` last where declared."""
        return (*self.codes, OTHER) if self.other else self.codes


@dataclass(frozen=True, slots=True)
class Quality:
    """Noisy relative errors above which a value is flagged, and above which it is not shown."""

    unreliable: Fraction
    suppressed: Fraction


@dataclass(frozen=True, slots=True)
class Table:
    """One joint table: who holds it, whose privacy it concerns, and its contribution bounds.

    The effective table of a query with a join lists the joined tables in `parts`, and calls their
    columns "table.column".
    """

    name: str
    population: str
    unit: str | None  # the unit column; None: one row is one privacy unit
    overlap: int  # m
    rows_per_person: int  # k, per group
    groups_per_person: int  # g
    expected_people: int
    max_people: int
    min_departments: int
    vintage: str
    columns: tuple[Column, ...]
    holders: tuple[str, ...]  # sorted
    quality: Quality | None = None
    parts: tuple["Table", ...] = ()
    pure: bool = False  # as every table of its population: only Laplace noise, and epsilon adds up

    @property
    def stored(self) -> tuple[str, ...]:
        """Names of the catalog's tables that a department needs in order to measure this one."""
        return tuple(part.name for part in self.parts) or (self.name,)

    @property
    def account(self) -> Account:
        """What losses of the table's population are counted in."""
        return Account.EPSILON if self.pure else Account.RHO

    def column(self, name: str) -> Column | None:
        """The column called *name*, or None. The unit column is not among them unless declared."""
        return next((c for c in self.columns if c.name == name), None)


@dataclass(frozen=True, slots=True)
class Catalog:
    """Every table of a federation."""

    federation: str
    epoch: int
    tables: tuple[Table, ...]

    @property
    def pure(self) -> frozenset[str]:
        """The populations that count in epsilon."""
        return frozenset(t.population for t in self.tables if t.pure)

    def table(self, name: str) -> Table | None:
        """The table called *name*, or None."""
        return next((t for t in self.tables if t.name == name), None)
