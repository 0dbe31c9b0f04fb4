"""The number of a row's group: its keys' positions in their public cells, row-major."""

import unicodedata

from sqlglot import exp

from cotally.server.engines.lanes import declared
from cotally.server.engines.terms import RECORDS, Bindings, binary, case, cast, column, number
from cotally.server.engines.units import integer_type, units
from cotally.server.model.catalog import Column, Derived, Table
from cotally.server.model.query import Derivation, Query

_PARTS = {Derivation.YEAR: "YEAR", Derivation.QUARTER: "QUARTER", Derivation.MONTH: "MONTH"}


def grouped(
    tree: exp.Select, query: Query, table: Table, bindings: Bindings
) -> tuple[exp.Select, exp.Expression, bool]:
    """*tree* joined to its public codes, the number of the group, and whether that may be NULL.

    A row whose number is NULL leaves.
    """
    cell: exp.Expression = number(0)
    leaving = False
    for position, name in enumerate(query.keys):
        key = declared(table, name)
        if key.derived is None:
            tree, digit = _listed(tree, key, f"k{position}", bindings)
        else:
            digit = _computed(key, key.derived, table, bindings)
            leaving = leaving or not key.other
            if key.other:
                digit = exp.Coalesce(this=digit, expressions=[number(len(key.keys) - 1)])
        cell = binary(exp.Add, binary(exp.Mul, cell, number(len(key.keys))), digit) if position else digit
    return tree, cell, leaving


def _listed(
    tree: exp.Select, key: Column, name: str, bindings: Bindings
) -> tuple[exp.Select, exp.Expression]:
    """The position of a category's code, by a join; `other`, where declared, unless a code matches."""
    rest = number(len(key.keys) - 1)
    if not key.codes:
        return tree, rest
    digits: dict[str, int] = {}  # a code listed twice must not count its rows twice
    for i, code in enumerate(key.codes):
        digits.setdefault(unicodedata.normalize("NFC", code), i)
    listed = [exp.Tuple(expressions=[bindings.bind(code), number(i)]) for code, i in digits.items()]
    codes = exp.values(listed, alias=name, columns=["code", "digit"])
    matches = exp.EQ(this=exp.column("code", table=name), expression=column(key.name, RECORDS))
    tree = tree.join(codes, on=matches, join_type="left" if key.other else "inner", copy=False)
    found = exp.column("digit", table=name)
    return tree, exp.Coalesce(this=found, expressions=[rest]) if key.other else found


def _computed(key: Column, derived: Derived, table: Table, bindings: Bindings) -> exp.Expression:
    """The position of a computed key, or NULL."""
    source = declared(table, derived.source)
    if derived.derivation is Derivation.BIN:
        unit = cast(units(source, bindings), integer_type(source.units))
        width = bindings.bind(derived.width)
        place: exp.Expression = exp.paren(exp.IntDiv(this=unit, expression=width), copy=False)
        last = number(len(key.codes) - 1)
        return case((exp.GT(this=place, expression=last), last.copy()), otherwise=place.copy())
    raw = column(source.name, RECORDS)
    inside = exp.Between(this=raw, low=bindings.bind(source.first), high=bindings.bind(source.last))
    part = cast(exp.Extract(this=exp.var(_PARTS[derived.derivation]), expression=raw.copy()), "bigint")
    first, last_code = int(key.codes[0]), int(key.codes[-1])
    if last_code - first + 1 == len(key.codes):
        place = binary(exp.Sub, part, bindings.bind(first))
        return case((inside, place), otherwise=exp.null())
    steps = [(exp.EQ(this=part.copy(), expression=number(int(code))), number(i))
             for i, code in enumerate(key.codes)]
    return case((inside, case(*steps, otherwise=exp.null())), otherwise=exp.null())
