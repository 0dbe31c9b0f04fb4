"""REGR(y, x1, .., xp): least squares on noisy moments, with a small public ridge."""

from collections.abc import Sequence
from fractions import Fraction

from . import moments
from .encoding import Encoding, Reach
from .half_widths import linearised
from .request import Basis, Request

BASIS = Basis.EVEN


def encodings(request: Request) -> tuple[Encoding, ...]:
    """Count; centred sums of y, x1, ..; products y y, y x1, .., x1 x1, x1 x2, .., xp xp."""
    return moments.encodings(request, moments.every_pair(request))


def decode(
    integers: Sequence[Fraction], request: Request, ridge: Sequence[Fraction] = ()
) -> tuple[Fraction, ...] | None:
    """Intercept and slopes; None where the count is not positive or the equations have no one solution.

    *ridge*, one number per explaining column, is added to the covariance matrix' diagonal.
    """
    found = moments.moments(integers, request, moments.every_pair(request))
    if found is None:
        return None
    explaining = range(1, len(request.columns))
    extra = list(ridge) or [Fraction(0)] * len(explaining)
    matrix = [
        [found.covariances[min(i, j), max(i, j)] + (extra[i - 1] if i == j else 0) for j in explaining]
        for i in explaining
    ]
    slopes = _solve(matrix, [found.covariances[0, j] for j in explaining])
    if slopes is None:
        return None
    level = [
        scaled.form.centre + mean
        for scaled, mean in zip(moments.scales(request), found.means, strict=True)
    ]
    intercept = level[0] - sum((b * level[i] for i, b in enumerate(slopes, start=1)), Fraction(0))
    return (intercept, *slopes)


def leverages(request: Request, people: Fraction) -> tuple[Fraction, ...]:
    """Blocks matter in the inverse of their largest integer: every moment is then known equally well."""
    return tuple(Fraction(1, each.magnitude**2) for each in encodings(request))


def half_width_squared(reach: Reach, request: Request, people: Fraction) -> Fraction | None:
    """Squared half-width of the first slope where all columns are spread evenly and independent."""
    first = moments.even_variance(moments.half_ranges(request)[1])
    y, x = moments.scales(request)[:2]
    worths = [Fraction(0)] * len(reach)
    worths[len(request.columns) + 2] = (y.step * x.step / (people * first)) ** 2
    return linearised(reach, worths, people)


def _solve(matrix: Sequence[Sequence[Fraction]], right: Sequence[Fraction]) -> list[Fraction] | None:
    """The solution of the linear equations, exactly; None where there is not exactly one."""
    rows = [[*row, value] for row, value in zip(matrix, right, strict=True)]
    for column in range(len(rows)):
        pivot = next((i for i in range(column, len(rows)) if rows[i][column] != 0), None)
        if pivot is None:
            return None
        rows[column], rows[pivot] = rows[pivot], rows[column]
        lead = rows[column]
        for i, row in enumerate(rows):
            if i != column and row[column] != 0:
                factor = row[column] / lead[column]
                rows[i] = [a - factor * b for a, b in zip(row, lead, strict=True)]
    return [row[-1] / row[i] for i, row in enumerate(rows)]
