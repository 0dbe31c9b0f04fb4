"""Splits cotally's own tail, WITH PRIVACY (key = value, ...), off a question and reads it."""

from collections.abc import Sequence
from typing import Final

from sqlglot import Token

from cotally.v1.refusals import Refusal, Refused

from ..question.draft import Listed, Name, Number, Setting, Text
from ..question.names import echo
from ..question.privacy import EXAMPLE
from .source import Source, kind

_NOT_A_KEY: Final = {"STRING", "NUMBER", "COMMA", "EQ", "L_PAREN"}


def split(source: Source) -> tuple[list[Token], tuple[Setting, ...] | None]:
    """Return the tokens before the clause and its settings; None for the settings if there is no clause."""
    tokens = list(source.tokens)
    while tokens and kind(tokens[-1]) == "SEMICOLON":
        tokens.pop()
    depth = 0
    for index, token in enumerate(tokens):
        depth += (kind(token) == "L_PAREN") - (kind(token) == "R_PAREN")
        if depth == 0 and _begins(tokens, index):
            return tokens[:index], _settings(source, tokens[index + 2 :], token)
    return tokens, None


def missing() -> Refused:
    """Return the refusal of a question without the clause."""
    return Refused(
        Refusal.BAD_PRIVACY, f"the question has no privacy clause: end it, for example, with {EXAMPLE}"
    )


def _begins(tokens: Sequence[Token], index: int) -> bool:
    """True where WITH PRIVACY stands and does not name a common table expression."""
    if kind(tokens[index]) != "WITH" or index + 1 == len(tokens):
        return False
    word = tokens[index + 1]
    if word.text.upper() != "PRIVACY" or kind(word) in ("STRING", "IDENTIFIER"):
        return False
    return index + 2 == len(tokens) or kind(tokens[index + 2]) != "ALIAS"


def _settings(source: Source, tail: Sequence[Token], start: Token) -> tuple[Setting, ...]:
    if not tail or kind(tail[0]) != "L_PAREN":
        raise _bad(f"WITH PRIVACY takes its settings in parentheses, as in {EXAMPLE}{source.at(start.start)}")
    closing = _closing(tail)
    if closing is None:
        raise _bad(f"the parenthesis of the privacy clause is never closed{source.at(tail[0].start)}")
    if closing + 1 < len(tail):
        after = tail[closing + 1]
        raise Refused(
            Refusal.UNSUPPORTED,
            f"{echo(source.raw(after))} after the privacy clause is not supported:"
            f" the clause ends the question{source.at(after.start)}",
        )
    body = tail[1:closing]
    return tuple(_setting(source, part, tail[closing]) for part in _parts(body)) if body else ()


def _closing(tail: Sequence[Token]) -> int | None:
    """Return the position of the parenthesis that closes the first one."""
    depth = 0
    for index, token in enumerate(tail):
        depth += (kind(token) == "L_PAREN") - (kind(token) == "R_PAREN")
        if depth == 0:
            return index
    return None


def _parts(tokens: Sequence[Token]) -> list[list[Token]]:
    """Return what stands between the commas outside of parentheses."""
    parts: list[list[Token]] = [[]]
    depth = 0
    for token in tokens:
        depth += (kind(token) == "L_PAREN") - (kind(token) == "R_PAREN")
        if kind(token) == "COMMA" and depth == 0:
            parts.append([])
        else:
            parts[-1].append(token)
    return parts


def _setting(source: Source, part: Sequence[Token], end: Token) -> Setting:
    if not part:
        raise _bad(f"a setting is missing beside a comma of the privacy clause{source.at(end.start)}")
    at = source.at(part[0].start)
    if kind(part[0]) in _NOT_A_KEY or len(part) < 2 or kind(part[1]) != "EQ":
        written = echo(_joined(source, part))
        raise _bad(f"the privacy clause takes key = value, as in {EXAMPLE}, not {written}{at}")
    key = Name(part[0].text, at)
    value = part[2:]
    if not value:
        raise _bad(f"{echo(key.text)} has no value: write it as in {EXAMPLE}{at}")
    place = source.at(value[0].start)
    if kind(value[0]) == "L_PAREN" and kind(value[-1]) == "R_PAREN":
        return Setting(
            key, Listed(tuple(_item(source, part, key, end) for part in _parts(value[1:-1])), place)
        )
    if kind(value[0]) in ("TRUE", "FALSE") and len(value) == 1:
        return Setting(key, Name(value[0].text, place))
    if len(value) == 1 and kind(value[0]) == "STRING":
        return Setting(key, Text(value[0].text, place))
    if len(value) == 1 and kind(value[0]) in ("VAR", "IDENTIFIER"):
        return Setting(key, Name(source.raw(value[0]), place))
    return Setting(key, Number(_joined(source, value), place))


def _item(source: Source, part: Sequence[Token], key: Name, end: Token) -> tuple[Name | None, Number]:
    """Return one item of a list: alias = number, or the number alone."""
    if not part:
        raise _bad(f"a number is missing beside a comma of {echo(key.text)}{source.at(end.start)}")
    at = source.at(part[0].start)
    equals = next((i for i, token in enumerate(part) if kind(token) == "EQ"), None)
    if equals is None:
        return None, Number(_joined(source, part), at)
    if equals != 1 or kind(part[0]) in _NOT_A_KEY or len(part) < 3:
        raise _bad(f"{echo(key.text)} takes alias = number, not {echo(_joined(source, part))}{at}")
    return Name(part[0].text, at), Number(_joined(source, part[2:]), source.at(part[2].start))


def _joined(source: Source, tokens: Sequence[Token]) -> str:
    """Return tokens as written, without the space between a sign and its digits."""
    return "".join(source.raw(token) for token in tokens)


def _bad(sentence: str) -> Refused:
    return Refused(Refusal.BAD_PRIVACY, sentence)
