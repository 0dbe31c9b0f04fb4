"""Resolves the WHERE of a draft: names become columns, values become literals of their types."""

from collections.abc import Sequence
from typing import Final

from cotally.v1.catalog_pb2 import Column, ColumnType, Table
from cotally.v1.query_pb2 import Comparison, Junction, Membership, NullTest, Operator, Predicate
from cotally.v1.refusals import Refusal, Refused

from .draft import Both, Compare, Either, IsNull, Name, Negated, OneOf, Test
from .literals import literal
from .names import describe, find_column

MAX_LEVELS: Final = 16  # a level costs two in the depth of the message, which everybody bounds
MAX_CONDITIONS: Final = 256  # comparisons, tests, AND, OR and NOT together
MAX_VALUES: Final = 10_000  # in all IN lists together

_EQUALITY: Final = (Operator.OPERATOR_EQ, Operator.OPERATOR_NE)


def predicate(table: Table, test: Test, level: int = 0) -> Predicate:
    """Return *test* over *table* as a message; Refused if names, types or depth do not fit."""
    if level > MAX_LEVELS:
        raise Refused(Refusal.UNSUPPORTED, f"WHERE is nested more than {MAX_LEVELS} levels deep")
    match test:
        case Compare():
            column = find_column(table, test.column)
            if test.operator not in _EQUALITY:
                _ordered(column, test.column)
            value = literal(column, test.value)
            return Predicate(comparison=Comparison(column=column.name, operator=test.operator, literal=value))
        case OneOf():
            column = find_column(table, test.column)
            if not test.values:
                raise Refused(Refusal.MALFORMED, f"the list after IN is empty{test.column.at}")
            values = [literal(column, value) for value in test.values]
            return Predicate(membership=Membership(column=column.name, literals=values))
        case IsNull():
            return Predicate(is_null=NullTest(column=find_column(table, test.column).name))
        case Both():
            return Predicate(all=_junction(table, test.operands, level))
        case Either():
            return Predicate(any=_junction(table, test.operands, level))
        case Negated():
            return Predicate(negation=predicate(table, test.operand, level + 1))


def _junction(table: Table, operands: Sequence[Test], level: int) -> Junction:
    return Junction(operands=[predicate(table, operand, level + 1) for operand in operands])


def _ordered(column: Column, name: Name) -> None:
    if column.type == ColumnType.COLUMN_TYPE_CATEGORY:
        raise Refused(
            Refusal.UNSUPPORTED,
            f"{describe(column)} and has no order: compare it with =, <>, IN or IS NULL{name.at}",
        )


def check_size(test: Test) -> None:
    """Refuse a WHERE of too many conditions or listed values; looks at it without recursion."""
    conditions = values = 0
    waiting: list[Test] = [test]
    while waiting:
        current = waiting.pop()
        conditions += 1
        match current:
            case Both() | Either():
                waiting.extend(current.operands)
            case Negated():
                waiting.append(current.operand)
            case OneOf():
                values += len(current.values)
        if conditions > MAX_CONDITIONS:
            raise Refused(Refusal.UNSUPPORTED, f"WHERE holds more than {MAX_CONDITIONS} conditions")
        if values > MAX_VALUES:
            raise Refused(Refusal.UNSUPPORTED, f"WHERE lists more than {MAX_VALUES} values")
