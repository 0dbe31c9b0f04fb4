"""The fluent interface: questions built from Python values, the same messages as from SQL.

>>> q = TableQuery("people").where(col("age").between(18, 64)).group_by("sex")
>>> q = q.agg(n=count(), mean=avg("income")).with_privacy(epsilon=1)

Everything is immutable: each step returns a new object. Names and types are checked against the
catalog by `question(catalog)`, with the same refusals as SQL.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from typing import NoReturn, Self

import numpy as np

from cotally.v1.catalog_pb2 import Catalog
from cotally.v1.query_pb2 import Operator, Query, StatisticKind
from cotally.v1.refusals import Refusal, Refused

from .question.draft import (
    Aggregate,
    Both,
    Compare,
    Day,
    Draft,
    Either,
    IsNull,
    Name,
    Negated,
    Number,
    OneOf,
    Question,
    Setting,
    Test,
    Text,
    Value,
)
from .question.names import echo
from .question.resolve import resolve

PyNumber = int | float | Decimal | str
PyValue = int | float | Decimal | str | date


class Condition:
    """A condition on rows. Join with &, | and ~, each side in parentheses."""

    __slots__ = ("test",)

    def __init__(self, test: Test) -> None:
        self.test = test

    def __and__(self, other: "Condition") -> "Condition":
        return Condition(Both((*_operands(self, Both), *_operands(other, Both))))

    def __or__(self, other: "Condition") -> "Condition":
        return Condition(Either((*_operands(self, Either), *_operands(other, Either))))

    def __invert__(self) -> "Condition":
        return Condition(self.test.operand if isinstance(self.test, Negated) else Negated(self.test))

    def __bool__(self) -> NoReturn:
        raise TypeError("a condition is neither true nor false: join conditions with &, | and ~, and write"
                        " col(c).between(a, b) instead of a <= col(c) <= b")

    def __repr__(self) -> str:
        return f"Condition({self.test!r})"


def _operands(condition: object, kind: type[Both] | type[Either]) -> tuple[Test, ...]:
    """Return the operands to join, flat, so that a loop over & does not nest."""
    if not isinstance(condition, Condition):
        raise TypeError(f"& and | join conditions, not {type(condition).__name__}: put each comparison in"
                        " parentheses")
    return condition.test.operands if isinstance(condition.test, kind) else (condition.test,)


class Col:
    """A column by name; its comparisons are conditions."""

    __slots__ = ("_name",)
    __hash__ = None  # type: ignore[assignment]  # == makes a condition, so a Col fits no set

    def __init__(self, name: str) -> None:
        self._name = _name(name)

    def __repr__(self) -> str:
        return f"col({self._name.text!r})"

    def __eq__(self, value: object) -> Condition:  # type: ignore[override]
        return self._compare(Operator.OPERATOR_EQ, value)

    def __ne__(self, value: object) -> Condition:  # type: ignore[override]
        return self._compare(Operator.OPERATOR_NE, value)

    def __lt__(self, value: PyValue) -> Condition:
        return self._compare(Operator.OPERATOR_LT, value)

    def __le__(self, value: PyValue) -> Condition:
        return self._compare(Operator.OPERATOR_LE, value)

    def __gt__(self, value: PyValue) -> Condition:
        return self._compare(Operator.OPERATOR_GT, value)

    def __ge__(self, value: PyValue) -> Condition:
        return self._compare(Operator.OPERATOR_GE, value)

    def between(self, low: PyValue, high: PyValue) -> Condition:
        """Both ends belong to it, as in SQL."""
        return (self >= low) & (self <= high)

    def isin(self, values: Iterable[PyValue]) -> Condition:
        """The column equals one of *values*."""
        if isinstance(values, str):
            raise TypeError("isin takes a list of values, not one text")
        return Condition(OneOf(self._name, tuple(_value(value) for value in values)))

    def is_null(self) -> Condition:
        """The column is NULL; ~ for IS NOT NULL."""
        return Condition(IsNull(self._name))

    def _compare(self, operator: Operator.ValueType, value: object) -> Condition:
        return Condition(Compare(self._name, operator, _value(value)))


def col(name: str) -> Col:
    """Return the column called *name*, to compare it."""
    return Col(name)


def count(column: str | None = None) -> Aggregate:
    """COUNT(*), or COUNT(column): rows where it is not NULL."""
    if column is None:
        return Aggregate(StatisticKind.STATISTIC_KIND_COUNT_ROWS)
    return Aggregate(StatisticKind.STATISTIC_KIND_COUNT, _name(column))


def sum_(column: str) -> Aggregate:
    """SUM(column)."""
    return Aggregate(StatisticKind.STATISTIC_KIND_SUM, _name(column))


def avg(column: str) -> Aggregate:
    """AVG(column)."""
    return Aggregate(StatisticKind.STATISTIC_KIND_MEAN, _name(column))


@dataclass(frozen=True, slots=True)
class TableQuery:
    """A question about one table, step by step. Subclasses may add fields; every step keeps them."""

    table: str
    condition: Condition | None = None
    keys: tuple[str, ...] = ()
    aggregates: tuple[Aggregate, ...] = ()
    settings: tuple[Setting, ...] | None = None

    def where(self, *conditions: Condition) -> Self:
        """Keep the rows where all *conditions* hold, beside those of earlier steps."""
        joined = self.condition
        for condition in conditions:
            joined = condition if joined is None else joined & condition
        return replace(self, condition=joined)

    def group_by(self, *keys: str) -> Self:
        """One row of the result per code of these category columns, beside those of earlier steps."""
        return replace(self, keys=(*self.keys, *keys))

    def agg(self, *unnamed: Aggregate, **named: Aggregate) -> Self:
        """Ask for statistics: `agg(n=count())` is COUNT(*) AS n, `agg(count())` takes the default name."""
        for aggregate in (*unnamed, *named.values()):
            if not isinstance(aggregate, Aggregate):
                raise TypeError(f"agg takes count(), sum_(c) and avg(c), not {type(aggregate).__name__}")
        aliased = (replace(a, alias=Name(alias)) for alias, a in named.items())
        return replace(self, aggregates=(*self.aggregates, *unnamed, *aliased))

    def with_privacy(
        self,
        *,
        epsilon: PyNumber | None = None,
        rho: PyNumber | None = None,
        error: PyNumber | None = None,
        confidence: PyNumber | None = None,
        mechanism: str | None = None,
        purpose: str | None = None,
    ) -> Self:
        """State the privacy clause, in place of any earlier one: exactly one of epsilon, rho and error."""
        numbers = {"epsilon": epsilon, "rho": rho, "error": error, "confidence": confidence}
        texts = {"mechanism": mechanism, "purpose": purpose}
        settings = [Setting(Name(key), _amount(key, v)) for key, v in numbers.items() if v is not None]
        settings += [Setting(Name(key), Text(v)) for key, v in texts.items() if v is not None]
        return replace(self, settings=tuple(settings))

    def question(self, catalog: Catalog) -> Question:
        """Return the canonical query and its purpose; raise Refused as `sql.parse` does."""
        if self.settings is None:
            raise Refused(Refusal.BAD_PRIVACY, "the question has no privacy clause: add, for example,"
                          " .with_privacy(epsilon=1)")
        draft = Draft(
            table=_name(self.table),
            keys=tuple(_name(key) for key in self.keys),
            aggregates=self.aggregates,
            where=None if self.condition is None else self.condition.test,
            settings=self.settings,
        )
        return resolve(draft, catalog)

    def query(self, catalog: Catalog) -> Query:
        """Return the canonical query alone."""
        return self.question(catalog).query


def _name(name: object) -> Name:
    if not isinstance(name, str):
        raise TypeError(f"a name is a text, not {type(name).__name__}")
    _check_text(name)
    return Name(name)


def _check_text(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise Refused(Refusal.MALFORMED, f"{echo(text)!r} is not valid Unicode") from None


def _value(value: object) -> Value:
    """Return a Python or NumPy value as written in a question; Refused MALFORMED if there is no such form."""
    plain = value.item() if isinstance(value, np.generic) else value
    if isinstance(plain, str):
        _check_text(plain)
        return Text(plain)
    if isinstance(plain, date) and not isinstance(plain, datetime):
        return Day(plain.isoformat())
    number = _digits(plain)
    if number is None:
        raise Refused(Refusal.MALFORMED, f"a value of type {type(value).__name__} cannot stand in a question:"
                      " use a number, a text or a date; for missing values write .is_null()")
    return Number(number)


def _amount(key: str, value: object) -> Number:
    plain = value.item() if isinstance(value, np.generic) else value
    number = plain if isinstance(plain, str) else _digits(plain)
    if number is None:
        raise Refused(Refusal.BAD_PRIVACY, f"{key} of type {type(value).__name__} is not accepted:"
                      " use a number, or its digits as text")
    return Number(number)


def _digits(value: object) -> str | None:
    """Return the shortest digits of a number; None for what is no number. NaN and inf show as such."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return str(value) if value.bit_length() < 1000 else f"{'-' if value < 0 else ''}1e999"
    if isinstance(value, float):
        return repr(value)
    return str(value) if isinstance(value, Decimal) else None
