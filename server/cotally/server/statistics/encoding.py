"""How a row becomes a bounded integer, and how far one person can move the sums of such integers.

`docs/proofs/privacy.md` holds the argument; `Bounds` and `Encoding` hold its quantities.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from ..model.catalog import Column, Table
from ..model.plan import BlockKind

# For each block of a statistic, in unrefined integers: the square of how far its noise reaches at the
# stated confidence. A shape is the same up to a factor.
Reach = Sequence[Fraction]


@dataclass(frozen=True, slots=True)
class Encoding:
    """Blocks of one kind before they are placed and priced: a row's integer lies in [low, high].

    A row of unit u (0..M) is worth `factor * u + shift`; integer * step + centre * rows is the
    value in the column's terms.
    """

    kind: BlockKind
    column: str
    factor: int
    shift: int
    step: Fraction
    centre: Fraction
    low: int
    high: int

    @property
    def magnitude(self) -> int:
        """B: the largest absolute value of a row's integer; at least 1, since noise needs a scale."""
        return max(abs(self.low), abs(self.high), 1)


def rows(column: Column | None) -> Encoding:
    """The encoding that counts rows, or rows in which *column* is not NULL.

    A column declared non-null counts like rows, so that blocks can be shared.
    """
    name = column.name if column is not None and column.nullable else ""
    return Encoding(
        BlockKind.COUNT, name, factor=0, shift=1, step=Fraction(1), centre=Fraction(0), low=1, high=1
    )


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much one privacy unit can contribute to a table: k, g (at most the groups there are), m."""

    rows: int
    groups: int
    overlap: int
    people: int  # public cap per department

    @classmethod
    def of(cls, table: Table, groups: int) -> "Bounds":
        """The bounds for a query with *groups* groups; where a row is the unit, one row in one group."""
        if table.unit is None:
            return cls(1, 1, table.overlap, table.max_people)
        kept = min(table.groups_per_person, groups)
        return cls(table.rows_per_person, kept, table.overlap, table.max_people)

    def l1(self, encoding: Encoding) -> int:
        """L1 sensitivity of a block: m departments, g groups, k average rows of magnitude B in each.

        >>> Bounds(rows=2, groups=3, overlap=1, people=9).l1(rows(None))
        6
        """
        return self.overlap * self.groups * self.rows * encoding.magnitude

    def l2_squared(self, encoding: Encoding) -> int:
        """Squared L2 sensitivity of a block.

        >>> Bounds(rows=2, groups=3, overlap=1, people=9).l2_squared(rows(None))
        12
        """
        return self.overlap**2 * self.groups * (self.rows * encoding.magnitude) ** 2

    def caps(self, encoding: Encoding) -> tuple[int, int]:
        """The least and the largest sum of one department, people without rows included."""
        most = self.people * self.rows
        return most * min(encoding.low, 0), most * max(encoding.high, 0)
