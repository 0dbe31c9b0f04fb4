"""Flags by a value's noisy relative error, with the table's published thresholds. Noisy values only."""

from dataclasses import dataclass, replace

from cotally.v1 import catalog_pb2

from ..published import rational
from .estimate import Cell, Estimate

UNRELIABLE = "unreliable"
SUPPRESSED = "suppressed"


@dataclass(frozen=True, slots=True)
class Quality:
    """Half-width over absolute value from which a value is flagged, and from which it is not shown."""

    unreliable: float
    suppressed: float

    @classmethod
    def of(cls, table: catalog_pb2.Table) -> "Quality | None":
        """Return the thresholds of *table*; None where it publishes none."""
        if not table.quality.unreliable and not table.quality.suppressed:
            return None
        lower = table.quality.unreliable or table.quality.suppressed
        upper = table.quality.suppressed
        return cls(float(rational(lower, "threshold of quality")),
                   float(rational(upper, "threshold of quality")) if upper else float("inf"))

    def judged(self, estimate: Estimate) -> Estimate:
        """Return *estimate* with its flag, and without its numbers where they are suppressed."""
        if estimate.cells:
            cells = tuple(Cell(cell.label, self.judged(cell.estimate)) for cell in estimate.cells)
            hidden = any(cell.estimate.flag == SUPPRESSED for cell in cells)
            return replace(estimate, cells=cells, covariance=None if hidden else estimate.covariance)
        if estimate.value is None or estimate.low is None or estimate.high is None:
            return estimate
        half, size = (estimate.high - estimate.low) / 2, abs(estimate.value)
        if half > self.suppressed * size:
            return Estimate(None, None, None, None, SUPPRESSED)
        return replace(estimate, flag=UNRELIABLE) if half > self.unreliable * size else estimate
