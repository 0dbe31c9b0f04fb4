"""Reads the settings of a privacy clause into the message, exact and within sane ranges."""

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from cotally.v1.catalog_pb2 import Table
from cotally.v1.query_pb2 import Mechanism, PrivacyClause
from cotally.v1.refusals import Refusal, Refused

from .decimals import exact, plain
from .draft import Listed, Name, Number, Setting, Text
from .names import echo, nearest

EXAMPLE: Final = "WITH PRIVACY (epsilon = 1)"
TARGETS: Final = ("epsilon", "rho", "error")
KEYS: Final = (*TARGETS, "confidence", "mechanism", "purpose", "weights", "consistent", "replay")
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


# Below: nothing that noise would leave visible, or less than can be counted. Above: no privacy left.
_RANGE: Final = {
    "epsilon": _Range(Decimal("1e-4"), Decimal(100)),
    "rho": _Range(Decimal("1e-9"), Decimal(100)),
    "error": _Range(Decimal("1e-9"), Decimal("1e18")),
    "confidence": _Range(Decimal("0.5"), Decimal("0.9999")),
    "weights": _Range(Decimal("0.001"), Decimal(1000)),
}


@dataclass(frozen=True, slots=True)
class Clause:
    """A privacy clause: the message, and what it says of statistics and of how to show them.

    `errors` and `weights` name statistics by alias, or, with None, by their order.
    """

    message: PrivacyClause
    purpose: str | None
    consistent: bool
    weights: Listed | None
    errors: Listed | None
    replay: bool = True


def clause(settings: Sequence[Setting], confidence: str, table: Table) -> Clause:
    """Return what *settings* say of a question about *table*; *confidence* stands where none is set.

    Refused BAD_PRIVACY. Unless a mechanism is stated, it is Laplace where the population counts in pure
    epsilon, elsewhere Gaussian.

    The message lacks its error where that is a list: `statistics.steer` fills it in.
    """
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
    message = PrivacyClause(mechanism=MECHANISMS["laplace" if table.pure else "gaussian"])
    listed = stated[targets[0]].value if targets[0] == "error" else None
    errors = listed if isinstance(listed, Listed) else None
    if errors is None:
        setattr(message, targets[0], _amount(targets[0], stated[targets[0]]))
    message.confidence = _confidence(stated.get("confidence"), confidence)
    if "mechanism" in stated:
        message.mechanism = _mechanism(stated["mechanism"])
    if table.pure:
        _check_pure(message, stated, table.population)
    weights = stated["weights"].value if "weights" in stated else None
    if weights is not None and not isinstance(weights, Listed):
        raise _bad(f"weights = {_shown(stated['weights'])} is not accepted: write one for each statistic, as"
                   f" in weights = (2, 1), or name them, as in weights = (n = 2){weights.at}")
    return Clause(message, _purpose(stated["purpose"]) if "purpose" in stated else None,
                  "consistent" in stated and _truth(stated["consistent"]), weights, errors,
                  "replay" not in stated or _truth(stated["replay"]))


def _check_pure(message: PrivacyClause, stated: Mapping[str, Setting], population: str) -> None:
    """Refuse what has no pure epsilon, or is not asked in it."""
    if message.mechanism != MECHANISMS["laplace"]:
        raise _bad(f"population {echo(population)} is pure: state mechanism = 'laplace', or none"
                   + stated["mechanism"].key.at)
    if "rho" in stated:
        raise _bad(f"population {echo(population)} is pure: state epsilon instead of rho"
                   + stated["rho"].key.at)


def amount(key: str, name: Name, number: Number) -> str:
    """Return the amount of one item of a list, as plain decimal text; Refused BAD_PRIVACY."""
    try:
        return _amount(key, Setting(name, number))
    except Refused as refused:
        raise _bad(refused.message.replace(f"{key} = ", f"{key} of {echo(name.text)} = ", 1)) from None


def _truth(setting: Setting) -> bool:
    text = setting.value.text.lower()
    if not isinstance(setting.value, Name) or text not in ("true", "false"):
        key = setting.key.text.lower()
        usual = "true" if key == "consistent" else "false"
        raise _bad(f"{key} = {_shown(setting)} is not accepted: write {key} = {usual}"
                   + setting.value.at)
    return text == "true"


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
