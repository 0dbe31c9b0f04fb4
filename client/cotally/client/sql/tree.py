"""Has sqlglot parse the tokens of one SELECT, and names the parts of its tree that stay refused."""

import re
from collections.abc import Collection, Sequence
from typing import Any, Final

from sqlglot import Token, exp
from sqlglot.errors import ParseError
from sqlglot.parser import Parser
from sqlglot.tokens import Tokenizer

from cotally.v1.refusals import Refusal, Refused

from ..question.names import echo
from .constructs import FORM, unsupported
from .source import Source

_ARITHMETIC: Final = (exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Neg)
_CAMEL: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")


def parse_select(source: Source, tokens: Sequence[Token]) -> exp.Select:
    """Return the tree of the one SELECT in *tokens*; Refused MALFORMED with the place if there is none."""
    try:
        statements = Parser().parse(list(tokens), sql=source.text)
    except ParseError as error:
        raise _broken(source, tokens, error) from None
    except RecursionError:
        raise Refused(Refusal.UNSUPPORTED, "the question is nested too deeply") from None
    except Exception:
        # A parser of every dialect trips over some nonsense with an IndexError or worse.
        raise Refused(Refusal.MALFORMED, f"the question cannot be read: the form is {FORM}") from None
    if len(statements) != 1 or not isinstance(statements[0], exp.Select):
        at = source.at(tokens[0].start)
        raise Refused(Refusal.MALFORMED, f"the question is not one SELECT: the form is {FORM}{at}")
    return statements[0]


def _broken(source: Source, tokens: Sequence[Token], error: ParseError) -> Refused:
    place: dict[str, Any] = error.errors[0] if error.errors else {}
    line, column = place.get("line"), place.get("col")
    culprit = next((t for t in tokens if t.line == line and t.col == column), tokens[-1])
    near = f"near {echo(source.raw(culprit))}"
    if culprit.token_type in Tokenizer.KEYWORDS.values() and culprit.text.isidentifier() \
            and culprit.text.upper() not in FORM:
        near += f' (a column of that name is "{echo(culprit.text)}")'
    return Refused(
        Refusal.MALFORMED,
        f"the question cannot be read {near}: the form is {FORM}{source.at(culprit.start)}",
    )


def parts(node: Any, allowed: Collection[str], source: Source) -> dict[str, Any]:
    """Return the parts of *node* that are there; Refused UNSUPPORTED if one is not in *allowed*."""
    present = {name.rstrip("_"): value for name, value in node.args.items() if value}
    for name, value in present.items():
        if name not in allowed:
            first = value[0] if isinstance(value, list) else value
            inner = first if isinstance(first, exp.Expression) else node
            place = source.at_node(inner) or source.at_node(node)
            if name == "joins":
                raise unsupported("this join", "write FROM first JOIN second USING (unit column)", place)
            raise unsupported(name.replace("_", " ").upper(), f"the form is {FORM}", place)
    return present


def refuse_node(node: Any, source: Source, where: str) -> Refused:
    """Return the refusal of an expression that *where* (such as "the SELECT list") does not take."""
    return unsupported(f"{_named(node)} in {where}", f"the form is {FORM}", source.at_node(node))


def _named(node: Any) -> str:
    if isinstance(node, exp.Star):
        return "*"
    if isinstance(node, exp.Null):
        return "NULL"
    if isinstance(node, exp.Literal):
        return "a bare value"
    if isinstance(node, exp.Column):
        return f"a bare column ({echo(node.name)})"
    if isinstance(node, exp.Boolean):
        return "a truth value"
    if isinstance(node, _ARITHMETIC):
        return "arithmetic"
    if isinstance(node, exp.Window):
        return "a window function"
    if isinstance(node, exp.Case):
        return "CASE"
    if isinstance(node, exp.Predicate | exp.Connector | exp.Not):
        return "a condition"
    if isinstance(node, exp.Anonymous):
        return f"function {echo(str(node.this).rpartition(' ')[2])}"
    if isinstance(node, exp.Func):
        return f"function {echo(node.sql_name())}"
    return _CAMEL.sub(" ", type(node).__name__).upper()
