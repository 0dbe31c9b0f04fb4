"""Typed reading of TOML that names file and key path of whatever is wrong.

A `Section` is one TOML table on its way to becoming a dataclass. Every getter either returns a
value of its type or raises Misconfigured with the file, the path of the key
(`tables[0].columns[2].upper`), what is accepted and what stands there. `done` refuses keys that
nobody asked for, and suggests the one that was probably meant.
"""

import difflib
import tomllib
import unicodedata
from collections.abc import Collection, Mapping
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import NoReturn

from cotally.v1.refusals import Misconfigured

MAX_NAME = 60  # characters; a certificate's common name holds 64
_SHOWN = 60  # characters of a wrong value that are worth repeating


def read_toml(file: Path) -> "Section":
    """The whole of *file* as one section, decimals kept exact."""
    try:
        text = file.read_text("utf-8")
    except FileNotFoundError:
        raise Misconfigured(f"{file}: there is no such file") from None
    except (OSError, UnicodeDecodeError) as reason:
        what = "it is not UTF-8 text" if isinstance(reason, UnicodeDecodeError) else reason.strerror
        raise Misconfigured(f"{file}: cannot be read: {what}") from None
    try:
        return Section(file, "", tomllib.loads(text, parse_float=Decimal))
    except tomllib.TOMLDecodeError as reason:
        raise Misconfigured(f"{file}: not valid TOML: {reason}") from None


class Section:
    """One TOML table with its place: the file, and the path of keys that leads to it."""

    def __init__(self, file: Path, path: str, values: Mapping[str, object]) -> None:
        self._file = file
        self._path = path
        self._values = values
        self._asked: dict[str, None] = {}  # in order, for messages

    def place(self, key: str) -> str:
        """The path of *key*, as messages name it."""
        return f"{self._path}.{key}" if self._path else key

    def refuse(self, key: str, complaint: str) -> NoReturn:
        """Raise Misconfigured: file, path of *key*, *complaint*."""
        raise Misconfigured(f"{self._file}: {self.place(key)} {complaint}")

    def has(self, key: str) -> bool:
        """True where *key* is present."""
        self._asked[key] = None
        return key in self._values

    @property
    def file(self) -> Path:
        """The file that it stands in."""
        return self._file

    def value(self, key: str) -> object:
        """Whatever stands under *key*, for a reader with rules of its own."""
        return self._get(key, None)

    def keys(self) -> list[str]:
        """Every key present, for sections whose keys are names; marks them as asked for."""
        self._asked.update(dict.fromkeys(self._values))
        return list(self._values)

    def done(self) -> None:
        """Refuse the first key that no getter asked for."""
        for key in self._values:
            if key not in self._asked:
                close = difflib.get_close_matches(key, self._asked, n=1)
                hint = f"did you mean {close[0]!r}?" if close else f"known are {', '.join(self._asked)}"
                self.refuse(key, f"is not a known key; {hint}")

    def text(self, key: str, default: str | None = None) -> str:
        """NFC text, not empty."""
        value = self._get(key, default)
        if not isinstance(value, str) or not value:
            self._expected(key, "text in quotes that is not empty", value)
        if not unicodedata.is_normalized("NFC", value):
            self.refuse(key, "must be in Unicode normal form NFC")
        return value

    def name(self, key: str, default: str | None = None) -> str:
        """A name of a federation, population or member: safe in file names, certificates and logs."""
        name = self.text(key, default)
        if len(name) > MAX_NAME or not name[0].isalnum() or not all(c.isalnum() or c in "_-." for c in name):
            self._expected(key, "letters, digits, '_', '-' and '.', starting with a letter or digit, "
                                f"at most {MAX_NAME} characters", name)
        return name

    def identifier(self, key: str) -> str:
        """A name of a table or column: a word that SQL can hold."""
        name = self.text(key)
        if len(name) > MAX_NAME or not name.isidentifier():
            self._expected(key, "letters, digits and '_', not starting with a digit, "
                                f"at most {MAX_NAME} characters", name)
        return name

    def choice(self, key: str, accepted: Collection[str], default: str | None = None) -> str:
        """One of *accepted*."""
        value = self.text(key, default)
        if value not in accepted:
            close = difflib.get_close_matches(value, accepted, n=1)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            self.refuse(key, f"must be one of {', '.join(map(repr, accepted))}, not {_show(value)}{hint}")
        return value

    def flag(self, key: str, default: bool) -> bool:
        """true or false."""
        value = self._get(key, default)
        if not isinstance(value, bool):
            self._expected(key, "true or false", value)
        return value

    def integer(self, key: str, low: int, high: int, default: int | None = None) -> int:
        """A whole number from *low* to *high*."""
        value = self._get(key, default)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            self._expected(key, f"a whole number from {low} to {high}", value)
        return value

    def number(self, key: str, default: str | None = None) -> Fraction:
        """A finite decimal number, exact."""
        value = self._get(key, None if default is None else Decimal(default))
        if isinstance(value, bool) or not isinstance(value, int | Decimal):
            self._expected(key, "a number", value)
        if isinstance(value, Decimal) and (not value.is_finite() or not -30 <= value.adjusted() <= 30):
            self._expected(key, "a finite number of a sensible size", value)
        return Fraction(value)

    def day(self, key: str) -> date:
        """A date, written 2020-01-31 with or without quotes."""
        value = self._get(key, None)
        if isinstance(value, date) and not isinstance(value, datetime):
            return value
        try:
            parsed = date.fromisoformat(value) if isinstance(value, str) else None
        except ValueError:
            parsed = None
        if parsed is None or parsed.isoformat() != value:
            self._expected(key, 'a date as "YYYY-MM-DD"', value)
        return parsed

    def texts(self, key: str, default: list[str] | None = None) -> tuple[str, ...]:
        """A list of distinct NFC texts, at least one."""
        values = self._get(key, default)
        if not isinstance(values, list) or not values:
            self._expected(key, "a list of texts, at least one", values)
        places = {f"{self.place(key)}[{i}]": v for i, v in enumerate(values)}
        inner = Section(self._file, "", places)
        texts = tuple(inner.text(place) for place in places)
        seen: set[str] = set()
        for i, text in enumerate(texts):
            if text in seen:
                self.refuse(f"{key}[{i}]", f"repeats {_show(text)}")
            seen.add(text)
        return texts

    def section(self, key: str) -> "Section":
        """The table under *key*."""
        value = self._get(key, None)
        if not isinstance(value, dict):
            self._expected(key, "a table, as in { name = value }", value)
        return Section(self._file, self.place(key), value)

    def sections(self, key: str) -> list["Section"]:
        """The tables of the list under *key*, at least one."""
        values = self._get(key, None)
        if not isinstance(values, list) or not values:
            self._expected(key, "a list of tables, at least one", values)
        for i, value in enumerate(values):
            if not isinstance(value, dict):
                self._expected(f"{key}[{i}]", "a table, as in { name = value }", value)
        return [Section(self._file, f"{self.place(key)}[{i}]", v) for i, v in enumerate(values)]

    def _get(self, key: str, default: object) -> object:
        self._asked[key] = None
        value = self._values.get(key, default)
        if value is None:
            spare = [k for k in self._values if k not in self._asked]
            if close := difflib.get_close_matches(key, spare, n=1):
                self.refuse(key, f"is missing; did you mean it where {close[0]!r} stands?")
            self.refuse(key, "is missing")
        return value

    def _expected(self, key: str, accepted: str, value: object) -> NoReturn:
        self.refuse(key, f"must be {accepted}, not {_show(value)}")


def _show(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case dict():
            return "a table"
        case list():
            return "a list" if value else "an empty list"
        case str() | int() | Decimal():
            shown = repr(value) if isinstance(value, str) else str(value)
            return shown if len(shown) <= _SHOWN else shown[:_SHOWN] + "..."
        case _:
            return str(value)
