"""Expected errors that may cross the wire, their texts' rules and their exit codes.

`Refusal` mirrors the enum in `refusal.proto`, name for name. The message of a `Refused` is one
sentence that names the culprit to the person who can mend it; it never depends on a record.
"""

from enum import StrEnum
from typing import Final


class Refusal(StrEnum):
    """Why something was refused. The set is closed."""

    MALFORMED = "MALFORMED"
    UNSUPPORTED = "UNSUPPORTED"
    UNKNOWN_NAME = "UNKNOWN_NAME"
    BAD_PRIVACY = "BAD_PRIVACY"
    NOT_ALLOWED = "NOT_ALLOWED"
    PLAN_MISMATCH = "PLAN_MISMATCH"
    OUT_OF_ORDER = "OUT_OF_ORDER"
    REPLAYED = "REPLAYED"
    EQUIVOCATION = "EQUIVOCATION"
    BAD_PROOF = "BAD_PROOF"
    STEPPED_BACK = "STEPPED_BACK"
    EXPIRED = "EXPIRED"
    CLOCK_SKEW = "CLOCK_SKEW"
    NOT_WITNESSED = "NOT_WITNESSED"
    BUDGET_SPENT = "BUDGET_SPENT"
    TOO_FEW_DEPARTMENTS = "TOO_FEW_DEPARTMENTS"
    TOO_FEW_KEY_HOLDERS = "TOO_FEW_KEY_HOLDERS"
    TOO_FEW_WITNESSES = "TOO_FEW_WITNESSES"
    WITHHELD = "WITHHELD"
    UNREACHABLE = "UNREACHABLE"
    OVERLOADED = "OVERLOADED"
    CREDENTIALS = "CREDENTIALS"
    PROTOCOL_VERSION = "PROTOCOL_VERSION"
    INTERNAL = "INTERNAL"


MAX_SENTENCE: Final = 1000  # characters

_QUESTION: Final = 2
_POLICY: Final = 4
_BUDGET: Final = 5
_PARTICIPATION: Final = 6
_REACH: Final = 7
_CREDENTIALS: Final = 8

EXIT_CODE: Final[dict[Refusal, int]] = {
    Refusal.MALFORMED: _QUESTION,
    Refusal.UNSUPPORTED: _QUESTION,
    Refusal.UNKNOWN_NAME: _QUESTION,
    Refusal.BAD_PRIVACY: _QUESTION,
    Refusal.NOT_ALLOWED: _POLICY,
    Refusal.PLAN_MISMATCH: _POLICY,
    Refusal.OUT_OF_ORDER: _POLICY,
    Refusal.REPLAYED: _POLICY,
    Refusal.EQUIVOCATION: _POLICY,
    Refusal.BAD_PROOF: _POLICY,
    Refusal.STEPPED_BACK: _POLICY,
    Refusal.EXPIRED: _POLICY,
    Refusal.CLOCK_SKEW: _POLICY,
    Refusal.NOT_WITNESSED: _POLICY,
    Refusal.BUDGET_SPENT: _BUDGET,
    Refusal.TOO_FEW_DEPARTMENTS: _PARTICIPATION,
    Refusal.TOO_FEW_KEY_HOLDERS: _PARTICIPATION,
    Refusal.TOO_FEW_WITNESSES: _PARTICIPATION,
    Refusal.WITHHELD: _PARTICIPATION,
    Refusal.UNREACHABLE: _REACH,
    Refusal.OVERLOADED: _REACH,
    Refusal.CREDENTIALS: _CREDENTIALS,
    Refusal.PROTOCOL_VERSION: _CREDENTIALS,
    Refusal.INTERNAL: 1,
}


class Refused(Exception):
    """An expected error: what was refused, and one sentence for the person who can mend it.

    A sentence that names a culprit of a megabyte is cut: it goes into logs and headers.
    """

    def __init__(self, refusal: Refusal, message: str) -> None:
        message = message[:MAX_SENTENCE]
        super().__init__(message)
        self.refusal = refusal
        self.message = message


class Misconfigured(Exception):
    """A spec, config, file or command line that cannot be used (exit code 3). Never crosses the wire."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message
