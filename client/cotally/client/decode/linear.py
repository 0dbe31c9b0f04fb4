"""COUNT, SUM, persons and weighted totals: one total each, exact intervals; means and shares: two."""

from .asked import Asked, Decoder, Totals
from .estimate import Estimate, linear, ratio


def total(asked: Asked) -> Decoder:
    """Return the decoder of one total."""
    (measured,), confidence = asked.measured, asked.confidence

    def decode(totals: Totals) -> Estimate:
        return linear(measured, totals[0][0], confidence)
    return decode


def quotient(asked: Asked) -> Decoder:
    """Return the decoder of centre + second / first."""
    below, above = asked.measured
    confidence = asked.confidence

    def decode(totals: Totals) -> Estimate:
        return ratio(above, below, totals[1][0], totals[0][0], confidence)
    return decode
