"""HISTOGRAM and SUGGEST BOUNDS: one count per leaf, each with its own noise; and the bounds suggested."""

from itertools import pairwise
from statistics import NormalDist

from ..leaves import edges
from ..published import column_of
from .asked import Asked, Decoder, Totals
from .estimate import Cell, Estimate, linear, several


def histogram(asked: Asked) -> Decoder:
    """Return the decoder of a block of cells."""
    (block,), (measured,) = asked.blocks, asked.measured
    at = [float(edge) for edge in edges(column_of(asked.table, block.column), block.leaves)]
    labels = [(("lower", lower), ("upper", upper)) for lower, upper in pairwise(at)]

    def decode(totals: Totals) -> Estimate:
        return several([Cell(label, linear(measured, total, asked.confidence))
                        for label, total in zip(labels, totals[0], strict=True)])
    return decode


def suggested(estimate: Estimate, confidence: float) -> tuple[float, float] | None:
    """Return the edges of the first and last leaf that surely hold somebody; None where none does.

    Surely: at this confidence over all leaves together, by the noisy counts alone.
    """
    if not estimate.cells:
        return None
    k = NormalDist().inv_cdf(1 - (1 - confidence) / len(estimate.cells))
    sure = [dict(cell.label) for cell in estimate.cells
            if cell.estimate.value is not None and cell.estimate.se is not None
            and cell.estimate.value > k * cell.estimate.se]
    return (float(sure[0]["lower"]), float(sure[-1]["upper"])) if sure else None
