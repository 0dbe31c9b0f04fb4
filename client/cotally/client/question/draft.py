"""A question as written: names and values not yet looked up, each with the place where it stands.

A place is a text such as " (line 1, column 14)" that closes the sentence of a refusal; it is
empty in questions that were not written as SQL.
"""

from dataclasses import dataclass, field

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
    """One statistic; `column` is None for COUNT(*), `alias` is None where the default name is meant."""

    kind: StatisticKind.ValueType
    column: Name | None = None
    alias: Name | None = None
    at: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Setting:
    """One `key = value` of the privacy clause; `value` is a Number, a Text, or a bare Name."""

    key: Name
    value: Number | Text | Name


@dataclass(frozen=True, slots=True)
class Draft:
    """A whole question. `selected` holds the keys that the SELECT list names; None: all of them."""

    table: Name
    keys: tuple[Name, ...]
    aggregates: tuple[Aggregate, ...]
    where: Test | None
    settings: tuple[Setting, ...]
    selected: tuple[Name, ...] | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """A resolved question: the canonical message to sign, and its purpose where one was stated."""

    query: query_pb2.Query
    purpose: str | None
