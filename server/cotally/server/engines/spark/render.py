"""Spark's text of a compiled tree: named parameters with their types, and 128 bits as DECIMAL(38, 0).

What differs from DuckDB, each time for the same integers:

- A bound value has an explicit type; one beyond 64 bits travels as text.
- A list of codes travels as one text of JSON: Spark takes a millisecond for each value that it binds.
- SUM over BIGINT stops the query where 64 bits end (ANSI mode). Sums are first asked for `plainly`, as
  nearly all of them fit, and where Spark stops, in `halves`: the upper 33 bits and the lower 31.
- DIV of decimals returns BIGINT; a wide one is a long division by digits of 62 bits.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from sqlglot import exp

from cotally.server.engines.snapshot_names import UNIT_COLUMN, field_name
from cotally.server.engines.terms import UNIT, Bound
from cotally.server.model.catalog import Table
from cotally.v1.refusals import Refusal, Refused

_NARROW: Final = 2**63
_LOW: Final = 31
_DIGIT: Final = 2**62
_DECIMAL: Final = exp.DataType.build("DECIMAL(38, 0)", "spark")

Summing = Callable[[exp.Expression], exp.Expression]


def render(
    tree: exp.Select, bindings: Mapping[str, Bound], held: Mapping[str, tuple[Table, str]], summed: Summing
) -> tuple[str, dict[str, Any]]:
    """Text and arguments of *tree*; *held* has each relation's table and the view that stands for it.

    *summed* makes the sum of a 64-bit expression: `plainly` or `halves`.

    Refuses (UNSUPPORTED) a float column of more than 64 bits: it depends on the catalog alone.
    """
    tree = tree.copy()
    wide = _wide_names(tree, summed is halves)
    names = {name: _names(table) for name, (table, _) in held.items()}
    for found in list(tree.find_all(exp.Column)):
        if found.table in names:
            found.set("this", exp.to_identifier(names[found.table][found.name], quoted=True))
    for relation in list(tree.find_all(exp.Table)):
        if relation.name in held:
            view = exp.to_table(held[relation.name][1])
            view.set("alias", exp.TableAlias(this=exp.to_identifier(relation.name)))
            relation.replace(view)
    arguments: dict[str, Bound] = {}
    for number, listed in enumerate(list(tree.find_all(exp.Values))):
        codes, arguments[f"codes{number}"] = _listed(listed, f"codes{number}", bindings)
        listed.replace(codes)
    for total in list(tree.find_all(exp.Sum)):
        if not isinstance(total.parent, exp.Window) and not _is_wide(total.this, wide):
            total.replace(summed(total.this))
    for division in list(tree.find_all(exp.IntDiv)):
        if _is_wide(division.this, wide) or _is_wide(division.expression, wide):
            division.replace(_long_division(division.this, division.expression))
    for cast in list(tree.find_all(exp.Cast)):
        inner = cast.this
        if cast.to.this is exp.DataType.Type.BIGINT and _to_wide(inner) and not _is_wide(inner.this, wide):
            cast.set("this", inner.this)  # there and back
    for placeholder in list(tree.find_all(exp.Placeholder)):
        if placeholder.name in bindings:
            arguments[placeholder.name] = _sent(bindings[placeholder.name])
            placeholder.replace(_typed(placeholder, bindings[placeholder.name]))
    for cast in list(tree.find_all(exp.Cast)):
        if cast.to.this is exp.DataType.Type.INT128:
            if isinstance(cast.this, exp.Floor):
                raise Refused(Refusal.UNSUPPORTED,
                              "a float column has more units than 64 bits; its resolution must be coarser")
            cast.set("to", _DECIMAL.copy())
    return tree.sql("spark", copy=False), arguments


def _listed(listed: exp.Values, name: str, bindings: Mapping[str, Bound]) -> tuple[exp.Expression, str]:
    """The relation that *listed* is, read from the argument called *name*, and that argument."""
    rows = [[bindings[cell.name] if isinstance(cell, exp.Placeholder) else int(cell.name)
             for cell in row.expressions] for row in listed.expressions]
    codes, digits = (column.name for column in listed.args["alias"].columns)
    kind = exp.Literal.string(f"ARRAY<STRUCT<{codes}: STRING, {digits}: BIGINT>>")
    parsed = exp.Anonymous(this="from_json", expressions=[exp.Placeholder(this=name), kind])
    rows_of = exp.select(exp.Anonymous(this="inline", expressions=[parsed]))
    said = json.dumps([dict(zip((codes, digits), row, strict=True)) for row in rows])
    return rows_of.subquery(listed.alias), said


def _names(table: Table) -> dict[str, str]:
    return {c.name: field_name(i) for i, c in enumerate(table.columns)} | {UNIT: UNIT_COLUMN}


def _sent(value: Bound) -> Bound:
    return str(value) if isinstance(value, int) and not -_NARROW <= value < _NARROW else value


def _typed(placeholder: exp.Placeholder, value: Bound) -> exp.Expression:
    if isinstance(value, int):
        kind = "bigint" if -_NARROW <= value < _NARROW else "DECIMAL(38, 0)"
    else:
        kind = {float: "double", str: "string"}.get(type(value), "date")
    return exp.Cast(this=placeholder.copy(), to=exp.DataType.build(kind, "spark"))


def _to_wide(tree: exp.Expression) -> bool:
    return isinstance(tree, exp.Cast) and tree.to.this is exp.DataType.Type.INT128


def _wide_names(tree: exp.Expression, sums_are_wide: bool) -> set[str]:
    """Names of the tree's own columns that are decimals, the innermost statements first."""
    wide: set[str] = set()
    for statement in [*(cte.this for cte in tree.find_all(exp.CTE))]:
        for named in statement.expressions:
            of_sum = isinstance(named, exp.Alias) and isinstance(named.this, exp.Sum) and sums_are_wide
            if isinstance(named, exp.Alias) and (of_sum or _is_wide(named.this, wide)):
                wide.add(named.alias)
    return wide


def _is_wide(tree: exp.Expression, wide: set[str]) -> bool:
    """Whether *tree* may have more than 64 bits."""
    if isinstance(tree, exp.Cast):
        return tree.to.this is exp.DataType.Type.INT128
    if isinstance(tree, exp.Column):
        return tree.name in wide and not tree.table
    if isinstance(tree, exp.Case):
        values = [branch.args["true"] for branch in tree.args["ifs"]]
        rest = tree.args.get("default")
        return any(_is_wide(v, wide) for v in [*values, *([rest] if rest is not None else [])])
    return any(_is_wide(child, wide) for child in tree.iter_expressions())


def plainly(value: exp.Expression) -> exp.Expression:
    """The sum of 64-bit *value*; Spark stops where it leaves 64 bits."""
    return exp.Sum(this=value.copy())


def halves(value: exp.Expression) -> exp.Expression:
    """The exact sum of 64-bit *value*, as a decimal."""
    high = exp.Anonymous(this="shiftright", expressions=[value.copy(), exp.Literal.number(_LOW)])
    low = exp.BitwiseAnd(this=exp.paren(value.copy()), expression=exp.Literal.number(2**_LOW - 1))
    tops, bottoms = (_decimal(exp.Sum(this=half)) for half in (high, low))
    return exp.paren(exp.Add(this=exp.Mul(this=tops, expression=_decimal(exp.Literal.number(2**_LOW))),
                             expression=bottoms))


def _long_division(a: exp.Expression, b: exp.Expression) -> exp.Expression:
    """a // b for 0 <= a < 2**125 and 0 < b < 2**62, exactly."""
    digit = _decimal(exp.Literal.string(str(_DIGIT)))
    a, b = exp.paren(a), exp.paren(b)
    high = _decimal(exp.IntDiv(this=a.copy(), expression=digit))
    low = exp.Mod(this=a.copy(), expression=digit.copy())
    first = _decimal(exp.IntDiv(this=high, expression=b.copy()))
    rest = exp.paren(exp.Mod(this=high.copy(), expression=b.copy()))
    second = exp.paren(exp.Add(this=exp.Mul(this=rest, expression=digit.copy()), expression=exp.paren(low)))
    last = _decimal(exp.IntDiv(this=second, expression=b.copy()))
    return exp.paren(exp.Add(this=exp.Mul(this=first, expression=digit.copy()), expression=last))


def _decimal(tree: exp.Expression) -> exp.Expression:
    return exp.Cast(this=tree, to=_DECIMAL.copy())
