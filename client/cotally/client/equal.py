"""Whether two questions are the same one: a form that all spellings of a question share.

Beyond the canonical form (`canonicalise`): keys and statistics are in order of their bytes, aliases are
left out, computed keys are called by what they compute, bounds equal to the declared ones are gone. Under
a stated error the first statistic stays first, since the error is its. In WHERE, NOT stands before IN and
IS NULL alone, and conditions on a number or a date are cuts of a line (`_Line`): AND keeps the innermost
ones of a column, OR the outermost. None of this changes what is measured.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction
from operator import itemgetter
from typing import Final

from cotally.v1.canonical import canonical, digest
from cotally.v1.catalog_pb2 import Catalog, Column, ColumnType
from cotally.v1.query_pb2 import (
    Comparison,
    DerivedKey,
    Junction,
    Literal,
    Membership,
    Operator,
    Predicate,
    Query,
    Statistic,
)

from .canonicalise import canonical_query
from .question.decimals import exact, plain

KEY: Final = "key-"
_FLIPPED: Final = {
    Operator.OPERATOR_EQ: Operator.OPERATOR_NE, Operator.OPERATOR_NE: Operator.OPERATOR_EQ,
    Operator.OPERATOR_LT: Operator.OPERATOR_GE, Operator.OPERATOR_GE: Operator.OPERATOR_LT,
    Operator.OPERATOR_GT: Operator.OPERATOR_LE, Operator.OPERATOR_LE: Operator.OPERATOR_GT,
}
_ABOVE: Final = {Operator.OPERATOR_GE: 0, Operator.OPERATOR_GT: 1}  # x is above the cut before or after a
_BELOW: Final = {Operator.OPERATOR_LT: 0, Operator.OPERATOR_LE: 1}

_Cut = tuple[Fraction, int]  # (a, 0) is just before a, (a, 1) just after


@dataclass(frozen=True, slots=True)
class _Line:
    """Where the values of one column lie: whole numbers, days since the year 1, or doubles."""

    column: str
    type: ColumnType.ValueType

    def value(self, literal: Literal) -> Fraction | None:
        """Return where *literal* lies as the departments compare it; None if not on this line."""
        kind = literal.WhichOneof("value")
        if self.type == ColumnType.COLUMN_TYPE_DATE:
            try:
                day = date.fromisoformat(literal.date)
            except ValueError:
                return None
            return Fraction(day.toordinal()) if day.isoformat() == literal.date else None
        number = exact(literal.decimal) if kind == "decimal" else Decimal(literal.integer)
        if number is None or kind not in ("integer", "decimal"):
            return None
        return Fraction(float(number)) if self.type == ColumnType.COLUMN_TYPE_FLOAT else Fraction(number)

    def cut(self, value: Fraction, side: int) -> _Cut:
        """Return the cut on that side of *value*: of whole values, that before the next one."""
        if self.type == ColumnType.COLUMN_TYPE_FLOAT:
            return value, side
        return Fraction(math.floor(value) + 1 if side else math.ceil(value)), 0

    def literal(self, value: Fraction) -> Literal:
        """Return the literal of a value that the column can hold."""
        if self.type == ColumnType.COLUMN_TYPE_DATE:
            return Literal(date=date.fromordinal(int(value)).isoformat())
        number = Decimal(int(value)) if value.denominator == 1 else Decimal(repr(float(value)))
        return Literal(decimal=plain(number))

    def above(self, cut: _Cut) -> Predicate:
        """Return the condition that a value is above *cut*."""
        last = Fraction(date.max.toordinal())
        if self.type == ColumnType.COLUMN_TYPE_DATE and cut[0] > last:
            return _said(self.column, Operator.OPERATOR_GT, self.literal(last))
        operator = Operator.OPERATOR_GT if cut[1] else Operator.OPERATOR_GE
        return _said(self.column, operator, self.literal(cut[0]))

    def below(self, cut: _Cut) -> Predicate:
        """Return the condition that a value is below *cut*."""
        value, side = cut
        if self.type != ColumnType.COLUMN_TYPE_FLOAT and not (
                self.type == ColumnType.COLUMN_TYPE_DATE and value == 1):
            value, side = value - 1, 1
        operator = Operator.OPERATOR_LE if side else Operator.OPERATOR_LT
        return _said(self.column, operator, self.literal(value))

    def plainly(self, literal: Literal) -> Literal:
        """Return *literal* as every spelling of its value is written."""
        value = self.value(literal)
        if value is None or self.cut(value, 0)[0] != value:  # no whole number, where all values are
            return literal
        return self.literal(value)

    def joined(self, kind: str, comparisons: Sequence[Comparison]) -> list[Predicate]:
        """Return what *comparisons* of this column, under AND ("all") or OR ("any"), say together."""
        both = Operator.OPERATOR_EQ if kind == "all" else Operator.OPERATOR_NE
        above: list[_Cut] = []
        below: list[_Cut] = []
        said = []
        for each in comparisons:
            value = self.value(each.literal)
            if value is not None and each.operator in _ABOVE:
                above.append(self.cut(value, _ABOVE[each.operator]))
            elif value is not None and each.operator in _BELOW:
                below.append(self.cut(value, _BELOW[each.operator]))
            elif value is not None and each.operator == both and self.cut(value, 0)[0] == value:
                above.append(self.cut(value, 0 if kind == "all" else 1))
                below.append(self.cut(value, 1 if kind == "all" else 0))
            else:
                said.append(_said(self.column, each.operator, self.plainly(each.literal)))
        innermost, outermost = (max, min) if kind == "all" else (min, max)
        least, most = innermost(above, default=None), outermost(below, default=None)
        before, after = (least, most) if kind == "all" else (most, least)
        if before is not None and before[1] == 0 and after == self.cut(before[0], 1):
            return [*said, _said(self.column, both, self.literal(before[0]))]
        return [*said, *([self.above(least)] if least else []), *([self.below(most)] if most else [])]


def _lines(query: Query, catalog: Catalog) -> dict[str, _Line]:
    """The columns of *query* whose values have an order, by name."""
    ordered = (ColumnType.COLUMN_TYPE_INTEGER, ColumnType.COLUMN_TYPE_FLOAT, ColumnType.COLUMN_TYPE_DATE)
    return {name: _Line(name, column.type)
            for name, column in _named(query, catalog) if column.type in ordered}


def _inward(node: Predicate) -> Predicate:
    """*node* with NOT before IN and IS NULL alone."""
    kind = node.WhichOneof("node")
    if kind in ("all", "any"):
        return _junction(kind, [_inward(each) for each in getattr(node, kind).operands])
    if kind != "negation":
        return node
    inner, kind = node.negation, node.negation.WhichOneof("node")
    if kind == "negation":
        return _inward(inner.negation)
    if kind in ("all", "any"):
        denied = (_inward(Predicate(negation=each)) for each in getattr(inner, kind).operands)
        return _junction("any" if kind == "all" else "all", denied)
    if kind == "comparison" and inner.comparison.operator in _FLIPPED:
        said = inner.comparison
        return _said(said.column, _FLIPPED[said.operator], said.literal)
    return node


def _member(node: Membership, lines: Mapping[str, _Line]) -> Predicate:
    line = lines.get(node.column)
    literals = [each if line is None else line.plainly(each) for each in node.literals]
    distinct = dict(sorted(((canonical(each), each) for each in literals), key=itemgetter(0)))
    if len(distinct) == 1:
        return _said(node.column, Operator.OPERATOR_EQ, *distinct.values())
    return Predicate(membership=Membership(column=node.column, literals=distinct.values()))


def _junction(kind: str, operands: Iterable[Predicate]) -> Predicate:
    joined = Junction(operands=operands)
    return Predicate(all=joined) if kind == "all" else Predicate(any=joined)


def _said(column: str, operator: Operator.ValueType, literal: Literal) -> Predicate:
    return Predicate(comparison=Comparison(column=column, operator=operator, literal=literal))


def _plainest(node: Predicate, lines: Mapping[str, _Line]) -> Predicate:
    """*node*, in which NOT stands inward, with what its comparisons say together."""
    kind = node.WhichOneof("node")
    if kind == "negation":
        return _inward(Predicate(negation=_plainest(node.negation, lines)))  # IN may be = by now
    if kind == "membership":
        return _member(node.membership, lines)
    if kind not in ("all", "any", "comparison"):
        return node
    operands = [node]
    if kind == "comparison":
        kind = "all"  # of one
    else:
        operands = [_plainest(each, lines) for each in getattr(node, kind).operands]
    together: list[Predicate] = []
    comparisons: dict[str, list[Comparison]] = {}
    for each in operands:
        for part in getattr(each, kind).operands if each.WhichOneof("node") == kind else [each]:
            if part.comparison.column in lines:
                comparisons.setdefault(part.comparison.column, []).append(part.comparison)
            else:
                together.append(part)
    for column, said in comparisons.items():
        together += lines[column].joined(kind, said)
    distinct = dict(sorted(((canonical(each), each) for each in together), key=itemgetter(0)))
    return next(iter(distinct.values())) if len(distinct) == 1 else _junction(kind, distinct.values())




def equal_form(query: Query, catalog: Catalog) -> Query:
    """Return the form that *query* shares with every question equal to it; the argument stays as it is."""
    result = canonical_query(query)
    declared = {name: (exact(column.lower), exact(column.upper))
                for name, column in _named(query, catalog) if exact(column.lower) is not None}
    if query.HasField("where"):
        result.where.CopyFrom(_plainest(_inward(result.where), _lines(query, catalog)))
    bounds = [each for each in result.bounds
              if (exact(each.lower), exact(each.upper)) != declared.get(each.column)]
    del result.bounds[:]
    result.bounds.extend(bounds)
    _nameless_keys(result)
    statistics = [nameless(each) for each in result.statistics]
    fixed = 1 if query.privacy.WhichOneof("target") == "error" else 0
    statistics[fixed:] = sorted(statistics[fixed:], key=canonical)
    del result.statistics[:]
    result.statistics.extend(statistics)
    return result


def query_fingerprint(query: Query, catalog: Catalog) -> str:
    """Return the name that equal questions share: 64 hexadecimal digits."""
    return digest("query", equal_form(query, catalog)).hex()


def nameless(statistic: Statistic) -> Statistic:
    """Return *statistic* without its alias."""
    result = Statistic()
    result.CopyFrom(statistic)
    result.alias = ""
    return result


def nameless_keys(query: Query) -> list[bytes]:
    """Return what each key of *query* is, whatever it is called, in the order of the keys."""
    derived = {key.name: key for key in query.derived}
    return [canonical(_nameless(derived[key])) if key in derived else key.encode() for key in query.keys]


def _nameless(key: DerivedKey) -> DerivedKey:
    result = DerivedKey()
    result.CopyFrom(key)
    result.name = ""
    return result


def _nameless_keys(query: Query) -> None:
    plain = set(query.keys) - {key.name for key in query.derived}
    derived = sorted((_nameless(key) for key in query.derived), key=canonical)
    for at, key in enumerate(derived):
        key.name = f"{KEY}{at}"
    del query.derived[:], query.keys[:]
    query.derived.extend(derived)
    query.keys.extend(sorted(plain) + [key.name for key in derived])


def _named(query: Query, catalog: Catalog) -> list[tuple[str, Column]]:
    """The columns that *query* may name, and how it does."""
    tables: Sequence[str] = (query.table, *(join.table for join in query.joins))
    return [(f"{table.name}.{column.name}" if query.joins else column.name, column)
            for table in catalog.tables if table.name in tables for column in table.columns]
