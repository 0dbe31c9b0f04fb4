"""TOML configuration of a role. Paths are relative to the file; unknown keys are refused."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

from cotally.server.dp.noise import Noise
from cotally.server.engines.source import Source, parse, spelling
from cotally.v1.refusals import Misconfigured

_OWN = {"listen": "coordinator.toml", "share": "keyholder.toml", "grants": "node.toml"}
_COMMON = ("name", "roster", "charter", "ca", "certificate", "key", "signing_key", "state")
_HOUR_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class Common:
    """What every role's file holds."""

    path: Path
    name: str
    roster: bytes  # pinned fingerprint
    charter: Path
    ca: Path
    certificate: Path
    key: Path
    signing_key: Path
    state: Path


@dataclass(frozen=True, slots=True)
class CoordinatorConfig:
    """coordinator.toml"""

    common: Common
    listen: str


@dataclass(frozen=True, slots=True)
class NodeConfig:
    """node.toml"""

    common: Common
    coordinator: str
    grants: Path
    data: Mapping[str, Source]               # by table
    budgets: Mapping[str, Fraction]          # epsilon by population
    budgets_rho: Mapping[str, Fraction]      # or rho
    accept_min_departments: int
    noise: Noise
    refunds: Fraction                        # most that void rounds ever give back, in budgets
    revocations_max_age: int | None          # ms that our list of revocations may be old; None: any


@dataclass(frozen=True, slots=True)
class KeyHolderConfig:
    """keyholder.toml"""

    common: Common
    coordinator: str
    share: Path
    passphrase_file: Path | None             # None: asked on the terminal


class _File:
    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self.values: dict[str, Any] = tomllib.loads(path.read_text(), parse_float=Decimal)
        except FileNotFoundError:
            raise Misconfigured(f"{path}: there is no such configuration file") from None
        except (OSError, UnicodeDecodeError) as reason:
            raise Misconfigured(f"{path} cannot be read: {reason}") from None
        except tomllib.TOMLDecodeError as reason:
            raise Misconfigured(f"{path} is not TOML: {reason}") from None

    def text(self, key: str) -> str:
        value = self.values.pop(key, None)
        if not isinstance(value, str) or not value:
            raise Misconfigured(f"{self.path}: {key} must be a text, not {value!r}")
        return value

    def file(self, key: str) -> Path:
        return self.path.parent / self.text(key)

    def table(self, key: str) -> dict[str, Any]:
        value = self.values.pop(key, {})
        if not isinstance(value, dict):
            raise Misconfigured(f"{self.path}: {key} must be a section [{key}]")
        return value

    def expect(self, own: str) -> None:
        """Refuse another role's file by name; *own* is a key that only this role's has."""
        for key, name in _OWN.items():
            if own not in self.values and key in self.values:
                raise Misconfigured(f"{self.path}: this is a {name}; a {_OWN[own]} is expected here")

    def common(self) -> Common:
        name, roster = self.text("name"), self.text("roster")
        try:
            fingerprint = bytes.fromhex(roster)
        except ValueError:
            fingerprint = b""
        if len(fingerprint) != 32:
            raise Misconfigured(f"{self.path}: roster must be the fingerprint, 64 hexadecimal digits")
        return Common(self.path, name, fingerprint, *(self.file(key) for key in _COMMON[2:]))

    def done(self) -> None:
        if self.values:
            raise Misconfigured(f"{self.path}: unknown key {sorted(self.values)[0]!r}")


def coordinator(path: Path) -> CoordinatorConfig:
    """Read coordinator.toml."""
    file = _File(path.absolute())
    file.expect("listen")
    config = CoordinatorConfig(file.common(), file.text("listen"))
    file.done()
    return config


def keyholder(path: Path) -> KeyHolderConfig:
    """Read keyholder.toml."""
    file = _File(path.absolute())
    file.expect("share")
    common, address, share = file.common(), file.text("coordinator"), file.file("share")
    passphrase = file.file("passphrase_file") if "passphrase_file" in file.values else None
    file.done()
    return KeyHolderConfig(common, address, share, passphrase)


def node(path: Path) -> NodeConfig:
    """Read node.toml."""
    file = _File(path.absolute())
    file.expect("grants")
    common, address, grants = file.common(), file.text("coordinator"), file.file("grants")
    data = {table: _source(file, table, value) for table, value in file.table("data").items()}
    epsilons: dict[str, Fraction] = {}
    rhos: dict[str, Fraction] = {}
    for population, value in file.table("budget").items():
        kind, amount = _budget(file, population, value)
        (epsilons if kind == "epsilon" else rhos)[population] = amount
    minimum = file.values.pop("accept_min_departments", 1)
    if not isinstance(minimum, int) or minimum < 1:
        raise Misconfigured(f"{file.path}: accept_min_departments must be a whole number of 1 or more")
    noise = _noise(file)
    refunds = file.values.pop("refunds", 1)
    if not isinstance(refunds, int | Decimal) or isinstance(refunds, bool) or not 0 <= refunds <= 1000:
        raise Misconfigured(f"{file.path}: refunds must be a number of budgets, 0 or more, not {refunds!r}")
    hours = file.values.pop("revocations_max_age", None)
    if hours is not None and (type(hours) is not int or not 1 <= hours <= 87_600):
        raise Misconfigured(f"{file.path}: revocations_max_age must be a whole number of hours, 1 or more, "
                            f"not {hours!r}")
    file.done()
    return NodeConfig(common, address, grants, data, epsilons, rhos, minimum, noise, Fraction(refunds),
                      None if hours is None else hours * _HOUR_MS)


def _noise(file: _File) -> Noise:
    value = file.values.pop("noise", Noise.OPENDP)
    if value not in list(Noise):
        names = " or ".join(f'"{noise}"' for noise in Noise)
        raise Misconfigured(f"{file.path}: noise must be {names}, not {value!r}")
    return Noise(value)


def _source(file: _File, table: str, value: object) -> Source:
    try:
        return parse(spelling(value), file.path.parent)
    except ValueError as reason:
        raise Misconfigured(f"{file.path}: data.{table} {reason}") from None


def _budget(file: _File, population: str, value: object) -> tuple[str, Fraction]:
    if isinstance(value, dict) and len(value) == 1:
        kind, amount = next(iter(value.items()))
        if kind in ("epsilon", "rho") and isinstance(amount, (int, Decimal)) and not isinstance(amount, bool):
            exact = Decimal(amount)
            if exact.is_finite() and exact >= 0:
                return kind, Fraction(exact)
    raise Misconfigured(f"{file.path}: budget.{population} must be {{ epsilon = NUMBER }} or "
                        "{ rho = NUMBER }, 0 or more")
