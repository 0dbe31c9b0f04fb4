"""The form that all spellings of one question share: how a stored release is found again.

Computed here from whatever was signed; nobody's word that a question is canonical is taken. In WHERE:
nested AND and OR are flat, operands and IN lists sorted by canonical bytes and without repeats; IN of one
value is =; x >= a AND x <= a is x = a; double negation is gone, NOT of = is <> and the reverse. Keys and
statistics are sorted, without aliases (under a stated error the first statistic, whose error it is, stays
first); computed keys are called by their place; bounds equal to the declared ones are gone; decimals are
plain. All of this holds in SQL's three-valued logic. Whoever takes the release checks this with code of
its own, so a mistake here gives no one another question's numbers.
"""

import unicodedata
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import TypeVar

from cotally.v1.canonical import canonical, digest
from cotally.v1.catalog_pb2 import Catalog
from cotally.v1.query_pb2 import (
    OPERATOR_EQ,
    OPERATOR_GE,
    OPERATOR_LE,
    OPERATOR_NE,
    Bounds,
    Comparison,
    DerivedKey,
    Join,
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
from cotally.v1.refusals import Refused

from .numbers import decimal

_M = TypeVar("_M", Predicate, Literal)


def fingerprint(query: Query, catalog: Catalog) -> bytes:
    """Return the 32 bytes that equal questions share. Refuses (MALFORMED) what `wire.query` would."""
    return digest("query", equal_form(query, catalog))


def equal_form(query: Query, catalog: Catalog) -> Query:
    """Return the shared form of *query*, which must have been read and checked before."""
    keys, derived = _keys(query)
    statistics = [_statistic(each) for each in query.statistics]
    fixed = 1 if query.privacy.WhichOneof("target") == "error" else 0
    statistics[fixed:] = sorted(statistics[fixed:], key=canonical)
    return Query(
        table=_nfc(query.table), keys=keys, statistics=statistics,
        privacy=_privacy(query.privacy) if query.HasField("privacy") else None,
        where=_predicate(query.where) if query.HasField("where") else None,
        joins=[Join(table=_nfc(j.table), using=_nfc(j.using)) for j in query.joins],
        bounds=_bounds(query, catalog), derived=derived, consistent=query.consistent)


def _keys(query: Query) -> tuple[list[str], list[DerivedKey]]:
    computed = {key.name for key in query.derived}
    derived = sorted((DerivedKey(derivation=k.derivation, column=_nfc(k.column), width=_plain(k.width),
                                 other=k.other) for k in query.derived), key=canonical)
    for at, key in enumerate(derived):
        key.name = f"key-{at}"
    return sorted(_nfc(k) for k in query.keys if k not in computed) + [k.name for k in derived], derived


def _statistic(statistic: Statistic) -> Statistic:
    result = Statistic()
    result.CopyFrom(statistic)
    result.alias = ""
    result.column, result.weight = _nfc(statistic.column), _nfc(statistic.weight)
    del result.others[:]
    result.others.extend(_nfc(other) for other in statistic.others)
    result.quantile, result.error = _plain(statistic.quantile), _plain(statistic.error)
    loss = _plain(statistic.loss)
    result.loss = "" if loss == "1" else loss
    return result


def _privacy(clause: PrivacyClause) -> PrivacyClause:
    result = PrivacyClause(confidence=_plain(clause.confidence), mechanism=clause.mechanism)
    target = clause.WhichOneof("target")
    if target is not None:
        setattr(result, target, _plain(getattr(clause, target)))
    return result


def _bounds(query: Query, catalog: Catalog) -> list[Bounds]:
    tables = {query.table, *(join.table for join in query.joins)}
    declared = {f"{t.name}.{c.name}" if query.joins else c.name: (_plain(c.lower), _plain(c.upper))
                for t in catalog.tables if t.name in tables for c in t.columns}
    kept = [Bounds(column=_nfc(b.column), lower=_plain(b.lower), upper=_plain(b.upper)) for b in query.bounds]
    return sorted((b for b in kept if (b.lower, b.upper) != declared.get(b.column)), key=lambda b: b.column)


def _predicate(node: Predicate) -> Predicate:
    kind = node.WhichOneof("node")
    if kind == "comparison":
        return _comparison(_nfc(node.comparison.column), node.comparison.operator,
                           _literal(node.comparison.literal))
    if kind == "membership":
        column = _nfc(node.membership.column)
        literals = _sorted(map(_literal, node.membership.literals))
        if len(literals) == 1:
            return _comparison(column, OPERATOR_EQ, literals[0])
        return Predicate(membership=Membership(column=column, literals=literals))
    if kind == "is_null":
        return Predicate(is_null=NullTest(column=_nfc(node.is_null.column)))
    if kind == "negation":
        return _negated(_predicate(node.negation))
    if kind == "all":
        operands = _sorted(_merged(_flat(kind, node.all.operands)))
        return operands[0] if len(operands) == 1 else Predicate(all=Junction(operands=operands))
    operands = _sorted(_flat("any", node.any.operands))
    return operands[0] if len(operands) == 1 else Predicate(any=Junction(operands=operands))


def _flat(kind: str, operands: Iterable[Predicate]) -> list[Predicate]:
    flat: list[Predicate] = []
    for operand in map(_predicate, operands):
        flat += getattr(operand, kind).operands if operand.WhichOneof("node") == kind else [operand]
    return flat


def _merged(operands: Sequence[Predicate]) -> list[Predicate]:
    """x >= a and x <= a as x = a."""
    least = {_place(o) for o in operands if o.comparison.operator == OPERATOR_GE}
    both = {_place(o) for o in operands if o.comparison.operator == OPERATOR_LE} & least
    return [
        _comparison(o.comparison.column, OPERATOR_EQ, o.comparison.literal)
        if o.comparison.operator in (OPERATOR_GE, OPERATOR_LE) and _place(o) in both else o
        for o in operands]


def _place(operand: Predicate) -> tuple[str, bytes]:
    return operand.comparison.column, canonical(operand.comparison.literal)


def _negated(operand: Predicate) -> Predicate:
    if operand.HasField("negation"):
        return operand.negation
    opposite = {OPERATOR_EQ: OPERATOR_NE, OPERATOR_NE: OPERATOR_EQ}
    inner = operand.comparison
    if operand.HasField("comparison") and inner.operator in opposite:
        return _comparison(inner.column, opposite[inner.operator], inner.literal)
    return Predicate(negation=operand)


def _comparison(column: str, operator: Operator.ValueType, literal: Literal) -> Predicate:
    return Predicate(comparison=Comparison(column=column, operator=operator, literal=literal))


def _sorted(messages: Iterable[_M]) -> list[_M]:
    distinct = {canonical(message): message for message in messages}
    return [distinct[key] for key in sorted(distinct)]


def _literal(literal: Literal) -> Literal:
    if literal.HasField("text"):
        return Literal(text=_nfc(literal.text))
    return Literal(decimal=_plain(literal.decimal)) if literal.HasField("decimal") else literal


def _plain(text: str) -> str:
    """Digits without zeros that say nothing; what is no decimal number stays."""
    try:
        value = decimal(text, "a number")
    except Refused:
        return text
    if not value:
        return "0"
    written = format(Decimal(text), "f")
    return written.rstrip("0").rstrip(".") if "." in written else written


def _nfc(text: str) -> str:
    return unicodedata.normalize("NFC", text)
