"""PostgreSQL's text of a compiled tree: `$1`, `$2`, ... with their types, and 128 bits as numeric.

What differs from DuckDB, each time for the same integers:

- A bound value has an explicit type, so that no plan depends on how large a value happens to be.
- A list of codes is one array: PostgreSQL takes 65,535 values in a statement, a code list may hold more.
- INT128 is numeric, whose `div` and `%` are exact.
- Sums of lines are lines of sums (`lines`), and rows are summed by raw code before they are joined (`coded`).
- Clamps are strict functions (`int8larger`, ...), which take the value once where CASE takes it thrice.
- A double divided by a much larger one raises "underflow" in PostgreSQL. A dividend below 2**-60 of the
  divisor is raised to it: with one half added, the quotient rounds to one half either way.
- Columns of a snapshot are named by position: a catalog's names may be longer than PostgreSQL's.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Final

from sqlglot import exp

from cotally.server.engines.postgres.coded import regroup
from cotally.server.engines.postgres.lines import split
from cotally.server.engines.snapshot_names import UNIT_COLUMN, field_name
from cotally.server.engines.terms import UNIT, Bound
from cotally.server.model.catalog import Table
from cotally.v1.refusals import Refusal, Refused

_NARROW: Final = 2**63
_TINY: Final = 2.0**-60
_TYPES: Final[Mapping[type, str]] = {float: "double precision", str: "text", date: "date"}

Parameter = Bound | list[str] | list[int]


@dataclass(frozen=True, slots=True)
class Held:
    """A relation of the compiled tree: the table whose snapshot it is, and where that stands."""

    table: Table
    relation: exp.Expression


def render(
    tree: exp.Select, bindings: Mapping[str, Bound], held: Mapping[str, Held]
) -> tuple[str, list[Parameter]]:
    """Text and parameters of *tree*, whose relations by name are *held*.

    Refuses (UNSUPPORTED) a float column of more than 64 bits: it depends on the catalog alone.
    """
    tree = tree.copy()
    names = {name: _names(each.table) for name, each in held.items()}
    for found in list(tree.find_all(exp.Column)):
        if found.table in names:
            found.set("this", exp.to_identifier(names[found.table][found.name], quoted=True))
    for relation in list(tree.find_all(exp.Table)):
        if relation.name in held:
            source = held[relation.name].relation.copy()
            source.set("alias", exp.TableAlias(this=exp.to_identifier(relation.name)))
            relation.replace(source)
    parameters = _Parameters(bindings)
    for listed in list(tree.find_all(exp.Values)):
        listed.replace(parameters.table(listed))
    split(tree)
    regroup(tree)
    _clamp(tree)
    _keep_from_underflow(tree)
    for placeholder in list(tree.find_all(exp.Placeholder)):
        placeholder.replace(parameters.scalar(placeholder.name))
    _divide(tree)
    _widen(tree)
    return tree.sql("postgres", copy=False), parameters.values


def _names(table: Table) -> dict[str, str]:
    return {c.name: field_name(i) for i, c in enumerate(table.columns)} | {UNIT: UNIT_COLUMN}


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


def _clamp(tree: exp.Expression) -> None:
    """Every CASE that only moves a plain value to a bound becomes strict functions of value and bound."""
    for case in reversed(list(tree.find_all(exp.Case))):  # the innermost first: others hold copies of it
        value = case.args.get("default")
        steps = [_step(branch, value) for branch in case.args["ifs"]]
        kind = _kind(value)
        if value is None or kind is None or case.this is not None or None in steps:
            continue
        for step in steps:
            assert step is not None
            word, bound = step
            value = exp.Anonymous(this=f"{kind}{word}", expressions=[value.copy(), bound.copy()])
        case.replace(value)


def _step(branch: exp.If, value: exp.Expression | None) -> tuple[str, exp.Expression] | None:
    """How *branch* moves *value*: to which side of which bound; None where it does anything else."""
    test, bound = branch.this, branch.args["true"]
    if isinstance(test, exp.LT | exp.GT) and test.this == value and test.expression == bound:
        return ("larger" if isinstance(test, exp.LT) else "smaller"), bound
    return None


def _kind(value: exp.Expression | None) -> str | None:
    """The word for the type of *value* where that is known: a cast's; double, of a raw column or a floor."""
    if isinstance(value, exp.Cast):
        return "numeric_" if value.to.this is exp.DataType.Type.INT128 else "int8"
    doubles = isinstance(value, exp.Floor) or (isinstance(value, exp.Column) and bool(value.table))
    return "float8" if doubles else None


def _keep_from_underflow(tree: exp.Expression) -> None:
    """Keep divisions of doubles from underflow; only those are known that round half up."""
    for division in list(tree.find_all(exp.Div)):
        rounding = division.find_ancestor(exp.Add, exp.Select)
        if not (isinstance(rounding, exp.Add) and rounding.find_ancestor(exp.Floor, exp.Select)):
            raise ValueError("a division of doubles that is not rounded half up has no twin in PostgreSQL")
        least = exp.paren(exp.Mul(this=division.expression.copy(), expression=_double(_TINY)))
        division.set("this", exp.Anonymous(this="float8larger", expressions=[division.this, least]))


def _divide(tree: exp.Expression) -> None:
    """Integer division of 64-bit integers is `/`; `div` is numeric's, and slower."""
    for division in list(tree.find_all(exp.IntDiv)):
        if _narrow(division.this) and _narrow(division.expression):
            left, right = division.this.copy(), division.expression.copy()
            division.replace(exp.Div(this=left, expression=right, typed=True, safe=False))


def _narrow(tree: exp.Expression) -> bool:
    """Whether *tree* is arithmetic of 64-bit integers throughout."""
    if isinstance(tree, exp.Paren):
        return _narrow(tree.this)
    if isinstance(tree, exp.Add | exp.Sub | exp.Mul | exp.Mod | exp.IntDiv | exp.Div):
        return _narrow(tree.this) and _narrow(tree.expression)
    if isinstance(tree, exp.Cast):
        return tree.to.this is exp.DataType.Type.BIGINT
    return isinstance(tree, exp.Literal) and not tree.is_string


def _double(value: float) -> exp.Expression:
    kind = exp.DataType.build("double precision", "postgres")
    return exp.Cast(this=exp.Literal.string(repr(value)), to=kind)


def _widen(tree: exp.Expression) -> None:
    """INT128 becomes numeric; from a double that would round to 15 digits, so it is refused."""
    for cast in list(tree.find_all(exp.Cast)):
        if cast.to.this is exp.DataType.Type.INT128:
            if isinstance(cast.this, exp.Anonymous) and cast.this.name.startswith("float8"):
                raise Refused(Refusal.UNSUPPORTED,
                              "a float column has more units than 64 bits; its resolution must be coarser")
            cast.set("to", exp.DataType(this=exp.DataType.Type.DECIMAL, nested=False))
