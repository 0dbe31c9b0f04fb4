"""Noisy counts, sums and products of a group, and how errors in them move covariances.

Blocks are (rows, sums of columns 0.., products of pairs), all from their centres. To first order an error
(dn, dS, dP) moves C_ij = P_ij/n - a_i a_j, a_i = S_i/n, by (dP_ij - a_j dS_i - a_i dS_j - (C_ij - a_i a_j)
dn)/n.
"""

from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np

Vector = np.ndarray


@dataclass(frozen=True, slots=True)
class Moments:
    """Rows `n`, means `a` from the centres, covariances `c`, variances `noise` of the totals' noise."""

    n: float
    a: Vector
    c: Vector
    noise: Vector

    @classmethod
    def of(cls, values: list[float], noise: list[float], columns: int) -> "Moments":
        """Return the moments of all pairs of *columns* columns; n must be positive."""
        n, sums, products = values[0], np.array(values[1:columns + 1]), values[columns + 1:]
        a = sums / n
        c = np.zeros((columns, columns))
        for (i, j), product in zip(pairs(columns), products, strict=True):
            c[i, j] = c[j, i] = product / n - a[i] * a[j]
        return cls(n, a, c, np.array(noise))

    def gradient(self, i: int, j: int) -> Vector:
        """Return how each total's error moves C_ij."""
        columns = len(self.a)
        result = np.zeros(len(self.noise))
        result[1 + i] -= self.a[j]
        result[1 + j] -= self.a[i]
        result[1 + columns + pairs(columns).index((min(i, j), max(i, j)))] += 1
        result[0] = -(self.c[i, j] - self.a[i] * self.a[j])
        return result / self.n

    def of_mean(self, i: int) -> Vector:
        """Return how each total's error moves the mean of column i."""
        result = np.zeros(len(self.noise))
        result[1 + i], result[0] = 1, -self.a[i]
        return result / self.n

    def variance(self, gradient: Vector) -> float:
        """Return the variance of what moves by *gradient*."""
        return float(gradient**2 @ self.noise)

    def covariance(self, gradients: Vector) -> Vector:
        """Return the covariance matrix of what moves by the rows of *gradients*."""
        result: Vector = (gradients * self.noise) @ gradients.T
        return result


def pairs(columns: int) -> list[tuple[int, int]]:
    """Return all pairs of columns, each with itself too, in the order of their blocks."""
    return list(combinations_with_replacement(range(columns), 2))


def between(lead: float, half: float, rest: float) -> tuple[float, float] | None:
    """Return the interval where lead x^2 - 2 half x + rest <= 0; None where that is no interval.

    Fieller 1954: what |A - x B| <= k sd(A - x B) leaves of the line.
    """
    if lead <= 0:
        return None
    root = max(half * half - lead * rest, 0.0) ** 0.5
    return (half - root) / lead, (half + root) / lead
