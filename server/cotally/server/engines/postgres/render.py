"""PostgreSQL's text of a compiled tree: `$1`, `$2`, ... with their types, and 128 bits as numeric.

What differs from DuckDB, each time for the same integers:

- A bound value has an explicit type, so that no plan depends on how large a value happens to be.
- A list of codes is one array: PostgreSQL takes 65,535 values in a statement, a code list may hold more.
- INT128 is numeric, whose `div` and `%` are exact.
- A double divided by a much larger one raises "underflow" in PostgreSQL. Below 2**-60 of the divisor
  the quotient is taken as 0, and adding one half gives the same double either way.
- Columns of a snapshot are named by position: a catalog's names may be longer than PostgreSQL's.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Final

from sqlglot import exp

from cotally.server.engines.compile import Measurement
from cotally.server.engines.terms import RECORDS, UNIT, Bound
from cotally.server.model.catalog import Table
from cotally.v1.refusals import Refusal, Refused

UNIT_COLUMN: Final = "unit"
_NARROW: Final = 2**63
_TINY: Final = 2.0**-60
_TYPES: Final[Mapping[type, str]] = {float: "double precision", str: "text", date: "date"}

Parameter = Bound | list[str] | list[int]


def field_name(position: int) -> str:
    """The snapshot's name of the catalog's column at *position*."""
    return f"c{position}"


def render(measurement: Measurement, table: Table, source: exp.Expression) -> tuple[str, list[Parameter]]:
    """Text and parameters of *measurement* over the relation *source*, which has a snapshot's columns.

    Refuses (UNSUPPORTED) a float column of more than 64 bits: it depends on the catalog alone.
    """
    tree = measurement.tree.copy()
    names = {c.name: field_name(i) for i, c in enumerate(table.columns)} | {UNIT: UNIT_COLUMN}
    for found in list(tree.find_all(exp.Column)):
        if found.table == RECORDS:
            found.set("this", exp.to_identifier(names[found.name], quoted=True))
    for relation in list(tree.find_all(exp.Table)):
        if relation.name == RECORDS:
            relation.replace(source.copy())
    parameters = _Parameters(measurement.bindings)
    for listed in list(tree.find_all(exp.Values)):
        listed.replace(parameters.table(listed))
    _divide(tree)
    for placeholder in list(tree.find_all(exp.Placeholder)):
        placeholder.replace(parameters.scalar(placeholder.name))
    _widen(tree)
    return tree.sql("postgres", copy=False), parameters.values


@dataclass(slots=True)
class _Parameters:
    """What `$1`, `$2`, ... stand for, in order."""

    bindings: Mapping[str, Bound]
    values: list[Parameter] = field(default_factory=list)
    _scalars: dict[str, exp.Expression] = field(default_factory=dict)

    def scalar(self, name: str) -> exp.Expression:
        """The typed parameter for a placeholder, the same one each time."""
        if name not in self._scalars:
            value = self.bindings[name]
            self._scalars[name] = self._add(value, _type(value))
        return self._scalars[name].copy()

    def table(self, listed: exp.Values) -> exp.Expression:
        """The rows of *listed* as `unnest` of one array per column."""
        arrays = []
        for cells in zip(*(row.expressions for row in listed.expressions), strict=True):
            values = [self.bindings[c.name] if isinstance(c, exp.Placeholder) else int(c.name) for c in cells]
            texts = [value for value in values if isinstance(value, str)]
            numbers = [value for value in values if isinstance(value, int)]
            arrays.append(self._add(texts, "text[]") if texts else self._add(numbers, "bigint[]"))
        unnest = exp.Anonymous(this="unnest", expressions=arrays)
        return exp.Table(this=unnest, alias=listed.args["alias"].copy())

    def _add(self, value: Parameter, kind: str) -> exp.Expression:
        self.values.append(value)
        marker = exp.Parameter(this=exp.Literal.number(len(self.values)))
        return exp.Cast(this=marker, to=exp.DataType.build(kind, "postgres"))


def _type(value: Bound) -> str:
    if isinstance(value, int):
        return "bigint" if -_NARROW <= value < _NARROW else "numeric"
    return _TYPES[type(value)]


def _divide(tree: exp.Expression) -> None:
    """Guard every division of doubles against underflow."""
    for division in list(tree.find_all(exp.Div)):
        left, right = division.this, division.expression
        small = exp.LT(this=exp.Abs(this=left.copy()),
                       expression=exp.Mul(this=exp.Abs(this=right.copy()), expression=_double(_TINY)))
        branch = exp.If(this=small, true=_double(0.0))
        division.replace(exp.Case(ifs=[branch], default=division.copy()))


def _double(value: float) -> exp.Expression:
    kind = exp.DataType.build("double precision", "postgres")
    return exp.Cast(this=exp.Literal.string(repr(value)), to=kind)


def _widen(tree: exp.Expression) -> None:
    """INT128 becomes numeric; from a double that would round to 15 digits, so it is refused."""
    for cast in list(tree.find_all(exp.Cast)):
        if cast.to.this is exp.DataType.Type.INT128:
            if isinstance(cast.this, exp.Floor):
                raise Refused(Refusal.UNSUPPORTED,
                              "a float column has more units than 64 bits; its resolution must be coarser")
            cast.set("to", exp.DataType(this=exp.DataType.Type.DECIMAL, nested=False))
