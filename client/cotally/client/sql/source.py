"""The text of a question, bounded and cut into tokens, and the places that refusals point to.

Length and nesting are bounded before anything recursive looks at the text.
"""

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

from sqlglot import Token, exp
from sqlglot.errors import SqlglotError
from sqlglot.tokens import Tokenizer

from cotally.v1.refusals import Refusal, Refused

MAX_LENGTH: Final = 20_000
MAX_NESTING: Final = 32
MAX_PREFIXES: Final = 16  # NOT NOT NOT ..., each of which the parser descends into

_OPENING: Final = {"L_PAREN", "L_BRACKET", "L_BRACE"}
_CLOSING: Final = {"R_PAREN", "R_BRACKET", "R_BRACE"}
_PREFIXES: Final = {"NOT", "DASH", "PLUS", "TILDE"}
_OPEN_QUOTE: Final = re.compile(r"Missing (\S+) from \d+:(\d+)")


def place(text: str, offset: int) -> str:
    """Return " (line 1, column 14)" for a position in *text*; both count from 1."""
    before = text[:offset]
    return f" (line {before.count(chr(10)) + 1}, column {offset - before.rfind(chr(10))})"


def kind(token: Token) -> str:
    """Return the name of the token's type. Names outlive the enum, which differs between versions."""
    return str(token.token_type.name)


@dataclass(frozen=True, slots=True)
class Source:
    """A text and its tokens, within the bounds."""

    text: str
    tokens: tuple[Token, ...]

    def at(self, offset: int) -> str:
        """Return the place of the character at *offset*."""
        return place(self.text, offset)

    def at_node(self, node: Any) -> str:
        """Return the place where *node* begins, or nothing where sqlglot did not remember it."""
        starts = [n.meta["start"] for n in node.walk() if "start" in n.meta]
        return self.at(min(starts)) if starts else ""

    def raw(self, token: Token) -> str:
        """Return *token* as written, quotes included."""
        return self.text[token.start : token.end + 1]

    def is_marked_date(self, node: Any) -> bool:
        """True for the text in DATE '2024-03-31', which the parser turns into a cast."""
        return type(node) is exp.Literal and any(
            kind(first) == "DATE" and kind(second) == "STRING" and second.text == node.this
            for first, second in pairwise(self.tokens)
        )


def read(text: str) -> Source:
    """Return *text* in tokens; Refused MALFORMED if empty, not text or unclosed, UNSUPPORTED if too big."""
    if len(text) > MAX_LENGTH:
        raise Refused(
            Refusal.UNSUPPORTED,
            f"the question has {len(text)} characters; more than {MAX_LENGTH} are not supported",
        )
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise Refused(
                Refusal.MALFORMED,
                f"character {error.start + 1} of the question is half of a surrogate pair: not valid Unicode",
            ) from None
    source = Source(text, _tokens(text))
    if not source.tokens:
        raise Refused(Refusal.MALFORMED, "the question is empty")
    _bound_nesting(source)
    return source


def _tokens(text: str) -> tuple[Token, ...]:
    try:
        return tuple(Tokenizer().tokenize(text))
    except SqlglotError as error:
        found = _OPEN_QUOTE.search(str(error.__cause__ or error))
        if found:
            start = place(text, int(found[2]))  # sqlglot counts from the start of the text, from 0
            raise Refused(Refusal.MALFORMED, f"the quote {found[1]} is never closed{start}") from None
        raise Refused(Refusal.MALFORMED, "a quote or comment in the question is never closed") from None


def _bound_nesting(source: Source) -> None:
    depth = prefixes = 0
    for token in source.tokens:
        name = kind(token)
        depth += (name in _OPENING) - (name in _CLOSING)
        prefixes = prefixes + 1 if name in _PREFIXES else 0
        if depth > MAX_NESTING:
            raise Refused(
                Refusal.UNSUPPORTED,
                f"parentheses nested more than {MAX_NESTING} deep are not supported{source.at(token.start)}",
            )
        if prefixes > MAX_PREFIXES:
            raise Refused(
                Refusal.UNSUPPORTED,
                f"more than {MAX_PREFIXES} signs or NOTs in a row are not supported{source.at(token.start)}",
            )
