"""A question as written: names and values not yet looked up, each with the place where it stands.

A place is a text such as " (line 1, column 14)" that closes the sentence of a refusal; it is
empty in questions that were not written as SQL.
"""

from dataclasses import dataclass, field, replace

from cotally.v1 import query_pb2
from cotally.v1.query_pb2 import Operator, StatisticKind


@dataclass(frozen=True, slots=True)
class Name:
    """A table, column or alias, as written."""

    text: str
    at: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Number:
    """A number, as the digits that were written."""

    text: str
    at: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Text:
    """A quoted text: a code, or a date where the column is a date."""

    text: str
    at: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Day:
    """A text that was marked as a date."""

    text: str
    at: str = field(default="", compare=False)


Value = Number | Text | Day


@dataclass(frozen=True, slots=True)
class Compare:
    """column operator value."""

    column: Name
    operator: Operator.ValueType
    value: Value


@dataclass(frozen=True, slots=True)
class OneOf:
    """column IN (values)."""

    column: Name
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class IsNull:
    """column IS NULL."""

    column: Name


@dataclass(frozen=True, slots=True)
class Both:
    """All operands hold."""

    operands: tuple["Test", ...]


@dataclass(frozen=True, slots=True)
class Either:
    """At least one operand holds."""

    operands: tuple["Test", ...]


@dataclass(frozen=True, slots=True)
class Negated:
    """The operand does not hold."""

    operand: "Test"


Test = Compare | OneOf | IsNull | Both | Either | Negated


@dataclass(frozen=True, slots=True)
class Aggregate:
    """One statistic; `column` is None for those of rows, `alias` is None where the default name is meant.

    `unit` is what stands in COUNT(DISTINCT unit) where something does.
    """

    kind: StatisticKind.ValueType
    column: Name | None = None
    alias: Name | None = None
    at: str = field(default="", compare=False)
    others: tuple[Name, ...] = ()
    quantile: Number | None = None
    bins: Number | None = None
    weight: Name | None = None
    unit: Name | None = None


@dataclass(frozen=True, slots=True)
class Computed:
    """A key computed from a column; `other` asks for a cell for NULL and for what is out of range."""

    derivation: query_pb2.Derivation.ValueType
    column: Name
    width: Number | None = None
    other: bool = False
    alias: Name | None = None
    at: str = field(default="", compare=False)

    def named(self, name: str) -> "Computed":
        """Return the same key, called *name* in the result: BIN(c, 10) AS name."""
        return replace(self, alias=Name(name))


@dataclass(frozen=True, slots=True)
class Joined:
    """JOIN table USING (using)."""

    table: Name
    using: Name


@dataclass(frozen=True, slots=True)
class Bounded:
    """BOUNDS(column, lower, upper)."""

    column: Name
    lower: Number
    upper: Number
    at: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Listed:
    """(alias = number, ...) or (number, ...): one item for each of several statistics."""

    items: tuple[tuple[Name | None, Number], ...]
    at: str = field(default="", compare=False)

    @property
    def text(self) -> str:
        """As in a question."""
        return f"({', '.join(f'{n.text} = {v.text}' if n else v.text for n, v in self.items)})"


@dataclass(frozen=True, slots=True)
class Setting:
    """One `key = value` of the privacy clause; `value` is a Number, a Text, a bare Name or a list."""

    key: Name
    value: Number | Text | Name | Listed


@dataclass(frozen=True, slots=True)
class Draft:
    """A whole question.

    `table` is None where it is the one that has the first statistic's column. `selected` holds the keys
    that the SELECT list names; None: all of them. `only_price` says that nothing may be spent.
    """

    table: Name | None
    keys: tuple[Name | Computed, ...]
    aggregates: tuple[Aggregate, ...]
    where: Test | None
    settings: tuple[Setting, ...]
    selected: tuple[Name | Computed, ...] | None = None
    joins: tuple[Joined, ...] = ()
    bounds: tuple[Bounded, ...] = ()
    only_price: bool = False


@dataclass(frozen=True, slots=True)
class Question:
    """A resolved question: the canonical message to sign, and its purpose where one was stated."""

    query: query_pb2.Query
    purpose: str | None
    only_price: bool = False
    replay: bool = True  # the stored release of an equal question will do
