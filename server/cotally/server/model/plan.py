"""What is computed from query, catalog and roster alone: layout, noise, price, packing, time."""

from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction

from .account import Account
from .encryption import Encryption
from .pace import Pace
from .packing import Packing
from .query import Mechanism

ANSWER_BASE_MS = 390  # D for a question that costs nothing, where the policy states no other


class BlockKind(StrEnum):
    """What one coordinate of a block sums, over the rows that WHERE keeps; from PERSONS on, over people."""

    COUNT = "count"
    SUM = "sum"
    CENTRED_SUM = "centred_sum"
    PRODUCT = "product"
    CELLS = "cells"
    TREE = "tree"
    PERSONS = "persons"
    CLIPPED_LOW = "clipped_low"
    CLIPPED_HIGH = "clipped_high"
    TRUNCATED = "truncated"


@dataclass(frozen=True, slots=True)
class Form:
    """factor * v + shift, v = floor(u / coarse + 1/2) being the coarse unit of a column's unit u."""

    column: str
    coarse: int
    factor: int
    shift: int
    centre: Fraction  # what was subtracted from the value, in the column's terms

    def of(self, unit: int) -> int:
        """The form at *unit* (0..M)."""
        return self.factor * ((2 * unit + self.coarse) // (2 * self.coarse)) + self.shift


class LeafScale(StrEnum):
    """How a column's units are cut into leaves."""

    EVEN = "even"
    LOG = "log"


@dataclass(frozen=True, slots=True)
class Leaves:
    """Leaf j of L = count: on the EVEN scale it begins at unit ceil(j max(M, 1) / L)."""

    scale: LeafScale
    count: int


@dataclass(frozen=True, slots=True)
class Dyadic:
    """mantissa * 2**exponent with an odd mantissa below 2**53: exact as a float and on the wire."""

    mantissa: int
    exponent: int

    def fraction(self) -> Fraction:
        """The exact value."""
        return Fraction(self.mantissa) * Fraction(2) ** self.exponent


@dataclass(frozen=True, slots=True)
class Block:
    """Coordinates, `width` per group, that share one sensitivity and one noise scale.

    A row's coarse unit v counts for `factor * v + shift`, times the `second` form of a PRODUCT, before
    averaging over a person, so that integer * step + centre * rows is the value in the column's terms.
    The refined integer is `refinement` times the person-level integer.
    """

    kind: BlockKind
    column: str  # empty: rows
    offset: int  # of the first coordinate in the vector
    cells: int  # groups * width
    factor: int  # integer worth of one coarse unit; 0 for COUNT
    shift: int  # integer worth of a row at `lower`; 1 for COUNT
    step: Fraction  # value of integer 1 in the column's terms
    centre: Fraction  # value per row that was subtracted; 0 unless CENTRED_SUM
    refinement: int
    low: int  # caps of one department's refined, un-noised integer
    high: int
    l1: int  # sensitivity of the refined block, overlap included
    l2_squared: int
    scale: Dyadic  # of one department's noise share, in refined integers
    pico_loss: int  # in the account of the plan
    coarse: int = 1
    second: Form | None = None  # PRODUCT
    present: tuple[str, ...] = ()  # further columns that must not be NULL, sorted
    leaves: Leaves | None = None  # CELLS, TREE

    @property
    def width(self) -> int:
        """Coordinates in one group."""
        return width(self.kind, self.leaves)

    @property
    def form(self) -> Form:
        """The first form."""
        return Form(self.column, self.coarse, self.factor, self.shift, self.centre)


def width(kind: BlockKind, leaves: Leaves | None) -> int:
    """Coordinates in one group: a leaf each, or a node each of the tree below its root.

    >>> width(BlockKind.TREE, Leaves(LeafScale.EVEN, 8))
    14
    """
    if leaves is None:
        return 1
    return 2 * leaves.count - 2 if kind is BlockKind.TREE else leaves.count


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything public about one measurement. All parties compute it and compare."""

    blocks: tuple[Block, ...]
    mechanism: Mechanism
    honest: int  # h
    pico_loss: int
    epsilon: Fraction | None  # pure epsilon under Laplace
    packing: Packing
    answer_ms: int  # D
    population: str
    minimum: int
    readings: tuple[tuple[int, ...], ...] = ()  # per statistic: positions in `blocks`
    account: Account = Account.RHO  # what prices are in; not announced: the catalog says it

    @property
    def coordinates(self) -> int:
        """Length of the vector."""
        return sum(b.cells for b in self.blocks)


@dataclass(frozen=True, slots=True)
class Rules:
    """What a plan needs to know of the roster's policy and key."""

    colluding: int  # c
    delta: Fraction
    tick_ms: int
    round_ms: int
    modulus_bits: int
    encryption: Encryption = Encryption.DJN
    answer_base_ms: int = ANSWER_BASE_MS
    answer_pace: Pace = Pace.PORTABLE
