"""cotally's own functions: marked before sqlglot parses, so that no dialect's reading of them matters.

`MEDIAN(c)` becomes a call of a name that nobody can type; what it means is read here from its arguments.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from sqlglot import Token, TokenType, exp

from cotally.v1 import query_pb2
from cotally.v1.query_pb2 import StatisticKind
from cotally.v1.refusals import Refused

from ..question.draft import Aggregate, Computed, Name, Number
from .constructs import OWN_FUNCTIONS, unsupported
from .source import Source, kind
from .tree import parts

_MARK: Final = "cotally function "
_OF_ONE: Final[Mapping[str, StatisticKind.ValueType]] = {
    "VARIANCE": query_pb2.STATISTIC_KIND_VARIANCE, "VAR_POP": query_pb2.STATISTIC_KIND_VARIANCE,
    "STDDEV": query_pb2.STATISTIC_KIND_STDDEV, "STDDEV_POP": query_pb2.STATISTIC_KIND_STDDEV,
    "MEDIAN": query_pb2.STATISTIC_KIND_QUANTILE, "SUGGEST_BOUNDS": query_pb2.STATISTIC_KIND_SUGGEST_BOUNDS,
    "CLIPPED_LOW": query_pb2.STATISTIC_KIND_CLIPPED_LOW,
    "CLIPPED_HIGH": query_pb2.STATISTIC_KIND_CLIPPED_HIGH,
}
_OF_TWO: Final[Mapping[str, StatisticKind.ValueType]] = {
    "CORR": query_pb2.STATISTIC_KIND_CORR, "COVAR": query_pb2.STATISTIC_KIND_COVAR,
    "COVAR_POP": query_pb2.STATISTIC_KIND_COVAR,
}
_DERIVATIONS: Final[Mapping[str, query_pb2.Derivation.ValueType]] = {
    "BIN": query_pb2.DERIVATION_BIN, "YEAR": query_pb2.DERIVATION_YEAR,
    "QUARTER": query_pb2.DERIVATION_QUARTER, "MONTH": query_pb2.DERIVATION_MONTH,
}
FORMS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("VARIANCE", "VAR_POP"), "VARIANCE(c)"),
    **dict.fromkeys(("STDDEV", "STDDEV_POP"), "STDDEV(c)"),
    "MEDIAN": "MEDIAN(c)",
    "QUANTILE": "QUANTILE(c, 0.9)",
    "CORR": "CORR(y, x)",
    "COVAR": "COVAR(y, x)",
    "COVAR_POP": "COVAR(y, x)",
    "REGR": "REGR(y, x1, x2)",
    "HISTOGRAM": "HISTOGRAM(c, 20)",
    "PERCENTILE_CONT": "PERCENTILE_CONT(0.9) WITHIN GROUP (ORDER BY c)",
    "INCIDENCES": "INCIDENCES(unit)",
    "CLIPPED_LOW": "CLIPPED_LOW(c)",
    "CLIPPED_HIGH": "CLIPPED_HIGH(c)",
    "TRUNCATED": "TRUNCATED(*)",
    "WEIGHTED": "WEIGHTED(AVG(c), w)",
    "BIN": "BIN(c, 10)",
    "YEAR": "YEAR(c)",
    "QUARTER": "QUARTER(c)",
    "MONTH": "MONTH(c)",
    "SUGGEST_BOUNDS": "SUGGEST BOUNDS FOR c",
}
Inner = Callable[[Any], Aggregate]


def marked(tokens: Sequence[Token]) -> list[Token]:
    """Return *tokens* with the names of cotally's own functions, before a parenthesis, out of reach."""
    result = list(tokens)
    for index, token in enumerate(tokens[:-1]):
        if (
            token.text.upper() in OWN_FUNCTIONS
            and kind(tokens[index + 1]) == "L_PAREN"
            and kind(token) not in ("IDENTIFIER", "STRING")
        ):
            result[index] = renamed(token, token.text.upper())
    return result


def renamed(token: Token, name: str) -> Token:
    """Return *token*, in its place, as the marked name of the function *name*."""
    return Token(
        TokenType.VAR, _MARK + name, line=token.line, col=token.col, start=token.start, end=token.end
    )


def called(node: Any) -> str | None:
    """Return the name of cotally's function that *node* calls, or None."""
    if isinstance(node, exp.WithinGroup):
        node = node.this
    name = node.this if isinstance(node, exp.Anonymous) else None
    return name.removeprefix(_MARK) if isinstance(name, str) and name.startswith(_MARK) else None


class Reader:
    """Reads calls; *column* turns a column of the tree into its name."""

    def __init__(self, source: Source, column: Callable[[exp.Column], Name]) -> None:
        self._source = source
        self._column = column

    def computed(self, node: Any) -> Computed | None:
        """Return the computed key that *node* writes; None if it is something else."""
        name = called(node)
        if name is None or name not in _DERIVATIONS:
            return None
        arguments, at = self._arguments(node), self._source.at_node(node)
        other = bool(arguments) and self._is_other(arguments[-1])
        rest = arguments[:-1] if other else arguments
        width = self._number(name, rest[1], at) if name == "BIN" and len(rest) == 2 else None
        if len(rest) != (2 if name == "BIN" else 1):
            raise self._form(name, at)
        return Computed(_DERIVATIONS[name], self._name(name, rest[0], at), width, other, at=at)

    def aggregate(self, node: Any, inner: Inner) -> Aggregate | None:
        """Return the statistic that *node* calls, None if it is not ours; *inner* reads plain ones."""
        name = called(node)
        if name is None or name in _DERIVATIONS:
            return None
        at = self._source.at_node(node)
        if isinstance(node, exp.WithinGroup) or name == "PERCENTILE_CONT":
            return self._percentile(name, node, at)
        arguments = self._arguments(node)
        if name in _OF_ONE and len(arguments) == 1:
            return Aggregate(_OF_ONE[name], self._name(name, arguments[0], at), at=at)
        if name in _OF_TWO and len(arguments) == 2:
            y, x = (self._name(name, argument, at) for argument in arguments)
            return Aggregate(_OF_TWO[name], y, at=at, others=(x,))
        if name == "REGR" and len(arguments) > 1:
            y, *explaining = (self._name(name, argument, at) for argument in arguments)
            return Aggregate(query_pb2.STATISTIC_KIND_REGR, y, at=at, others=tuple(explaining))
        if name == "QUANTILE" and len(arguments) in (2, 3):
            leaves = self._number(name, arguments[2], at) if len(arguments) == 3 else None
            return Aggregate(query_pb2.STATISTIC_KIND_QUANTILE, self._name(name, arguments[0], at), at=at,
                             quantile=self._number(name, arguments[1], at), bins=leaves)
        if name == "HISTOGRAM" and len(arguments) == 2:
            return Aggregate(query_pb2.STATISTIC_KIND_HISTOGRAM, self._name(name, arguments[0], at), at=at,
                             bins=self._number(name, arguments[1], at))
        if name == "WEIGHTED" and len(arguments) == 2:
            if called(arguments[0]):
                raise unsupported(
                    f"a weight for {called(arguments[0])}", "WEIGHTED takes COUNT, SUM and AVG", at
                )
            return replace(inner(arguments[0]), weight=self._name(name, arguments[1], at), at=at)
        if name == "INCIDENCES" and len(arguments) == 1:
            unit = self._name(name, arguments[0], at)
            return Aggregate(query_pb2.STATISTIC_KIND_INCIDENCES, at=at, unit=unit)
        if (
            name == "TRUNCATED"
            and (not arguments or isinstance(arguments[0], exp.Star))
            and len(arguments) < 2
        ):
            return Aggregate(query_pb2.STATISTIC_KIND_TRUNCATED, at=at)
        raise self._form(name, at)

    def _percentile(self, name: str, node: Any, at: str) -> Aggregate:
        """Read PERCENTILE_CONT(q) WITHIN GROUP (ORDER BY c)."""
        if name != "PERCENTILE_CONT" or not isinstance(node, exp.WithinGroup):
            raise self._form(name, at)
        arguments = self._arguments(node.this)
        order = node.args.get("expression")
        items = order.expressions if isinstance(order, exp.Order) else []
        if len(arguments) != 1 or len(items) != 1 or not isinstance(items[0], exp.Ordered):
            raise self._form(name, at)
        if items[0].args.get("desc"):
            raise unsupported(
                "DESC in PERCENTILE_CONT", "write 1 - q instead", self._source.at_node(items[0])
            )
        return Aggregate(query_pb2.STATISTIC_KIND_QUANTILE, self._name(name, items[0].this, at), at=at,
                         quantile=self._number(name, arguments[0], at))

    def _arguments(self, node: Any) -> list[Any]:
        return list(parts(node, {"this", "expressions"}, self._source).get("expressions", []))

    def _is_other(self, node: Any) -> bool:
        return isinstance(node, exp.Literal) and bool(node.is_string) and node.this.lower() == "other"

    def _name(self, function: str, node: Any, at: str) -> Name:
        if isinstance(node, exp.Column) and isinstance(node.this, exp.Identifier):
            return self._column(node)
        where = self._source.at_node(node) or at
        raise unsupported(f"an expression inside {_shown(function)}", f"write {FORMS[function]}", where)

    def _number(self, function: str, node: Any, at: str) -> Number:
        sign = ""
        if type(node) is exp.Neg:
            node, sign = node.this, "-"
        if type(node) is exp.Literal and not node.is_string:
            return Number(sign + node.this, self._source.at_node(node) or at)
        raise self._form(function, self._source.at_node(node) or at)

    def _form(self, function: str, at: str) -> Refused:
        return unsupported(f"this form of {_shown(function)}", f"write {FORMS[function]}", at)


def _shown(function: str) -> str:
    return "SUGGEST BOUNDS" if function == "SUGGEST_BOUNDS" else function
