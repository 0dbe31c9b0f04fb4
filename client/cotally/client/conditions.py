"""Conditions on rows, made by comparing columns: `(col("age") >= 18) & ~col("region").isin(["north"])`."""

from collections.abc import Iterable
from typing import NoReturn

from cotally.v1.query_pb2 import Operator

from .question.draft import Both, Compare, Either, IsNull, Negated, OneOf, Test
from .written import PyValue, name_of, value_of


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
        self._name = name_of(name)

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
        return Condition(OneOf(self._name, tuple(value_of(value) for value in values)))

    def is_null(self) -> Condition:
        """The column is NULL; ~ for IS NOT NULL."""
        return Condition(IsNull(self._name))

    def _compare(self, operator: Operator.ValueType, value: object) -> Condition:
        return Condition(Compare(self._name, operator, value_of(value)))


def col(name: str) -> Col:
    """Return the column called *name*, to compare it."""
    return Col(name)
