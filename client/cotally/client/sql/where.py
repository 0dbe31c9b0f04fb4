"""Reads the tree of a WHERE into a test of the draft. Everything that is not listed here is refused."""

from collections.abc import Callable
from typing import Any, Final

from sqlglot import exp

from cotally.v1.query_pb2 import Operator
from cotally.v1.refusals import Refused

from ..question.draft import (
    Both,
    Compare,
    Day,
    Either,
    IsNull,
    Name,
    Negated,
    Number,
    OneOf,
    Test,
    Text,
    Value,
)
from .constructs import unsupported
from .source import Source
from .tree import parts, refuse_node

_OPERATORS: Final[dict[type[exp.Expression], Operator.ValueType]] = {
    exp.EQ: Operator.OPERATOR_EQ,
    exp.NEQ: Operator.OPERATOR_NE,
    exp.LT: Operator.OPERATOR_LT,
    exp.LTE: Operator.OPERATOR_LE,
    exp.GT: Operator.OPERATOR_GT,
    exp.GTE: Operator.OPERATOR_GE,
}
_FLIPPED: Final = {
    Operator.OPERATOR_LT: Operator.OPERATOR_GT,
    Operator.OPERATOR_LE: Operator.OPERATOR_GE,
    Operator.OPERATOR_GT: Operator.OPERATOR_LT,
    Operator.OPERATOR_GE: Operator.OPERATOR_LE,
}


class Where:
    """Reads conditions; *column* turns a column of the tree into its name."""

    def __init__(self, source: Source, column: Callable[[exp.Column], Name]) -> None:
        self._source = source
        self._column = column

    def test(self, node: Any) -> Test:
        """Return the test that *node* writes. Recursion is bounded by the nesting of the text."""
        node = _bare(node)
        if type(node) is exp.And:
            return Both(tuple(self.test(operand) for operand in self._operands(node, exp.And)))
        if type(node) is exp.Or:
            return Either(tuple(self.test(operand) for operand in self._operands(node, exp.Or)))
        if type(node) is exp.Not:
            return Negated(self.test(parts(node, {"this"}, self._source)["this"]))
        if type(node) in _OPERATORS:
            return self._comparison(node)
        if type(node) is exp.In:
            return self._membership(node)
        if type(node) is exp.Between:
            return self._between(node)
        if type(node) is exp.Is:
            return self._null_test(node)
        raise refuse_node(node, self._source, "WHERE")

    def _operands(self, node: Any, kind: type[exp.Expression]) -> list[Any]:
        """Return what a chain of one connective joins, left to right, without recursion."""
        operands: list[Any] = []
        waiting = [node]
        while waiting:
            current = _bare(waiting.pop())
            if type(current) is kind:
                present = parts(current, {"this", "expression"}, self._source)
                waiting += [present["expression"], present["this"]]
            else:
                operands.append(current)
        return operands

    def _comparison(self, node: Any) -> Test:
        present = parts(node, {"this", "expression"}, self._source)
        operator = _OPERATORS[type(node)]
        left, right = _bare(present["this"]), _bare(present["expression"])
        if isinstance(left, exp.Column) and isinstance(right, exp.Column):
            raise unsupported("a comparison of two columns", "compare a column with a value (text stands in"
                              " single quotes)", self._source.at_node(right))
        if isinstance(left, exp.Column):
            return Compare(self._column(left), operator, self._value(right))
        if isinstance(right, exp.Column):
            return Compare(self._column(right), _FLIPPED.get(operator, operator), self._value(left))
        self._value(left)
        raise unsupported("a comparison without a column", "compare a column with a value",
                          self._source.at_node(node))

    def _membership(self, node: Any) -> Test:
        present = parts(node, {"this", "expressions"}, self._source)
        values = tuple(self._value(_bare(value)) for value in present.get("expressions", []))
        return OneOf(self._tested(present["this"], "IN"), values)

    def _between(self, node: Any) -> Test:
        present = parts(node, {"this", "low", "high"}, self._source)
        column = self._tested(present["this"], "BETWEEN")
        low, high = self._value(_bare(present["low"])), self._value(_bare(present["high"]))
        return Both((
            Compare(column, Operator.OPERATOR_GE, low),
            Compare(column, Operator.OPERATOR_LE, high),
        ))

    def _null_test(self, node: Any) -> Test:
        present = parts(node, {"this", "expression"}, self._source)
        if not isinstance(present["expression"], exp.Null):
            raise unsupported("IS without NULL", "write IS NULL or IS NOT NULL", self._source.at_node(node))
        return IsNull(self._tested(present["this"], "IS NULL"))

    def _tested(self, node: Any, test: str) -> Name:
        node = _bare(node)
        if not isinstance(node, exp.Column):
            raise unsupported(f"{test} of anything but a column", "put a column name before it",
                              self._source.at_node(node))
        return self._column(node)

    def _value(self, node: Any) -> Value:
        at = self._source.at_node(node)
        sign = ""
        if type(node) is exp.Neg and isinstance(node.this, exp.Literal) and not node.this.is_string:
            node, sign = node.this, "-"
        if type(node) is exp.Literal:
            return Text(node.this, at) if node.is_string else Number(sign + node.this, at)
        if type(node) is exp.Cast and self._source.is_marked_date(node.this):
            return Day(node.this.this, at)
        raise self._no_value(node, at)

    def _no_value(self, node: Any, at: str) -> Refused:
        if isinstance(node, exp.Null):
            return unsupported("a comparison with NULL", "write IS NULL or IS NOT NULL", at)
        if isinstance(node, exp.Column):
            return unsupported("a column in the place of a value", "text stands in single quotes", at)
        return refuse_node(node, self._source, "the place of a value")


def _bare(node: Any) -> Any:
    """Return what stands inside redundant parentheses."""
    while type(node) is exp.Paren:
        node = node.this
    return node
