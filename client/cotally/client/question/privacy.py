"""Reads the settings of a privacy clause into the message, exact and within sane ranges."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from cotally.v1.query_pb2 import Mechanism, PrivacyClause
from cotally.v1.refusals import Refusal, Refused

from .decimals import exact, plain
from .draft import Name, Number, Setting, Text
from .names import echo, nearest

EXAMPLE: Final = "WITH PRIVACY (epsilon = 1)"
TARGETS: Final = ("epsilon", "rho", "error")
KEYS: Final = (*TARGETS, "confidence", "mechanism", "purpose")
MECHANISMS: Final = {
    "gaussian": Mechanism.MECHANISM_GAUSSIAN,
    "laplace": Mechanism.MECHANISM_LAPLACE,
}
DEFAULT_CONFIDENCE: Final = "0.95"
_PURPOSE: Final = 200


@dataclass(frozen=True, slots=True)
class _Range:
    lowest: Decimal
    highest: Decimal

    def __str__(self) -> str:
        return f"from {plain(self.lowest)} to {plain(self.highest)}"


# Below: nothing that noise would leave visible, or less than one pico-rho. Above: no privacy left.
_RANGE: Final = {
    "epsilon": _Range(Decimal("1e-4"), Decimal(100)),
    "rho": _Range(Decimal("1e-9"), Decimal(100)),
    "error": _Range(Decimal("1e-9"), Decimal("1e18")),
    "confidence": _Range(Decimal("0.5"), Decimal("0.9999")),
}


def clause(settings: Sequence[Setting], confidence: str) -> tuple[PrivacyClause, str | None]:
    """Return the clause and the purpose; *confidence* stands where none is set. Refused BAD_PRIVACY."""
    stated: dict[str, Setting] = {}
    for setting in settings:
        key = _key(setting)
        if key in stated:
            raise _bad(f"{key} stands twice in the privacy clause{setting.key.at}")
        stated[key] = setting
    targets = [key for key in TARGETS if key in stated]
    if not targets:
        raise _bad(f"the privacy clause states none of epsilon, rho and error: write for example {EXAMPLE}")
    if len(targets) > 1:
        raise _bad(f"the privacy clause states {' and '.join(targets)}: state exactly one of them"
                   + stated[targets[1]].key.at)
    message = PrivacyClause(mechanism=MECHANISMS["gaussian"])
    amount = _amount(targets[0], stated[targets[0]])
    if targets[0] == "epsilon":
        message.epsilon = amount
    elif targets[0] == "rho":
        message.rho = amount
    else:
        message.error = amount
    message.confidence = _confidence(stated.get("confidence"), confidence)
    if "mechanism" in stated:
        message.mechanism = _mechanism(stated["mechanism"])
    return message, _purpose(stated["purpose"]) if "purpose" in stated else None


def _key(setting: Setting) -> str:
    key = setting.key.text.lower()
    if key not in KEYS:
        raise _bad(f"the privacy clause does not know {echo(setting.key.text)}: {nearest(key, KEYS)}"
                   f"it takes {', '.join(KEYS)}{setting.key.at}")
    return key


def _amount(key: str, setting: Setting) -> str:
    limits = _RANGE[key]
    value = exact(setting.value.text) if isinstance(setting.value, Number) else None
    if value is None or not limits.lowest <= value <= limits.highest:
        hint = ""
        if isinstance(setting.value, Text) and exact(setting.value.text) is not None:
            hint = ", without quotes"
        elif key == "confidence" and value is not None and 50 <= value < 100:
            hint = f": write {plain(value / 100)} for {plain(value)} percent"
        raise _bad(f"{key} = {_shown(setting)} is not accepted: {key} is a decimal number {limits}{hint}"
                   + setting.value.at)
    return plain(value)


def _confidence(setting: Setting | None, default: str) -> str:
    return _amount("confidence", setting if setting else Setting(Name("confidence"), Number(default)))


def _mechanism(setting: Setting) -> Mechanism.ValueType:
    if not isinstance(setting.value, Text) or setting.value.text.lower() not in MECHANISMS:
        raise _bad(f"mechanism = {_shown(setting)} is not accepted: write mechanism = 'gaussian'"
                   f" or mechanism = 'laplace'{setting.value.at}")
    return MECHANISMS[setting.value.text.lower()]


def _purpose(setting: Setting) -> str:
    text = unicodedata.normalize("NFC", setting.value.text).strip()
    if not isinstance(setting.value, Text) or not 0 < len(text) <= _PURPOSE or not text.isprintable():
        raise _bad(f"purpose = {_shown(setting)} is not accepted: a purpose is a quoted text of at most"
                   f" {_PURPOSE} characters that your grants name, as in purpose = 'statistics'"
                   + setting.value.at)
    return text


def _shown(setting: Setting) -> str:
    text = echo(setting.value.text)
    return f"'{text}'" if isinstance(setting.value, Text) else text


def _bad(sentence: str) -> Refused:
    return Refused(Refusal.BAD_PRIVACY, sentence)
