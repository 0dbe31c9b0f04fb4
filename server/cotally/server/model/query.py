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


@dataclass(frozen=True, slots=True)
class Statistic:
    """One aggregate of the SELECT list; `column` is empty for COUNT_ROWS."""

    alias: str
    kind: StatisticKind
    column: str = ""


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
class Query:
    """SELECT keys, statistics FROM table WHERE where GROUP BY keys WITH PRIVACY (privacy)."""

    table: str
    keys: tuple[str, ...]
    statistics: tuple[Statistic, ...]
    where: Predicate | None
    privacy: Privacy
