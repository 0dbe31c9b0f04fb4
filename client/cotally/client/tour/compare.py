"""Sets a release beside the truth: which intervals cover it?"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .script import Truth

if TYPE_CHECKING:
    from ..decode.rows import Row


@dataclass(frozen=True, slots=True)
class Compared:
    """One released number and its true value; None for what there is not."""

    keys: tuple[str, ...]
    alias: str
    value: float | None
    low: float | None
    high: float | None
    truth: float | None

    @property
    def reach(self) -> float | None:
        """Half the width of the interval."""
        return None if self.low is None or self.high is None else (self.high - self.low) / 2

    @property
    def covers(self) -> bool | None:
        """Whether the truth lies in the interval; None where one of them is missing."""
        if self.low is None or self.high is None or self.truth is None:
            return None
        return self.low <= self.truth <= self.high

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {"keys": list(self.keys), "alias": self.alias, "value": self.value, "low": self.low,
                "high": self.high, "truth": self.truth, "covers": self.covers}


def compare(rows: "Sequence[Row]", aliases: Sequence[str], departments: Sequence[str],
            truth: Truth) -> list[list[Compared]]:
    """Per released group, one comparison per alias, with the truth over the *departments* in the release."""
    return [[Compared(tuple(row.keys), alias, each.value, each.low, each.high,
                      truth.of(tuple(row.keys), alias, departments))
             for alias, each in zip(aliases, row.estimates, strict=True)] for row in rows]


def tally(compared: Sequence[Sequence[Compared]]) -> tuple[int, int]:
    """How many intervals cover, of how many."""
    verdicts = [each.covers for row in compared for each in row if each.covers is not None]
    return sum(verdicts), len(verdicts)
