"""The count, the centred sums and the products of a set of columns: what second moments are made of.

All blocks are over the rows in which no column of the set is NULL, and use one coarse unit per
column, so that the moments are those of the same values.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from itertools import combinations_with_replacement

from ..model.plan import BlockKind
from .encoding import Encoding, linear, product, rows
from .forms import Scaled, centred
from .request import Request


@dataclass(frozen=True, slots=True)
class Moments:
    """Means and covariances of a group, of values measured from their centres."""

    count: Fraction
    means: tuple[Fraction, ...]
    covariances: dict[tuple[int, int], Fraction]  # by the columns' positions, the smaller first


@lru_cache(maxsize=256)
def scales(request: Request) -> tuple[Scaled, ...]:
    """The centred form of each column."""
    return tuple(centred(column, request.factor_limit) for column in request.columns)


def encodings(request: Request, pairs: Sequence[tuple[int, int]]) -> tuple[Encoding, ...]:
    """The count, one centred sum per column, one product per pair of columns' positions."""
    found, present = scales(request), request.present
    return (
        rows(*request.columns),
        *(linear(BlockKind.CENTRED_SUM, scaled, present) for scaled in found),
        *(_product(found[i], found[j], present) for i, j in pairs),
    )


def every_pair(request: Request) -> list[tuple[int, int]]:
    """All pairs of columns, each with itself too, in the order of their blocks."""
    return list(combinations_with_replacement(range(len(request.columns)), 2))


def moments(
    integers: Sequence[Fraction], request: Request, pairs: Sequence[tuple[int, int]]
) -> Moments | None:
    """Means and covariances from unrefined totals; None where the count is not positive."""
    found = scales(request)
    count, sums, products = integers[0], integers[1 : len(found) + 1], integers[len(found) + 1 :]
    if count <= 0:
        return None
    means = tuple(total * scaled.step / count for total, scaled in zip(sums, found, strict=True))
    covariances = {
        (i, j): total * found[i].step * found[j].step / count - means[i] * means[j]
        for (i, j), total in zip(pairs, products, strict=True)
    }
    return Moments(count, means, covariances)


def _product(one: Scaled, other: Scaled, present: Sequence[str]) -> Encoding:
    """The block of two forms, ordered by their columns, so that it is one block whoever asks for it."""
    first, second = sorted((one, other), key=lambda scaled: scaled.form.column)
    return product(first, second, present)


def half_ranges(request: Request) -> tuple[Fraction, ...]:
    """How far each column's values can lie from their centre."""
    return tuple(scaled.step * max(-scaled.low, scaled.high, 1) for scaled in scales(request))


def even_variance(half_range: Fraction) -> Fraction:
    """The variance of values spread evenly over bounds that lie *half_range* to either side."""
    return half_range**2 / 3
