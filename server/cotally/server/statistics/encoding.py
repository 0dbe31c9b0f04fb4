"""How a row becomes bounded integers, and how far one person can move the sums of such integers.

`docs/proofs/privacy.md` holds the argument; `Bounds` and `Encoding` hold its quantities.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from ..model.catalog import Column, Table
from ..model.plan import BlockKind, Form, Leaves, width
from .forms import Scaled

# For each block of a statistic, in unrefined integers: the square of how far its noise reaches at the
# stated confidence. A shape is the same up to a factor.
Reach = Sequence[Fraction]

OF_PEOPLE: Final = frozenset(
    {BlockKind.PERSONS, BlockKind.CLIPPED_LOW, BlockKind.CLIPPED_HIGH, BlockKind.TRUNCATED}
)  # a person is worth 0 or 1, however many rows there are
OF_LEAVES: Final = frozenset({BlockKind.CELLS, BlockKind.TREE})


@dataclass(frozen=True, slots=True)
class Encoding:
    """Blocks of one kind before they are placed and priced: a row's integer lies in [low, high].

    A row of coarse unit v is worth `factor * v + shift`, times the second form of a PRODUCT;
    integer * step + centre * rows is the value in the column's terms.
    """

    kind: BlockKind
    column: str
    factor: int
    shift: int
    step: Fraction
    centre: Fraction
    low: int
    high: int
    coarse: int = 1
    second: Form | None = None
    present: tuple[str, ...] = ()
    leaves: Leaves | None = None

    @property
    def magnitude(self) -> int:
        """B: the largest absolute value of a row's integer; at least 1, since noise needs a scale."""
        return max(abs(self.low), abs(self.high), 1)

    @property
    def width(self) -> int:
        """Coordinates in one group."""
        return width(self.kind, self.leaves)


def rows(*columns: Column | None) -> Encoding:
    """The encoding that counts rows, or rows in which none of *columns* is NULL.

    A column declared non-null counts like rows, so that blocks can be shared.
    """
    name, *others = nullable(*columns) or ("",)
    return Encoding(
        BlockKind.COUNT, name, factor=0, shift=1, step=Fraction(1), centre=Fraction(0), low=1, high=1,
        present=tuple(others),
    )


def nullable(*columns: Column | None) -> tuple[str, ...]:
    """The names of those *columns* that may hold NULL, sorted, each once."""
    return tuple(sorted({c.name for c in columns if c is not None and c.nullable}))


def linear(kind: BlockKind, scaled: Scaled, present: Sequence[str] = ()) -> Encoding:
    """A block of one form over the rows in which the columns *present* are not NULL either."""
    form = scaled.form
    return Encoding(
        kind, form.column, form.factor, form.shift, scaled.step, form.centre, scaled.low, scaled.high,
        coarse=form.coarse, present=_further(present, form.column),
    )


def product(first: Scaled, second: Scaled, present: Sequence[str] = ()) -> Encoding:
    """A block of two forms' product over the rows in which the columns *present* are not NULL either."""
    form = first.form
    if first == second:
        low, high = 0, max(first.low**2, first.high**2)
    else:
        corners = [a * b for a in (first.low, first.high) for b in (second.low, second.high)]
        low, high = min(corners), max(corners)
    return Encoding(
        BlockKind.PRODUCT, form.column, form.factor, form.shift, first.step * second.step, form.centre,
        low, high, coarse=form.coarse, second=second.form,
        present=_further(present, form.column, second.form.column),
    )


def one_hot(kind: BlockKind, column: Column, leaves: Leaves) -> Encoding:
    """A block of CELLS or a TREE over *column*."""
    return Encoding(kind, column.name, 0, 0, Fraction(1), Fraction(0), 0, 1, leaves=leaves)


def of_people(kind: BlockKind, column: str = "") -> Encoding:
    """A block in which a person is worth 0 or 1."""
    return Encoding(kind, column, 0, 0, Fraction(1), Fraction(0), 0, 1)


def _further(present: Sequence[str], *named: str) -> tuple[str, ...]:
    return tuple(sorted(set(present) - set(named)))


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
        """L1 sensitivity of a block: m departments, g groups, the largest L1 norm in each.

        >>> Bounds(rows=2, groups=3, overlap=1, people=9).l1(rows(None))
        6
        """
        return self.overlap * self.groups * self._norms(encoding)[0]

    def l2_squared(self, encoding: Encoding) -> int:
        """Squared L2 sensitivity of a block.

        >>> Bounds(rows=2, groups=3, overlap=1, people=9).l2_squared(rows(None))
        12
        """
        return self.overlap**2 * self.groups * self._norms(encoding)[1]

    def _norms(self, encoding: Encoding) -> tuple[int, int]:
        """L1 and squared L2 norm of the largest vector that a person adds to one group."""
        if encoding.kind in OF_PEOPLE:
            return 1, 1
        if encoding.leaves is not None:
            levels = encoding.leaves.count.bit_length() - 1 if encoding.kind is BlockKind.TREE else 1
            return self.rows * levels, self.rows**2 * levels
        most = self.rows * encoding.magnitude
        return most, most**2

    def caps(self, encoding: Encoding) -> tuple[int, int]:
        """The least and the largest sum of one department, people without rows included."""
        most = self.people * (1 if encoding.kind in OF_PEOPLE else self.rows)
        return most * min(encoding.low, 0), most * max(encoding.high, 0)
