"""The form that all spellings of one question share: how a stored release is found again.

Computed here from whatever was signed; nobody's word that a question is canonical is taken. In WHERE:
nested AND and OR are flat, operands and IN lists sorted by canonical bytes and without repeats; IN of one
value is =. NOT moves inward: by De Morgan through AND and OR, and x < a becomes x >= a; it stays before IN
and IS NULL. Of numbers and dates (`_Where`): what is between whole numbers or days does not count, AND
keeps the tightest bounds of a column, OR the loosest, and x >= a AND x <= a is x = a. Keys and
statistics are sorted, without aliases (under a stated error the first statistic, whose error it is, stays
first); computed keys are called by their place; bounds equal to the declared ones are gone; decimals are
plain. All of this holds in SQL's three-valued logic and of what engines store: a cell of an integer column
is a whole number or NULL, of a date column a day or NULL, of a float column a double, never NaN, or NULL.
Whoever takes the release checks this with code of its own, so a mistake here gives no one another
question's numbers.
"""

import math
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Final, TypeVar

from cotally.v1.canonical import canonical, digest
from cotally.v1.catalog_pb2 import (
    COLUMN_TYPE_DATE,
    COLUMN_TYPE_FLOAT,
    COLUMN_TYPE_INTEGER,
    Catalog,
    Column,
)
from cotally.v1.query_pb2 import (
    OPERATOR_EQ,
    OPERATOR_GE,
    OPERATOR_GT,
    OPERATOR_LE,
    OPERATOR_LT,
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

from .numbers import day, decimal

_OPPOSITE: Final = {
    OPERATOR_EQ: OPERATOR_NE, OPERATOR_LT: OPERATOR_GE, OPERATOR_GT: OPERATOR_LE,
    OPERATOR_NE: OPERATOR_EQ, OPERATOR_GE: OPERATOR_LT, OPERATOR_LE: OPERATOR_GT}
_ENDS: Final = {OPERATOR_EQ: (OPERATOR_GE, OPERATOR_LE), **{
    each: (each,) for each in (OPERATOR_LT, OPERATOR_LE, OPERATOR_GT, OPERATOR_GE)}}
_NEXT: Final[Mapping[Operator.ValueType, Callable[[Fraction], int]]] = {
    OPERATOR_GT: lambda x: math.floor(x) + 1, OPERATOR_GE: math.ceil,
    OPERATOR_LT: lambda x: math.ceil(x) - 1, OPERATOR_LE: math.floor}
_DAYS: Final = range(date.min.toordinal(), date.max.toordinal() + 1)
_End = tuple[Fraction, Operator.ValueType]
_M = TypeVar("_M", Predicate, Literal)


def fingerprint(query: Query, catalog: Catalog) -> bytes:
    """Return the 32 bytes that equal questions share. Refuses (MALFORMED) what `wire.query` would."""
    return digest("query", equal_form(query, catalog))


def equal_form(query: Query, catalog: Catalog) -> Query:
    """Return the shared form of *query*, which must have been read and checked before."""
    keys, derived = _keys(query)
    columns = _columns(query, catalog)
    statistics = [_statistic(each) for each in query.statistics]
    fixed = 1 if query.privacy.WhichOneof("target") == "error" else 0
    statistics[fixed:] = sorted(statistics[fixed:], key=canonical)
    return Query(
        table=_nfc(query.table), keys=keys, statistics=statistics,
        privacy=_privacy(query.privacy) if query.HasField("privacy") else None,
        where=_Where(columns).form(query.where) if query.HasField("where") else None,
        joins=[Join(table=_nfc(j.table), using=_nfc(j.using)) for j in query.joins],
        bounds=_bounds(query, columns), derived=derived, consistent=query.consistent)


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


def _columns(query: Query, catalog: Catalog) -> dict[str, Column]:
    """The columns that *query* may name, by the names that it uses."""
    tables = {query.table, *(join.table for join in query.joins)}
    return {f"{t.name}.{c.name}" if query.joins else c.name: c
            for t in catalog.tables if t.name in tables for c in t.columns}


def _bounds(query: Query, columns: Mapping[str, Column]) -> list[Bounds]:
    declared = {name: (_plain(c.lower), _plain(c.upper)) for name, c in columns.items()}
    kept = [Bounds(column=_nfc(b.column), lower=_plain(b.lower), upper=_plain(b.upper)) for b in query.bounds]
    return sorted((b for b in kept if (b.lower, b.upper) != declared.get(b.column)), key=lambda b: b.column)


class _Where:
    """Conditions on columns of known types."""

    def __init__(self, columns: Mapping[str, Column]) -> None:
        self._types = {name: column.type for name, column in columns.items()}

    def form(self, node: Predicate) -> Predicate:
        """What every spelling of *node* becomes."""
        kind = node.WhichOneof("node")
        if kind == "comparison":
            said = node.comparison
            return self._comparison(_nfc(said.column), said.operator, said.literal)
        if kind == "membership":
            column = _nfc(node.membership.column)
            literals = _sorted(self._literal(column, each) for each in node.membership.literals)
            if len(literals) == 1:
                return self._comparison(column, OPERATOR_EQ, literals[0])
            return Predicate(membership=Membership(column=column, literals=literals))
        if kind == "is_null":
            return Predicate(is_null=NullTest(column=_nfc(node.is_null.column)))
        if kind == "negation":
            return self._opposite(self.form(node.negation))
        if kind == "all":
            return self._all(map(self.form, node.all.operands))
        return self._any(map(self.form, node.any.operands)) if kind == "any" else node

    def _opposite(self, node: Predicate) -> Predicate:
        """NOT *node*, which has its form; a walk over it, so NOT of NOT of ... costs depth times size."""
        kind, said = node.WhichOneof("node"), node.comparison
        if kind == "comparison" and said.operator in _OPPOSITE:
            return self._comparison(said.column, _OPPOSITE[said.operator], said.literal)
        if kind == "negation":
            return node.negation
        if kind == "all":
            return self._any(map(self._opposite, node.all.operands))
        if kind == "any":
            return self._all(map(self._opposite, node.any.operands))
        return Predicate(negation=node)

    def _all(self, operands: Iterable[Predicate]) -> Predicate:
        comparisons, others = _flat("all", operands)
        joined = _sorted(self._tight(comparisons) + others)
        return joined[0] if len(joined) == 1 else Predicate(all=Junction(operands=joined))

    def _any(self, operands: Iterable[Predicate]) -> Predicate:
        """Loosest bounds: the opposites of the tightest ones of the opposites."""
        comparisons, others = _flat("any", operands)
        loose = self._tight(map(self._opposite, comparisons))
        joined = _sorted([*map(self._opposite, loose), *others])
        return joined[0] if len(joined) == 1 else Predicate(any=Junction(operands=joined))

    def _tight(self, comparisons: Iterable[Predicate]) -> list[Predicate]:
        """What *comparisons* say together: of each column with an order, its tightest bounds."""
        lower: defaultdict[str, list[_End]] = defaultdict(list)
        upper: defaultdict[str, list[_End]] = defaultdict(list)
        kept = []
        for each in comparisons:
            said = each.comparison
            value = self._value(said.column, said.literal)
            if value is None or said.operator not in _ENDS or self._falls_between(said.column, value):
                kept.append(each)
                continue
            for end in _ENDS[said.operator]:
                (lower if end in (OPERATOR_GE, OPERATOR_GT) else upper)[said.column].append((value, end))
        for column in {*lower, *upper}:
            low = sorted(lower[column], key=lambda end: (end[0], end[1] == OPERATOR_GT))[-1:]
            high = sorted(upper[column], key=lambda end: (end[0], end[1] == OPERATOR_LE))[:1]
            found = low + high
            if low and high and found == [(high[0][0], OPERATOR_GE), (low[0][0], OPERATOR_LE)]:
                found = [(low[0][0], OPERATOR_EQ)]
            kept += [_said(column, end, self._written(column, value)) for value, end in found]
        return kept

    def _comparison(self, column: str, operator: Operator.ValueType, literal: Literal) -> Predicate:
        """Where nothing is between whole numbers, or days, > 29.5 is >= 30."""
        value = self._value(column, literal)
        if value is not None and self._types[column] != COLUMN_TYPE_FLOAT and operator in _NEXT:
            moved = _NEXT[operator](value)
            if self._types[column] == COLUMN_TYPE_INTEGER or moved in _DAYS:
                closed = {OPERATOR_GT: OPERATOR_GE, OPERATOR_LT: OPERATOR_LE}.get(operator, operator)
                return _said(column, closed, self._written(column, Fraction(moved)))
        return _said(column, operator, self._literal(column, literal))

    def _falls_between(self, column: str, value: Fraction) -> bool:
        """Whether nothing stored can equal *value*."""
        return self._types[column] != COLUMN_TYPE_FLOAT and value.denominator != 1

    def _value(self, column: str, literal: Literal) -> Fraction | None:
        """Where *literal* is in the order of *column*, as engines compare; None: it has no place there."""
        kind, held = self._types.get(column), literal.WhichOneof("value")
        try:
            if kind == COLUMN_TYPE_DATE and held == "date":
                return Fraction(day(literal.date, "a literal").toordinal())
            if kind not in (COLUMN_TYPE_INTEGER, COLUMN_TYPE_FLOAT) or held not in ("integer", "decimal"):
                return None
            exact = Fraction(literal.integer) if held == "integer" else decimal(literal.decimal, "a literal")
        except Refused:
            return None
        return exact if kind == COLUMN_TYPE_INTEGER else Fraction(float(exact))

    def _written(self, column: str, value: Fraction) -> Literal:
        """The literal whose `_value` is *value*, which *column* can hold."""
        if self._types[column] == COLUMN_TYPE_DATE:
            return Literal(date=date.fromordinal(int(value)).isoformat())
        digits = str(value) if value.denominator == 1 else format(Decimal(repr(float(value))), "f")
        return Literal(decimal=digits)

    def _literal(self, column: str, literal: Literal) -> Literal:
        value = self._value(column, literal)
        if value is not None and not self._falls_between(column, value):
            return self._written(column, value)
        if literal.HasField("text"):
            return Literal(text=_nfc(literal.text))
        return Literal(decimal=_plain(literal.decimal)) if literal.HasField("decimal") else literal


def _said(column: str, operator: Operator.ValueType, literal: Literal) -> Predicate:
    return Predicate(comparison=Comparison(column=column, operator=operator, literal=literal))


def _flat(kind: str, operands: Iterable[Predicate]) -> tuple[list[Predicate], list[Predicate]]:
    """The comparisons under *kind*, and what else is there."""
    flat: list[Predicate] = []
    for operand in operands:
        flat += getattr(operand, kind).operands if operand.WhichOneof("node") == kind else [operand]
    comparisons = [each for each in flat if each.HasField("comparison")]
    return comparisons, [each for each in flat if not each.HasField("comparison")]


def _sorted(messages: Iterable[_M]) -> list[_M]:
    distinct = {canonical(message): message for message in messages}
    return [distinct[key] for key in sorted(distinct)]


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
