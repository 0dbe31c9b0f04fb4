"""What a decoder knows beforehand: statistic, table, units and noise of its blocks, confidence."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cotally.v1 import catalog_pb2, query_pb2, round_pb2

from .estimate import Estimate, Measured
from .noise import ratio_quantile


@dataclass(frozen=True, slots=True)
class Asked:
    """A statistic before its totals are known; `measured` is in the order of its blocks."""

    statistic: query_pb2.Statistic
    table: catalog_pb2.Table
    blocks: tuple[round_pb2.Block, ...]
    measured: tuple[Measured, ...]
    confidence: float

    @property
    def variances(self) -> list[float]:
        """Variance of the noise on one coordinate of each block, in the column's terms squared."""
        return [each.variance for each in self.measured]

    @property
    def quantile(self) -> float:
        """How many standard deviations a mixture of the blocks' noises stays within, at this confidence."""
        noise = self.measured[0].noise
        return ratio_quantile(noise.mechanism, noise.departments, self.confidence)

    def values(self, totals: "Totals") -> list[float]:
        """Return the first total of each block in the column's terms."""
        return [each.value(parts[0]) for each, parts in zip(self.measured, totals, strict=True)]


Totals = Sequence[Sequence[int]]
"""Per block of the statistic, the totals of one group: one, or one per leaf or node."""

Decoder = Callable[[Totals], Estimate]
