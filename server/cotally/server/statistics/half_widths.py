"""Half-widths that several statistics share: of ratios, and of what is linear in noisy moments."""

from collections.abc import Sequence
from fractions import Fraction

from .encoding import Reach


def of_ratio(reach: Reach, denominator: Fraction, distance: Fraction) -> Fraction | None:
    """Squared half-width of Fieller's interval for numerator / denominator, both in their own terms.

    `reach` is (denominator's, numerator's). The denominator's noise matters in proportion to the
    ratio, which is at most *distance* away from zero; the farthest is taken. None where the
    denominator may be zero, so that the interval is the whole line (Fieller 1954).
    """
    of_bottom, of_top = reach
    lead = denominator**2 - of_bottom
    if lead <= 0:
        return None
    return (of_bottom * (denominator * distance) ** 2 + of_top * lead) / lead**2


def linearised(reach: Reach, leverages: Sequence[Fraction], people: Fraction) -> Fraction | None:
    """Squared half-width by the delta method; None where the count may be half of what it is.

    The first block counts rows. A leverage is the squared worth of one integer of a block.
    """
    if 4 * reach[0] > people**2:
        return None
    return sum((a * b for a, b in zip(reach, leverages, strict=True) if b), Fraction(0))
