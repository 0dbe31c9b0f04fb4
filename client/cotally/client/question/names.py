"""Finds what a name means in the catalog, and says what else it could have meant."""

import unicodedata
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Final

from cotally.v1.catalog_pb2 import Catalog, Column, ColumnType, Table
from cotally.v1.refusals import Refusal, Refused

from .draft import Name

_LISTED: Final = 12
_ECHOED: Final = 60

TYPE_NAME: Final = {
    ColumnType.COLUMN_TYPE_INTEGER: "an integer",
    ColumnType.COLUMN_TYPE_FLOAT: "a float",
    ColumnType.COLUMN_TYPE_CATEGORY: "a category",
    ColumnType.COLUMN_TYPE_DATE: "a date",
}


def echo(text: str) -> str:
    """Return *text* fit for a message: one line, short, nothing that drives a terminal."""
    clean = "".join(c if c.isprintable() else "\ufffd" for c in text[: _ECHOED + 1])
    return clean if len(clean) <= _ECHOED else clean[:_ECHOED] + "…"


def listing(names: Iterable[str]) -> str:
    """Return the first dozen of *names* and how many more there are."""
    every = list(names)
    more = f" and {len(every) - _LISTED} more" if len(every) > _LISTED else ""
    return ", ".join(echo(name) for name in every[:_LISTED]) + more


def nearest(name: str, known: Sequence[str]) -> str:
    """Return the start of a hint, such as "did you mean age? ", or nothing."""
    folded = {k.casefold(): k for k in known}
    close = get_close_matches(name[:_ECHOED].casefold(), list(folded), n=1)
    return f"did you mean {echo(folded[close[0]])}? " if close else ""


def spelled(name: str, known: Sequence[str]) -> list[str]:
    """Return what *name* can stand for: itself, or else every name that differs in case only."""
    wanted = unicodedata.normalize("NFC", name)
    if wanted in known:
        return [wanted]
    return [k for k in known if k.casefold() == wanted.casefold()]


def find_table(catalog: Catalog, name: Name) -> Table:
    """Return the table that *name* means; Refused UNKNOWN_NAME if none or several."""
    known = [t.name for t in catalog.tables]
    found = spelled(name.text, known)
    if len(found) == 1:
        return next(t for t in catalog.tables if t.name == found[0])
    raise _unknown("table", name, known, found, "the catalog has")


def find_column(table: Table, name: Name) -> Column:
    """Return the column that *name* means; Refused UNKNOWN_NAME if none, several, or the unit column."""
    known = [c.name for c in table.columns]
    found = spelled(name.text, known) or _under_a_table(name.text, known)
    if len(found) == 1:
        return next(c for c in table.columns if c.name == found[0])
    if not found and is_unit(table, name):
        raise Refused(
            Refusal.UNKNOWN_NAME,
            f"{echo(table.unit_column)} is the unit column of {echo(table.name)}: it tells whose row it is"
            f" and cannot stand in a query; the columns are {listing(known)}{name.at}",
        )
    raise _unknown("column", name, known, found, f"{echo(table.name)} has")


def is_unit(table: Table, name: Name) -> bool:
    """True where *name* means the unit column, whose row it is."""
    bare = name.text.rpartition(".")[2]
    return bool(table.unit_column and spelled(bare, [table.unit_column]))


def _under_a_table(name: str, known: Sequence[str]) -> list[str]:
    """Return the columns of joined tables that *name* can stand for without its table."""
    bare = {k.partition(".")[2] for k in known if "." in k}
    wanted = spelled(name, sorted(bare)) if bare else []
    return [k for k in known if k.partition(".")[2] in wanted] if wanted else []


def _unknown(what: str, name: Name, known: Sequence[str], found: Sequence[str], owner: str) -> Refused:
    if found:
        how = "with its table" if any("." in each for each in found) else "in the exact case"
        sentence = f"{what} {echo(name.text)} could be any of {listing(found)}: write it {how}"
    else:
        hint = nearest(name.text, known)
        sentence = f"unknown {what} {echo(name.text)}: {hint}{owner} {listing(known) or f'no {what}s'}"
    return Refused(Refusal.UNKNOWN_NAME, sentence + name.at)


def describe(column: Column) -> str:
    """Return, for example, "age is an integer column"."""
    return f"{echo(column.name)} is {TYPE_NAME.get(column.type, 'an undeclared kind of')} column"
