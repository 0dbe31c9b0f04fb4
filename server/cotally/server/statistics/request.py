"""One statistic of a query, with everything public that its encoding depends on."""

from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from math import isqrt
from typing import Final

from ..model.catalog import Column, Table
from ..model.query import Statistic
from .encoding import nullable

_TOTAL_BITS: Final = 61  # one fewer than a total may have: the rest is for noise
_NOISE_PEOPLE: Final = 2**14  # noise counts for as many people, which covers all but absurdly small losses

Value = Fraction | None | tuple[Fraction | None, ...]


class Basis(StrEnum):
    """On what an expected half-width rests: nothing, or assumptions that it has to be labelled with."""

    EXACT = "exact"
    PEOPLE = "people"  # expected_people, spread evenly over the groups
    EVEN = "even"  # these, and values spread evenly over the bounds, independent of each other


@dataclass(frozen=True, slots=True)
class Request:
    """A statistic and its columns in the effective table; `columns` are in the statistic's order."""

    statistic: Statistic
    columns: tuple[Column, ...]
    weight: Column | None
    room: int  # largest magnitude of a row's integer for which totals fit

    @classmethod
    def of(cls, statistic: Statistic, table: Table) -> "Request":
        """The request for a checked *statistic* over *table*."""
        found = [table.column(name) for name in statistic.columns]
        most = 2 * max(len(table.holders), 1) * (table.max_people + _NOISE_PEOPLE)
        rows = table.rows_per_person if table.unit is not None else 1
        return cls(
            statistic, tuple(c for c in found if c is not None),
            table.column(statistic.weight) if statistic.weight else None,
            max(2**_TOTAL_BITS // (most * rows), 1),
        )

    @property
    def column(self) -> Column | None:
        """The first column; None for statistics of rows and persons."""
        return self.columns[0] if self.columns else None

    @property
    def number(self) -> Column:
        """The first column, of a statistic that needs one."""
        assert self.columns, f"{self.statistic.kind} needs a column"
        return self.columns[0]

    @property
    def present(self) -> tuple[str, ...]:
        """Columns whose NULLs leave every block of the statistic, the weight aside."""
        return nullable(*self.columns)

    @property
    def factor_limit(self) -> int:
        """The largest magnitude of each of two forms whose products fit."""
        return isqrt(self.room)
