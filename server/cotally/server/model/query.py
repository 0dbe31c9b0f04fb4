"""A question, typed: what the planner prices and an engine answers."""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from fractions import Fraction


class StatisticKind(StrEnum):
    """The statistics that exist; each is one file in `statistics`."""

    COUNT_ROWS = "count_rows"
    COUNT = "count"
    SUM = "sum"
    MEAN = "mean"
    VARIANCE = "variance"
    STDDEV = "stddev"
    PERSONS = "persons"
    INCIDENCES = "incidences"
    QUANTILE = "quantile"
    HISTOGRAM = "histogram"
    CORR = "corr"
    COVAR = "covar"
    REGR = "regr"
    SUGGEST_BOUNDS = "suggest_bounds"
    CLIPPED_LOW = "clipped_low"
    CLIPPED_HIGH = "clipped_high"
    TRUNCATED = "truncated"


@dataclass(frozen=True, slots=True)
class Statistic:
    """One aggregate of the SELECT list. What a kind has no use for keeps its default.

    `column` is the column or, of several, the one to be explained; `others` are the explaining ones.
    """

    alias: str
    kind: StatisticKind
    column: str = ""
    others: tuple[str, ...] = ()
    quantile: Fraction | None = None  # q
    bins: int = 0  # of a histogram; leaves of a quantile's tree, 0: the default
    weight: str = ""  # the survey weight's column
    loss: Fraction = Fraction(1)  # part of the loss against other statistics
    error: Fraction | None = None  # half-width to be met

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column that it reads but the weight's."""
        return (*((self.column,) if self.column else ()), *self.others)


Literal = int | Fraction | str | date  # str is a category's code


class Operator(StrEnum):
    """A comparison, as SQL spells it."""

    EQ = "="
    NE = "<>"
    LT = "<"
    LE = "<="
    GT = ">"
    GE = ">="


@dataclass(frozen=True, slots=True)
class Comparison:
    """column operator literal; NULL where the column is NULL."""

    column: str
    operator: Operator
    literal: Literal


@dataclass(frozen=True, slots=True)
class Membership:
    """column IN (literals); NULL where the column is NULL."""

    column: str
    literals: tuple[Literal, ...]


@dataclass(frozen=True, slots=True)
class NullTest:
    """column IS NULL; never NULL."""

    column: str


@dataclass(frozen=True, slots=True)
class All:
    """Conjunction in SQL's three-valued logic."""

    operands: tuple["Predicate", ...]


@dataclass(frozen=True, slots=True)
class Any:
    """Disjunction in SQL's three-valued logic."""

    operands: tuple["Predicate", ...]


@dataclass(frozen=True, slots=True)
class Not:
    """Negation in SQL's three-valued logic."""

    operand: "Predicate"


Predicate = Comparison | Membership | NullTest | All | Any | Not


class Mechanism(StrEnum):
    """Which noise is added."""

    GAUSSIAN = "gaussian"
    LAPLACE = "laplace"


class Target(StrEnum):
    """What the privacy clause fixes."""

    EPSILON = "epsilon"
    RHO = "rho"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Privacy:
    """The privacy clause: one target, exact, and the confidence of intervals."""

    target: Target
    amount: Fraction
    confidence: Fraction
    mechanism: Mechanism


@dataclass(frozen=True, slots=True)
class Join:
    """JOIN table USING (using)."""

    table: str
    using: str


@dataclass(frozen=True, slots=True)
class ColumnBounds:
    """BOUNDS(column, lower, upper): narrower than the declared ones, for one query."""

    column: str
    lower: Fraction
    upper: Fraction


class Derivation(StrEnum):
    """How a key is computed from a column."""

    BIN = "bin"
    YEAR = "year"
    QUARTER = "quarter"
    MONTH = "month"


@dataclass(frozen=True, slots=True)
class DerivedKey:
    """A computed key that `keys` names; `width` belongs to BIN."""

    name: str
    derivation: Derivation
    column: str
    width: Fraction | None = None
    other: bool = False


@dataclass(frozen=True, slots=True)
class Query:
    """SELECT keys, statistics FROM table WHERE where GROUP BY keys WITH PRIVACY (privacy).

    With a join every column is called "table.column".
    """

    table: str
    keys: tuple[str, ...]
    statistics: tuple[Statistic, ...]
    where: Predicate | None
    privacy: Privacy
    joins: tuple[Join, ...] = ()
    bounds: tuple[ColumnBounds, ...] = ()
    derived: tuple[DerivedKey, ...] = ()
    consistent: bool = False
