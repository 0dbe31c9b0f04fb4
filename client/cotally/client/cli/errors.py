"""Errors as people and programs read them: one sentence, a hint, an exit status, never a traceback."""

import contextlib
import json
import os
import sys
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cotally.v1.refusals import EXIT_CODE, Misconfigured, Refusal, Refused

from .plain import plain

DEBUG: Final = "COTALLY_DEBUG"
MISCONFIGURED: Final = "MISCONFIGURED"  # beside the closed enum: it never crosses the wire
CONFIG: Final = 3
INTERRUPTED: Final = 130

_HINTS: Final[Mapping[Refusal, str]] = {
    Refusal.BUDGET_SPENT: "`cotally budget` shows what is left; --dry-run prices a question for nothing",
    Refusal.NOT_ALLOWED: "a department allows a question with `cotally node grant`",
    Refusal.TOO_FEW_DEPARTMENTS: "`cotally ls` shows who is connected",
    Refusal.TOO_FEW_KEY_HOLDERS: "`cotally ls` shows who is connected",
    Refusal.UNREACHABLE: "`cotally doctor` tries the way to the coordinator step by step",
    Refusal.CREDENTIALS: "`cotally doctor` checks the profile's certificates",
    Refusal.CLOCK_SKEW: "`cotally doctor` checks this machine's clock",
}


class Usage(Exception):
    """A command line that cannot be understood; *prog* is the command whose --help helps."""

    def __init__(self, message: str, prog: str) -> None:
        super().__init__(message)
        self.message = message
        self.prog = prog


class Interrupted(KeyboardInterrupt):
    """Ctrl-C in the middle of something whose end matters: *message* says what becomes of it."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


@dataclass(slots=True)
class Style:
    """How to tell an error: as JSON, or for people. Known better once the arguments are parsed."""

    json: bool


@dataclass(frozen=True, slots=True)
class Told:
    """What is told: *name* as in the contract, one sentence, a hint for people, the exit status."""

    name: str
    message: str
    hint: str
    status: int


def report(error: BaseException, style: Style) -> int:
    """Tell *error* on standard error; return the exit status. COTALLY_DEBUG=1 shows the traceback."""
    told = describe(error)
    lines = []
    if os.environ.get(DEBUG) and not isinstance(error, Usage | KeyboardInterrupt):
        lines.append("".join(traceback.format_exception(error)).rstrip())
    if style.json:
        ascii_only = (getattr(sys.stderr, "encoding", None) or "").lower().replace("-", "") != "utf8"
        lines.append(json.dumps({"refusal": told.name, "message": told.message}, ensure_ascii=ascii_only))
    elif isinstance(error, KeyboardInterrupt):
        lines.append(f"\n{plain(told.message)}")
    else:
        lines.append(f"error: {plain(told.message)}")
        lines += [f"hint: {told.hint}"] if told.hint else []
    with contextlib.suppress(OSError):  # nobody listens on standard error; the status still says it
        print("\n".join(lines), file=sys.stderr, flush=True)
    return told.status


def describe(error: BaseException) -> Told:
    """What to tell about *error*; a note on a Refused (PEP 678) takes the place of the usual hint."""
    match error:
        case Refused():
            hint = next(iter(getattr(error, "__notes__", ())), _HINTS.get(error.refusal, ""))
            return Told(error.refusal, error.message, hint, EXIT_CODE[error.refusal])
        case Misconfigured():
            return Told(MISCONFIGURED, error.message, _profile_hint(error.message), CONFIG)
        case Usage():
            return Told(Refusal.MALFORMED, error.message, f"{error.prog} --help",
                           EXIT_CODE[Refusal.MALFORMED])
        case Interrupted():
            return Told("INTERRUPTED", error.message, "", INTERRUPTED)
        case KeyboardInterrupt():
            return Told("INTERRUPTED", "interrupted", "", INTERRUPTED)
        case _:
            return Told(Refusal.INTERNAL, f"this is a bug in cotally: {type(error).__name__} at "
                           f"{_place(error)}", f"{DEBUG}=1 before the command shows more",
                           EXIT_CODE[Refusal.INTERNAL])


def _profile_hint(message: str) -> str:
    if not message.startswith("no profile"):
        return ""
    return "--profile PATH names one; without a federation, `cotally demo` brings its own"


def _place(error: BaseException) -> str:
    """File and line of the innermost frame that is ours: no values, which a message might quote."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "cotally" in Path(frame.filename).parts] or list(frames)
    return f"{Path(ours[-1].filename).name}:{ours[-1].lineno}" if ours else "an unknown place"
