"""Refuses a query that the table cannot answer, whoever sent it.

Nodes and key holders run this on what they receive; a client's own care counts for nothing.
"""

from datetime import date
from fractions import Fraction
from typing import Final

from cotally.v1.refusals import Refusal, Refused

from ..model.catalog import Column, ColumnType, Table
from ..model.query import (
    All,
    Any,
    Comparison,
    Literal,
    Mechanism,
    Membership,
    Not,
    NullTest,
    Operator,
    Predicate,
    Privacy,
    Query,
    Target,
)
from . import limits
from .statistic_check import check_statistic, column_of

RESERVED_ENDINGS: Final = ("_low", "_high", "_se", "_flag")

_UNORDERED: Final = (Operator.EQ, Operator.NE)


def check(query: Query, table: Table) -> None:
    """Return if *query* is a well-typed question about *table* within the public limits.

    Raises Refused: UNKNOWN_NAME (table, column, code), UNSUPPORTED, BAD_PRIVACY or MALFORMED,
    with a sentence that names the culprit.
    """
    if query.table != table.name:
        raise Refused(Refusal.UNKNOWN_NAME, f"there is no table {query.table!r}; this one is {table.name!r}")
    _check_keys(query.keys, table)
    _check_statistics(query, table)
    if query.where is not None:
        _Conditions(table).check(query.where, depth=1)
    _check_privacy(query.privacy, table)


def _check_keys(keys: tuple[str, ...], table: Table) -> None:
    if len(keys) > limits.MAX_KEYS:
        raise Refused(Refusal.UNSUPPORTED, f"GROUP BY takes at most {limits.MAX_KEYS} columns")
    if len(set(keys)) != len(keys):
        raise Refused(Refusal.MALFORMED, f"{_repeated(keys)!r} is named twice in GROUP BY")
    for key in keys:
        column = table.column(key)
        if column is None:
            raise Refused(Refusal.UNKNOWN_NAME, f"table {table.name!r} has no column {key!r}")
        if column.type is not ColumnType.CATEGORY:
            raise Refused(
                Refusal.UNSUPPORTED, f"GROUP BY takes columns with a public code list; {key!r} is no category"
            )


def _check_statistics(query: Query, table: Table) -> None:
    if not query.statistics:
        raise Refused(Refusal.MALFORMED, "the query asks for no statistic")
    if len(query.statistics) > limits.MAX_STATISTICS:
        raise Refused(
            Refusal.UNSUPPORTED,
            f"a query takes at most {limits.MAX_STATISTICS} statistics, not {len(query.statistics)}",
        )
    aliases = tuple(statistic.alias for statistic in query.statistics)
    if len(set(aliases)) != len(aliases):
        raise Refused(Refusal.MALFORMED, f"the name {_repeated(aliases)!r} is given to two statistics")
    for statistic in query.statistics:
        _check_alias(statistic.alias, query.keys)
        check_statistic(statistic, table)
    _check_errors(query)


def _check_errors(query: Query) -> None:
    """Refuse errors that the privacy clause does not speak of, or that it states itself."""
    for position, statistic in enumerate(query.statistics):
        if statistic.error is not None and (position == 0 or query.privacy.target is not Target.ERROR):
            raise Refused(
                Refusal.BAD_PRIVACY,
                f"the error of {statistic.alias!r} contradicts the privacy clause: that states the first "
                "statistic's error, and only then may further ones be stated",
            )


def _check_alias(alias: str, keys: tuple[str, ...]) -> None:
    if not alias:
        raise Refused(Refusal.MALFORMED, "a statistic has no name")
    if len(alias) > limits.MAX_NAME:
        raise Refused(Refusal.UNSUPPORTED,
                      f"the name {alias[:20]!r}... is longer than {limits.MAX_NAME} characters")
    if alias.endswith(RESERVED_ENDINGS):
        raise Refused(
            Refusal.MALFORMED,
            f"the name {alias!r} has an ending that is kept for intervals: {', '.join(RESERVED_ENDINGS)}",
        )
    for name in (alias, *(alias + ending for ending in RESERVED_ENDINGS)):
        if name in keys:
            raise Refused(Refusal.MALFORMED, f"the name {alias!r} collides with the GROUP BY column {name!r}")


class _Conditions:
    """Walks a predicate and counts what it meets."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._conditions = 0
        self._literals = 0

    def check(self, predicate: Predicate, depth: int) -> None:
        """Refuse *predicate*, found at *depth*, if it is too deep, too large or badly typed."""
        self._conditions += 1
        if depth > limits.MAX_DEPTH:
            raise Refused(Refusal.UNSUPPORTED, f"conditions are nested more than {limits.MAX_DEPTH} deep")
        if self._conditions > limits.MAX_CONDITIONS:
            raise Refused(Refusal.UNSUPPORTED, f"WHERE holds more than {limits.MAX_CONDITIONS} conditions")
        match predicate:
            case Comparison():
                column = column_of(self._table, predicate.column)
                if not isinstance(predicate.operator, Operator):
                    raise Refused(Refusal.MALFORMED, f"the comparison of {column.name!r} has no operator")
                if column.type is ColumnType.CATEGORY and predicate.operator not in _UNORDERED:
                    raise Refused(
                        Refusal.UNSUPPORTED,
                        f"{column.name!r} is a category: its codes have no order, only =, <> and IN apply",
                    )
                self._check_literal(predicate.literal, column)
            case Membership():
                column = column_of(self._table, predicate.column)
                if not predicate.literals:
                    raise Refused(Refusal.MALFORMED, f"the IN list of {column.name!r} is empty")
                for literal in predicate.literals:
                    self._check_literal(literal, column)
            case NullTest():
                column_of(self._table, predicate.column)
            case All() | Any():
                if len(predicate.operands) < 2:
                    raise Refused(Refusal.MALFORMED, "AND and OR take two conditions or more")
                for operand in predicate.operands:
                    self.check(operand, depth + 1)
            case Not():
                self.check(predicate.operand, depth + 1)
            case _:
                raise Refused(Refusal.MALFORMED, "WHERE holds something that is no condition")

    def _check_literal(self, literal: Literal, column: Column) -> None:
        self._literals += 1
        if self._literals > limits.MAX_LITERALS:
            raise Refused(Refusal.UNSUPPORTED, f"WHERE holds more than {limits.MAX_LITERALS} values")
        match column.type:
            case ColumnType.CATEGORY:
                if not isinstance(literal, str):
                    raise Refused(Refusal.MALFORMED, f"{column.name!r} is a category: compare it with text")
                if literal not in column.codes:
                    raise Refused(Refusal.UNKNOWN_NAME, f"{column.name!r} has no code {literal!r}")
            case ColumnType.DATE:
                if type(literal) is not date:
                    raise Refused(Refusal.MALFORMED, f"{column.name!r} is a date: compare it with YYYY-MM-DD")
            case _:
                _check_number(literal, column)


def _check_number(literal: Literal, column: Column) -> None:
    if isinstance(literal, bool) or not isinstance(literal, int | Fraction):
        raise Refused(Refusal.MALFORMED, f"{column.name!r} is a number: compare it with a number")
    if abs(Fraction(literal)) > limits.MAX_NUMBER or 10**limits.MAX_DECIMALS % literal.denominator:
        raise Refused(
            Refusal.UNSUPPORTED,
            f"{column.name!r} is compared with a number beyond 2^63 or {limits.MAX_DECIMALS} decimals",
        )


def _check_privacy(privacy: Privacy, table: Table) -> None:
    if not isinstance(privacy.target, Target) or not isinstance(privacy.mechanism, Mechanism):
        raise Refused(Refusal.MALFORMED, "the privacy clause lacks its target or its mechanism")
    if not isinstance(privacy.amount, Fraction) or not isinstance(privacy.confidence, Fraction):
        raise Refused(Refusal.MALFORMED, "the privacy clause's numbers are not exact")
    if not limits.LEAST_CONFIDENCE <= privacy.confidence <= limits.MOST_CONFIDENCE:
        raise Refused(Refusal.BAD_PRIVACY, "confidence must lie between 0.5 and 0.9999")
    if table.pure:
        _check_pure(privacy, table.population)


def _check_pure(privacy: Privacy, population: str) -> None:
    """Refuse what has no pure epsilon, or is not asked in it."""
    if privacy.mechanism is not Mechanism.LAPLACE:
        raise Refused(Refusal.BAD_PRIVACY, f"population {population!r} is pure: state mechanism = 'laplace'")
    if privacy.target is Target.RHO:
        raise Refused(Refusal.BAD_PRIVACY, f"population {population!r} is pure: state epsilon instead of rho")


def _repeated(names: tuple[str, ...]) -> str:
    return next(name for name in names if names.count(name) > 1)
