"""What a check of `cotally doctor` finds: a verdict, a detail, and what mends it."""

import shlex
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

CONFIG: Final = 3
UNREACHABLE: Final = 7
CREDENTIALS: Final = 8


class Verdict(StrEnum):
    """How good it is."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor's: `fix` is a command or an instruction, `status` the exit code of a fail."""

    check: str
    verdict: Verdict
    detail: str
    fix: str = ""
    status: int = CONFIG

    def to_dict(self) -> dict[str, Any]:
        """Plain values; `fix` is null where nothing is to mend."""
        return {"check": self.check, "verdict": self.verdict.value, "detail": self.detail,
                "fix": self.fix or None}


def ok(check: str, detail: str) -> Finding:
    """All is well."""
    return Finding(check, Verdict.OK, detail)


def warn(check: str, detail: str, fix: str) -> Finding:
    """It works, with a reservation."""
    return Finding(check, Verdict.WARN, detail, fix)


def fail(check: str, detail: str, fix: str, status: int = CONFIG) -> Finding:
    """It cannot work."""
    return Finding(check, Verdict.FAIL, detail, fix, status)


def edit(path: Path) -> str:
    """The command that opens *path* for mending."""
    return f"${{EDITOR:-vi}} {shlex.quote(str(path))}"


def quoted(path: Path) -> str:
    """*path* as a shell reads it."""
    return shlex.quote(str(path))
