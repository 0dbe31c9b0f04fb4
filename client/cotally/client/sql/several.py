"""Several questions in one text, each closed by a semicolon."""

import re
from typing import Final

from sqlglot.errors import SqlglotError
from sqlglot.tokens import Tokenizer

from cotally.v1.refusals import Refusal, Refused

from .source import kind

MAX_LENGTH: Final = 1_000_000


def questions(text: str) -> list[str]:
    """Return the questions in *text*; comments and quoted semicolons end none.

    >>> questions("SELECT 1; -- first; only\\nSELECT ';'")
    ['SELECT 1', "-- first; only\\nSELECT ';'"]
    """
    if len(text) > MAX_LENGTH:
        raise Refused(
            Refusal.UNSUPPORTED, f"more than {MAX_LENGTH:,} characters of questions are not supported"
        )
    try:
        ends = [token.start for token in Tokenizer().tokenize(_plain(text)) if kind(token) == "SEMICOLON"]
    except SqlglotError:
        raise Refused(Refusal.MALFORMED, "a quote or comment in the questions is never closed") from None
    parts = (
        text[start:end]
        for start, end in zip([0, *(end + 1 for end in ends)], [*ends, len(text)], strict=True)
    )
    return [part.strip() for part in parts if Tokenizer().tokenize(_plain(part))]


def _plain(text: str) -> str:
    """Return *text* without the word EXPLAIN, at which the tokenizer would swallow what follows."""
    return re.sub(r"\bEXPLAIN\b", "SELECTS", text, flags=re.IGNORECASE)
