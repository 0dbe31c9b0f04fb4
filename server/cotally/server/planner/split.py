"""How the loss is split over the blocks.

Each distinct block takes one part on average. Within a statistic the parts are in the proportion that
makes its interval narrowest: where the squared half-width is the sum of leverage * sensitivity^2 / rho
over its blocks, that is rho in proportion to the root of leverage * sensitivity^2. A statistic's `loss`
multiplies its parts; a block that several statistics read takes the largest of theirs.
"""

from collections.abc import Sequence
from fractions import Fraction
from typing import Final

from ..dp.rounding import root_up
from ..model.catalog import Table
from ..model.query import Query
from ..statistics.registry import METHODS
from .error import people_per_group
from .layout import Layout

_GRAIN: Final = 2**16  # parts are whole multiples of its inverse, so that rationals stay short

Parts = tuple[Fraction, ...]


def parts(query: Query, table: Table, layout: Layout) -> tuple[Parts, ...]:
    """Per statistic, the parts of the blocks that it reads, its `loss` included; all positive."""
    people = people_per_group(table, layout.groups)
    found = []
    for request, reading in zip(layout.requests, layout.readings, strict=True):
        leverages = METHODS[request.statistic.kind].leverages(request, people)
        roots = [
            root_up(leverage * layout.sensitivity_squared(layout.encodings[block], query.privacy.mechanism))
            for leverage, block in zip(leverages, reading, strict=True)
        ]
        unit = sum(roots, Fraction(0)) / len(roots)
        found.append(tuple(_rounded(request.statistic.loss * root / unit) for root in roots))
    return tuple(found)


def shares(layout: Layout, of_statistics: Sequence[Parts]) -> Parts:
    """The part of each block: the largest that any statistic wants of it."""
    wanted = [Fraction(0)] * len(layout.encodings)
    for reading, own in zip(layout.readings, of_statistics, strict=True):
        for block, part in zip(reading, own, strict=True):
            wanted[block] = max(wanted[block], part)
    return tuple(wanted)


def _rounded(part: Fraction) -> Fraction:
    return Fraction(max(round(part * _GRAIN), 1), _GRAIN)
