"""Small words of the query tree: quoted names, bound values, clamps. No dialect is chosen here."""

from collections.abc import Sequence
from datetime import date

from sqlglot import exp

Bound = int | float | str | date

RECORDS = "records"  # the relation that holds a table's snapshot
UNIT = "~unit"  # its column with the privacy unit as text; no catalog name begins with "~"


class Bindings:
    """Values that a statement binds; none of them ever becomes text of the statement."""

    def __init__(self) -> None:
        self._values: dict[str, Bound] = {}

    def bind(self, value: Bound) -> exp.Expression:
        """A placeholder that stands for *value*."""
        name = f"p{len(self._values)}"
        self._values[name] = value
        return exp.Placeholder(this=name)

    @property
    def values(self) -> dict[str, Bound]:
        """Every bound value by the name of its placeholder."""
        return dict(self._values)


def column(name: str, relation: str | None = None) -> exp.Column:
    """The column *name*, quoted, of *relation*."""
    return exp.column(name, table=relation, quoted=True)


def number(value: int) -> exp.Expression:
    """A small non-negative integer of our own making: a position, a bound, never data."""
    return exp.Literal.number(value)


def case(*branches: tuple[exp.Expression, exp.Expression], otherwise: exp.Expression) -> exp.Expression:
    """The value of the first branch whose condition holds, else *otherwise*."""
    ifs = [exp.If(this=condition, true=value) for condition, value in branches]
    return exp.Case(ifs=ifs, default=otherwise)


def cast(value: exp.Expression, kind: str) -> exp.Expression:
    """*value* as type *kind*, one of "bigint", "int128" and "text"."""
    return exp.Cast(this=value, to=exp.DataType(this=exp.DataType.Type[kind.upper()], nested=False))


def clamp(value: exp.Expression, low: exp.Expression, high: exp.Expression) -> exp.Expression:
    """*value* moved into [low, high]; NULL stays NULL."""
    return case(
        (exp.LT(this=value.copy(), expression=low), low.copy()),
        (exp.GT(this=value.copy(), expression=high), high.copy()),
        otherwise=value.copy(),
    )


def binary(kind: type[exp.Binary], left: exp.Expression, right: exp.Expression) -> exp.Expression:
    """(left kind right), with both sides in parentheses where they need them."""
    return exp.paren(kind(this=_wrap(left), expression=_wrap(right)), copy=False)


def junction(kind: type[exp.Connector], operands: Sequence[exp.Expression]) -> exp.Expression:
    """All operands joined by *kind*, balanced so that nesting grows with the logarithm."""
    if len(operands) == 1:
        return operands[0]
    middle = len(operands) // 2
    return binary(kind, junction(kind, operands[:middle]), junction(kind, operands[middle:]))


def _wrap(tree: exp.Expression) -> exp.Expression:
    return exp.paren(tree, copy=False) if isinstance(tree, exp.Binary | exp.Not) else tree
