"""One form for every way to write the same question, so that equal questions share a fingerprint.

Text is NFC. In WHERE: nested AND and OR are flat, their operands and IN lists sorted by canonical
bytes and without repeats; IN of one value is =; x >= a AND x <= a is x = a; a double negation is gone,
NOT of = is <> and the reverse. All of this holds in SQL's three-valued logic. Bounds are sorted by column,
computed keys as in GROUP BY; decimals are plain. The order of keys and statistics stays: it is the order
of the result's columns, and `error` speaks of the first statistic (`equal` has a form without it). So does
that of the columns that a regression explains by: it is the order of its coefficients.
"""

import unicodedata
from collections.abc import Sequence
from typing import Final, TypeVar

from cotally.v1.canonical import canonical, digest
from cotally.v1.query_pb2 import (
    Comparison,
    Junction,
    Literal,
    Membership,
    NullTest,
    Operator,
    Predicate,
    PrivacyClause,
    Query,
    Statistic,
)

from .question.decimals import exact, plain

_OPPOSITE: Final = {
    Operator.OPERATOR_EQ: Operator.OPERATOR_NE,
    Operator.OPERATOR_NE: Operator.OPERATOR_EQ,
}

_ENDS: Final = {Operator.OPERATOR_GE, Operator.OPERATOR_LE}

_M = TypeVar("_M", Predicate, Literal)


def canonical_query(query: Query) -> Query:
    """Return the canonical form of *query*; the argument stays as it is."""
    result = Query()
    result.CopyFrom(query)
    result.table = _nfc(query.table)
    del result.keys[:]
    result.keys.extend(_nfc(key) for key in query.keys)
    for statistic in result.statistics:
        _statistic(statistic)
    for join in result.joins:
        join.table, join.using = _nfc(join.table), _nfc(join.using)
    for bounds in result.bounds:
        bounds.column = _nfc(bounds.column)
        bounds.lower, bounds.upper = _decimal(bounds.lower), _decimal(bounds.upper)
    result.bounds.sort(key=lambda bounds: bounds.column)
    for key in result.derived:
        key.name, key.column, key.width = _nfc(key.name), _nfc(key.column), _decimal(key.width)
    order = {key: at for at, key in enumerate(result.keys)}
    result.derived.sort(key=lambda key: order.get(key.name, len(order)))
    if query.HasField("privacy"):
        _privacy(result.privacy)
    if query.HasField("where"):
        result.where.CopyFrom(_predicate(query.where))
    return result


def _statistic(statistic: Statistic) -> None:
    """Bring *statistic* into its canonical form: a loss of 1 is the one that is left out."""
    statistic.alias, statistic.column = _nfc(statistic.alias), _nfc(statistic.column)
    others = [_nfc(other) for other in statistic.others]
    del statistic.others[:]
    statistic.others.extend(others)
    statistic.weight = _nfc(statistic.weight)
    statistic.quantile, statistic.error = _decimal(statistic.quantile), _decimal(statistic.error)
    loss = _decimal(statistic.loss)
    statistic.loss = "" if loss == "1" else loss


def _privacy(clause: PrivacyClause) -> None:
    """Write the amounts of *clause* plainly."""
    clause.confidence = _decimal(clause.confidence)
    target = clause.WhichOneof("target")
    if target is not None:
        setattr(clause, target, _decimal(getattr(clause, target)))


def _decimal(text: str) -> str:
    """Return the plain form of a decimal; what is none stays, for others to refuse."""
    value = exact(text)
    return text if value is None else plain(value)


def fingerprint(query: Query) -> str:
    """Return the name of a canonical query: 64 hexadecimal digits."""
    return digest("query", query).hex()


def _predicate(node: Predicate) -> Predicate:
    kind = node.WhichOneof("node")
    if kind == "comparison":
        return _comparison(node.comparison.column, node.comparison.operator, node.comparison.literal)
    if kind == "membership":
        column = _nfc(node.membership.column)
        literals = _sorted([_literal(v) for v in node.membership.literals])
        if len(literals) == 1:
            return _comparison(column, Operator.OPERATOR_EQ, literals[0])
        return Predicate(membership=Membership(column=column, literals=literals))
    if kind == "is_null":
        return Predicate(is_null=NullTest(column=_nfc(node.is_null.column)))
    if kind == "negation":
        return _negated(_predicate(node.negation))
    if kind == "all":
        flat = _flat("all", node.all)
        return flat[0] if len(flat) == 1 else Predicate(all=Junction(operands=flat))
    if kind == "any":
        flat = _flat("any", node.any)
        return flat[0] if len(flat) == 1 else Predicate(any=Junction(operands=flat))
    return node


def _comparison(column: str, operator: Operator.ValueType, literal: Literal) -> Predicate:
    value = _literal(literal)
    return Predicate(comparison=Comparison(column=_nfc(column), operator=operator, literal=value))


def _negated(operand: Predicate) -> Predicate:
    if operand.HasField("negation"):
        return operand.negation
    if operand.HasField("comparison") and operand.comparison.operator in _OPPOSITE:
        inner = operand.comparison
        return _comparison(inner.column, _OPPOSITE[inner.operator], inner.literal)
    return Predicate(negation=operand)


def _flat(kind: str, junction: Junction) -> list[Predicate]:
    flat: list[Predicate] = []
    for operand in map(_predicate, junction.operands):
        if operand.WhichOneof("node") == kind:
            flat.extend(operand.all.operands if kind == "all" else operand.any.operands)
        else:
            flat.append(operand)
    return _sorted(_merged(flat) if kind == "all" else flat)


def _merged(operands: Sequence[Predicate]) -> list[Predicate]:
    """Write x >= a and x <= a as x = a."""
    ends: dict[tuple[str, bytes], set[int]] = {}
    for operand in operands:
        ends.setdefault(_end(operand), set()).add(operand.comparison.operator)
    return [
        _comparison(operand.comparison.column, Operator.OPERATOR_EQ, operand.comparison.literal)
        if operand.comparison.operator in _ENDS and ends[_end(operand)] >= _ENDS else operand
        for operand in operands]


def _end(operand: Predicate) -> tuple[str, bytes]:
    return operand.comparison.column, canonical(operand.comparison.literal)


def _sorted(messages: Sequence[_M]) -> list[_M]:
    distinct = {canonical(message): message for message in messages}
    return [distinct[key] for key in sorted(distinct)]


def _literal(literal: Literal) -> Literal:
    if literal.HasField("decimal"):
        return Literal(decimal=_decimal(literal.decimal))
    return Literal(text=_nfc(literal.text)) if literal.HasField("text") else literal


def _nfc(text: str) -> str:
    return unicodedata.normalize("NFC", text)
