"""What stands beside the SELECT: EXPLAIN PRIVACY before it, BOUNDS(...) after it, SUGGEST BOUNDS for it."""

import re
from collections.abc import Sequence
from typing import Final

from sqlglot import Token, TokenType

from cotally.v1.refusals import Refusal, Refused

from ..question.draft import Bounded, Name, Number
from ..question.names import echo
from .functions import renamed
from .source import Source, kind

_EXPLAIN: Final = re.compile(
    r"(?:\s|--[^\n]*(?:\n|$)|/\*.*?\*/)*(EXPLAIN\s+PRIVACY)\b", re.IGNORECASE | re.DOTALL
)
_BOUNDS: Final = "BOUNDS(c, lower, upper)"
_SUGGEST: Final = "SUGGEST BOUNDS FOR c FROM table WITH PRIVACY (...)"


def without_explain(text: str) -> tuple[str, bool]:
    """Return *text* with EXPLAIN PRIVACY blanked out, and whether it was there. Places stay the same."""
    found = _EXPLAIN.match(text)
    if found is None:
        return text, False
    start, end = found.span(1)
    return text[:start] + re.sub(r"[^\n]", " ", text[start:end]) + text[end:], True


def split_bounds(source: Source, tokens: Sequence[Token]) -> tuple[list[Token], tuple[Bounded, ...]]:
    """Return the tokens before the first BOUNDS(...) of the question's own, and what these say."""
    depth = 0
    for index, token in enumerate(tokens):
        depth += (kind(token) == "L_PAREN") - (kind(token) == "R_PAREN")
        if depth == 0 and _begins(tokens, index):
            return list(tokens[:index]), _bounds(source, tokens[index:])
    return list(tokens), ()


def _begins(tokens: Sequence[Token], index: int) -> bool:
    return (tokens[index].text.upper() == "BOUNDS" and kind(tokens[index]) not in ("IDENTIFIER", "STRING")
            and index > 0 and index + 1 < len(tokens) and kind(tokens[index + 1]) == "L_PAREN"
            and any(kind(token) == "FROM" for token in tokens[:index]))


def _bounds(source: Source, tokens: Sequence[Token]) -> tuple[Bounded, ...]:
    found: list[Bounded] = []
    at = 0
    while at < len(tokens):
        if tokens[at].text.upper() != "BOUNDS":
            raise _malformed(
                source, tokens[at], f"{echo(source.raw(tokens[at]))} after {_BOUNDS} is not understood"
            )
        end = next((i for i in range(at, len(tokens)) if kind(tokens[i]) == "R_PAREN"), None)
        if end is None:
            raise _malformed(source, tokens[at], "the parenthesis of BOUNDS is never closed")
        found.append(_one(source, tokens[at], tokens[at + 2:end]))
        at = end + 1
        if at < len(tokens) and kind(tokens[at]) == "COMMA":
            at += 1
            if at == len(tokens):
                raise _malformed(source, tokens[-1], "nothing follows the comma")
    return tuple(found)


def _one(source: Source, start: Token, body: Sequence[Token]) -> Bounded:
    arguments: list[list[Token]] = [[]]
    for token in body:
        if kind(token) == "COMMA":
            arguments.append([])
        else:
            arguments[-1].append(token)
    if len(arguments) != 3 or not all(arguments):
        raise _malformed(source, start, "BOUNDS takes a column and two numbers")
    name, lower, upper = arguments
    if any(kind(token) in ("STRING", "NUMBER") for token in name):
        raise _malformed(source, name[0], f"{echo(source.raw(name[0]))} is no column")
    column = Name("".join(token.text for token in name), source.at(name[0].start))
    first, second = (
        Number("".join(source.raw(t) for t in part), source.at(part[0].start)) for part in (lower, upper))
    return Bounded(column, first, second, source.at(start.start))


def _malformed(source: Source, token: Token, what: str) -> Refused:
    return Refused(Refusal.MALFORMED, f"{what}: write {_BOUNDS}{source.at(token.start)}")


def as_select(source: Source, tokens: Sequence[Token]) -> list[Token]:
    """Return SUGGEST BOUNDS FOR c, d FROM ... as a SELECT of one statistic per column; else *tokens*."""
    if not tokens or tokens[0].text.upper() != "SUGGEST" or kind(tokens[0]) in ("IDENTIFIER", "STRING"):
        return list(tokens)
    words = [token.text.upper() for token in tokens[1:3]]
    if words != ["BOUNDS", "FOR"]:
        raise Refused(
            Refusal.MALFORMED, f"SUGGEST is not understood: write {_SUGGEST}{source.at(tokens[0].start)}"
        )
    end = next(
        (i for i, token in enumerate(tokens) if kind(token) in ("FROM", "WHERE", "GROUP_BY")), len(tokens)
    )
    if end == 3:
        raise Refused(Refusal.MALFORMED, f"SUGGEST BOUNDS names no column: write {_SUGGEST}"
                                         + source.at(tokens[2].start))
    result = [_token(tokens[0], TokenType.SELECT, "SELECT")]
    column: list[Token] = []
    for token in (*tokens[3:end], None):
        if token is not None and kind(token) != "COMMA":
            column.append(token)
            continue
        if column:
            result += [
                renamed(column[0], "SUGGEST_BOUNDS"),
                _token(column[0], TokenType.L_PAREN, "("),
                *column,
                _token(column[-1], TokenType.R_PAREN, ")"),
            ]
        if token is not None:
            result.append(token)
        column = []
    return [*result, *tokens[end:]]


def _token(place: Token, type_: TokenType, text: str) -> Token:
    return Token(type_, text, line=place.line, col=place.col, start=place.start, end=place.end)
