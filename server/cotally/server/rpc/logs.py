"""One JSON object per line on standard error, from a closed list of fields.

An event is an identifier, never a sentence; no field can carry a value from a record. `message`
holds the sentence of a refusal or misconfiguration, whose rules forbid such values too.
"""

import json
import os
import re
import sys
import threading
from collections.abc import Callable
from datetime import datetime
from enum import IntEnum
from pathlib import Path
from typing import Final, TextIO, TypedDict, Unpack

from cotally.v1.refusals import Misconfigured, Refusal

from .credentials import utc_now


class Level(IntEnum):
    """How much an event matters; COTALLY_LOG names the least that is written."""

    DEBUG = 10
    INFO = 20
    WARNING = 30
    ERROR = 40
    OFF = 99


class Fields(TypedDict, total=False):
    """Every field that an event may carry beside time, level, event, role and name."""

    round: bytes  # written as hex
    refusal: Refusal
    message: str  # a refusal's or misconfiguration's own sentence
    peer: str  # a roster name
    address: str
    method: str  # of an RPC
    step: str
    table: str
    population: str
    path: Path
    milliseconds: int
    count: int
    total: int
    bytes: int
    size: int  # of the log
    pico_loss: int
    exception: str  # a type's name, never its text
    where: list[str]  # file:line:function


_EVENT: Final = re.compile(r"[a-z][a-z0-9_]*")
_ALLOWED: Final = frozenset(Fields.__annotations__)


class Log:
    """Writes the events of one role. Safe to share between threads."""

    def __init__(self, role: str, name: str, *, stream: TextIO | None = None, least: Level | None = None,
                 clock: Callable[[], datetime] = utc_now) -> None:
        self._role = role
        self._name = name
        self._stream = stream
        self._least = level_from(os.environ.get("COTALLY_LOG", "")) if least is None else least
        self._clock = clock
        self._lock = threading.Lock()

    def debug(self, event: str, **fields: Unpack[Fields]) -> None:
        """Write a detail that only a developer wants."""
        self._write(Level.DEBUG, event, fields)

    def event(self, event: str, **fields: Unpack[Fields]) -> None:
        """Write something that happened as it should."""
        self._write(Level.INFO, event, fields)

    def warning(self, event: str, **fields: Unpack[Fields]) -> None:
        """Write something that an operator should look at some day."""
        self._write(Level.WARNING, event, fields)

    def error(self, event: str, **fields: Unpack[Fields]) -> None:
        """Write something that an operator must mend."""
        self._write(Level.ERROR, event, fields)

    def exception(self, event: str, error: BaseException, **fields: Unpack[Fields]) -> None:
        """Write an unexpected exception: its type and where it passed, never its text."""
        fields["exception"] = type(error).__qualname__
        fields["where"] = locations(error)
        self._write(Level.ERROR, event, fields)

    def _write(self, level: Level, event: str, fields: Fields) -> None:
        if not _EVENT.fullmatch(event):
            raise ValueError("an event is an identifier")
        if strangers := sorted(fields.keys() - _ALLOWED):
            raise TypeError(f"no log field is called {', '.join(strangers)}")
        if level < self._least:
            return
        line: dict[str, object] = {
            "time": self._clock().isoformat(timespec="milliseconds"), "level": level.name.lower(),
            "event": event, "role": self._role, "name": self._name}
        line |= {key: _plain(value) for key, value in fields.items()}
        text = json.dumps(line, ensure_ascii=False, allow_nan=False) + "\n"
        with self._lock:
            stream = self._stream or sys.stderr
            stream.write(text)
            stream.flush()


def level_from(text: str) -> Level:
    """The level that COTALLY_LOG names; empty means info.

    >>> level_from("warning").name
    'WARNING'
    """
    try:
        return Level[text.strip().upper() or "INFO"]
    except KeyError:
        names = ", ".join(level.name.lower() for level in Level)
        raise Misconfigured(f"COTALLY_LOG is {text!r}; it takes one of {names}") from None


def locations(error: BaseException) -> list[str]:
    """Where *error* passed, innermost last, as file:line:function; at most 12, and no values."""
    places = []
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        places.append(f"{Path(code.co_filename).name}:{trace.tb_lineno}:{code.co_name}")
        trace = trace.tb_next
    return places[-12:]


def _plain(value: object) -> object:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, (str, int)):
        return value
    if isinstance(value, list) and all(isinstance(element, str) for element in value):
        return value
    raise TypeError("a log field is text, bytes, a path or an integer")
