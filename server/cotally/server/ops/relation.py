"""What is seen of a table that could be held: names, types, and short lists of values."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from .reader import MAX_NAME

MAX_CODES: Final = 40  # more distinct values are hardly a code list


@dataclass(frozen=True, slots=True)
class Seen:
    """A column: `codes` are its values where they are few texts, and may not be public at all."""

    name: str
    type: str  # integer, float, date or category; empty: of no type that can be asked about
    nullable: bool
    distinct: int
    codes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Relation:
    """A table that could be held, and how a config names it."""

    name: str
    address: str
    rows: int
    columns: tuple[Seen, ...]


def seen(name: str, kind: str, rows: int, filled: int, distinct: int, codes: Sequence[str]) -> Seen:
    """A column of which *filled* of *rows* cells hold something; more codes than MAX_CODES are none."""
    few = tuple(sorted({unicodedata.normalize("NFC", code) for code in codes if code}))
    return Seen(name, kind, filled < rows, distinct, few if len(codes) <= MAX_CODES else ())


def nameable(name: str) -> bool:
    """Whether a catalog can hold a column so called."""
    return name.isidentifier() and len(name) <= MAX_NAME and unicodedata.is_normalized("NFC", name)


def identifier(text: str, taken: Sequence[str] = ()) -> str:
    """A table's name made of *text*, other than those *taken*."""
    made = "".join(c if c.isalnum() or c == "_" else "_" for c in unicodedata.normalize("NFC", text))
    made = (made if made.isidentifier() else f"t_{made}")[:MAX_NAME - 4]
    number, name = 1, made
    while name.casefold() in {each.casefold() for each in taken}:
        number += 1
        name = f"{made}_{number}"
    return name
