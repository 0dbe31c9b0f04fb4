"""Turns GROUP BY into keys: category columns, and keys that are computed from numbers and dates."""

import unicodedata
from collections.abc import Mapping, Sequence
from typing import Final

from cotally.v1 import query_pb2
from cotally.v1.catalog_pb2 import ColumnType, Table
from cotally.v1.query_pb2 import DerivedKey
from cotally.v1.refusals import Refusal, Refused

from ..published import NUMBERS
from ..scope import computed
from .decimals import exact, plain
from .draft import Computed, Name
from .names import describe, echo, find_column, listing, spelled
from .place import placed
from .statistics import bare

MAX_KEYS: Final = 16
CALLED: Final[Mapping[int, str]] = {
    query_pb2.DERIVATION_BIN: "BIN", query_pb2.DERIVATION_YEAR: "YEAR",
    query_pb2.DERIVATION_QUARTER: "QUARTER", query_pb2.DERIVATION_MONTH: "MONTH",
}


def keys(
    table: Table, written: Sequence[Name | Computed], selected: Sequence[Name | Computed] | None,
) -> tuple[list[str], list[DerivedKey]]:
    """Return the names of the keys in GROUP BY, and those of them that are computed.

    A computed key takes its name from the SELECT list, or else is called bin_c, year_c and so on.
    """
    if len(written) > MAX_KEYS:
        raise Refused(Refusal.UNSUPPORTED, f"more than {MAX_KEYS} keys in GROUP BY{written[MAX_KEYS].at}")
    aliases = _aliases(table, selected or ())
    names: list[str] = []
    found: list[DerivedKey] = []
    for each in written:
        key = _computed(table, each, aliases)
        name = key.name if key else _column(table, each)
        if name in names:
            raise Refused(Refusal.MALFORMED, f"{echo(name)} stands twice in GROUP BY{each.at}")
        names.append(name)
        if key:
            found.append(key)
    if selected is not None:
        _check_selected(table, names, found, selected)
    return names, found


def _aliases(table: Table, selected: Sequence[Name | Computed]) -> dict[bytes, tuple[str, DerivedKey]]:
    """Return the named computed keys of the SELECT list, by what they compute."""
    found: dict[bytes, tuple[str, DerivedKey]] = {}
    for each in selected:
        if isinstance(each, Computed) and each.alias is not None:
            key = _message(table, each)
            alias = unicodedata.normalize("NFC", each.alias.text)
            if not alias.strip() or not alias.isprintable() or len(alias) > 64:
                raise Refused(
                    Refusal.MALFORMED,
                    f"alias {echo(alias)!r} is not accepted: use at most 64 printable"
                    f" characters{each.alias.at}",
                )
            found[_identity(key)] = (alias, key)
    return found


def _identity(key: DerivedKey) -> bytes:
    """What *key* computes, whatever its name."""
    nameless = DerivedKey()
    nameless.CopyFrom(key)
    nameless.ClearField("name")
    return nameless.SerializeToString(deterministic=True)


def _computed(
    table: Table, written: Name | Computed, aliases: Mapping[bytes, tuple[str, DerivedKey]],
) -> DerivedKey | None:
    """Return the computed key that *written* is or names; None for a column."""
    if isinstance(written, Name):
        if _names_a_column(table, written):
            return None
        hits = [(alias, key) for alias, key in aliases.values() if spelled(written.text, [alias])]
        if not hits:
            return None
        key = hits[0][1]
        key.name = hits[0][0]
    else:
        key = _message(table, written)
        alias = written.alias.text if written.alias else aliases.get(_identity(key), (None, key))[0]
        key.name = unicodedata.normalize("NFC", alias or _default(table, key))
    if any(column.name == key.name for column in table.columns):
        raise Refused(Refusal.MALFORMED, f"the key {echo(key.name)} has the name of a column: choose another"
                                         f" with AS{written.at}")
    return key


def _names_a_column(table: Table, name: Name) -> bool:
    try:
        find_column(table, name)
    except Refused:
        return False
    return True


def _default(table: Table, key: DerivedKey) -> str:
    return f"{CALLED[key.derivation].lower()}_{bare(table, key.column)}"


def _message(table: Table, written: Computed) -> DerivedKey:
    column = find_column(table, written.column)
    key = DerivedKey(name="?", derivation=written.derivation, column=column.name, other=written.other)
    if written.width is not None:
        width = exact(written.width.text)
        if width is None or width <= 0:
            raise Refused(
                Refusal.MALFORMED,
                f"width {echo(written.width.text)} of BIN is not accepted: a number"
                f" above 0, as in BIN(age, 10){written.width.at}",
            )
        key.width = plain(width)
    with placed(written.at):
        computed(column, key)
    return key


def _column(table: Table, written: Name | Computed) -> str:
    name = written if isinstance(written, Name) else written.column
    column = find_column(table, name)
    if column.type == ColumnType.COLUMN_TYPE_CATEGORY:
        return column.name
    categories = [c.name for c in table.columns if c.type == ColumnType.COLUMN_TYPE_CATEGORY]
    how = f"BIN({echo(column.name)}, width)" if column.type in NUMBERS else f"YEAR({echo(column.name)})"
    raise Refused(
        Refusal.UNSUPPORTED,
        f"{describe(column)} and cannot be a key: GROUP BY takes category columns"
        f" ({echo(table.name)} has {listing(categories) or 'none'}), or write {how}{name.at}",
    )


def _check_selected(
    table: Table, names: Sequence[str], derived: Sequence[DerivedKey], selected: Sequence[Name | Computed],
) -> None:
    """Refuse a SELECT list that names what is no key, or one key twice."""
    computes = {_identity(key): key.name for key in derived}
    seen: set[str] = set()
    for each in selected:
        if isinstance(each, Computed):
            name = computes.get(_identity(_message(table, each)), "")
            shown = f"{CALLED[each.derivation]}({echo(each.column.text)})"
        elif each.text in computes.values():
            name = shown = each.text
        else:
            column = find_column(table, each).name
            name, shown = column if column in names else "", f"column {echo(column)}"
        if not name:
            raise Refused(
                Refusal.UNSUPPORTED,
                f"{shown} outside COUNT, SUM and AVG is not supported unless it stands in"
                f" GROUP BY: cotally releases statistics, never rows{each.at}",
            )
        if name in seen:
            raise Refused(Refusal.MALFORMED, f"key {echo(name)} is selected twice{each.at}")
        seen.add(name)
