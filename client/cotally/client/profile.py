"""The analyst's profile: one TOML file that says who asks, whom, and with which keys.

    name = "analyst"                      # as in the roster
    coordinator = "coordinator.example:7443"
    ca = "ca.pem"                         # paths are relative to this file
    certificate = "analyst.pem"
    key = "analyst.key"
    signing_key = "analyst-signing.key"
    roster = "9f86d081..."                # SHA-256 fingerprint of the pinned roster, 64 hex digits
    purposes = ["statistics"]
"""

import os
import stat
import tomllib
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from cotally.v1.refusals import Misconfigured

VARIABLE = "COTALLY_PROFILE"
_PATHS = ("ca", "certificate", "key", "signing_key")
_KEYS = ("name", "coordinator", *_PATHS, "roster", "purposes")


@dataclass(frozen=True, slots=True)
class Profile:
    """Where the analyst's keys lie and what he pins. Paths are absolute; `roster` is 32 bytes."""

    path: Path
    name: str
    coordinator: str
    ca: Path
    certificate: Path
    key: Path
    signing_key: Path
    roster: bytes
    purposes: tuple[str, ...]

    def signer(self) -> Ed25519PrivateKey:
        """The key that signs envelopes; Misconfigured if its file is missing, lax or another kind."""
        pem = read_private(self.signing_key)
        try:
            key = load_pem_private_key(pem, password=None)
        except (ValueError, TypeError):
            raise Misconfigured(
                f"{self.signing_key}: this is not a PEM private key without passphrase") from None
        if not isinstance(key, Ed25519PrivateKey):
            raise Misconfigured(f"{self.signing_key}: this is not an Ed25519 key, which signing needs")
        return key


def load(path: Path | str | None = None) -> Profile:
    """The profile at *path*, or where COTALLY_PROFILE points; Misconfigured names file and key."""
    place = path or os.environ.get(VARIABLE)
    if not place:
        raise Misconfigured(f"no profile is given: set {VARIABLE} to the path of a profile.toml, or name one "
                            "(--profile PATH, or connect(profile=PATH) in Python)")
    file = Path(place).expanduser().absolute()
    return _from_table(file, _read(file))


def read_private(path: Path) -> bytes:
    """The bytes of a file that only its owner may read; anything laxer is Misconfigured."""
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            if mode & 0o077:
                raise Misconfigured(f"{path}: others can read this private key (mode {mode:04o}); "
                                    f"run: chmod 600 {path}")
            return file.read()
    except FileNotFoundError:
        raise Misconfigured(f"{path}: there is no such private key file") from None
    except OSError as reason:
        raise Misconfigured(f"{path}: the private key cannot be read: {reason.strerror}") from None


def _read(file: Path) -> dict[str, object]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise Misconfigured(f"{file}: there is no such profile") from None
    except UnicodeDecodeError:
        raise Misconfigured(f"{file}: the profile is not UTF-8 text") from None
    except OSError as reason:
        raise Misconfigured(f"{file}: the profile cannot be read: {reason.strerror}") from None
    except tomllib.TOMLDecodeError as reason:
        raise Misconfigured(f"{file}: the profile is not TOML: {reason}") from None


def _from_table(file: Path, table: dict[str, object]) -> Profile:
    if strangers := sorted(table.keys() - set(_KEYS)):
        raise Misconfigured(f"{file}: {strangers[0]!r} is no key of a profile; there are {', '.join(_KEYS)}")
    text = {key: _text(file, table, key) for key in _KEYS[:-1]}
    host, colon, port = text["coordinator"].rpartition(":")
    if not (host and colon and port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise Misconfigured(f"{file}: `coordinator` is {text['coordinator']!r}; write host:port")
    return Profile(
        path=file, name=text["name"], coordinator=text["coordinator"],
        ca=file.parent / text["ca"], certificate=file.parent / text["certificate"],
        key=file.parent / text["key"], signing_key=file.parent / text["signing_key"],
        roster=_fingerprint(file, text["roster"]), purposes=_purposes(file, table))


def _text(file: Path, table: dict[str, object], key: str) -> str:
    value = table.get(key)
    if value is None:
        raise Misconfigured(f"{file}: `{key}` is missing")
    if not isinstance(value, str) or not value.strip():
        raise Misconfigured(f"{file}: `{key}` must be text that is not empty")
    return value


def _fingerprint(file: Path, text: str) -> bytes:
    try:
        roster = bytes.fromhex(text)
    except ValueError:
        roster = b""
    if len(roster) != 32:
        raise Misconfigured(f"{file}: `roster` must be a fingerprint of 64 hex digits")
    return roster


def _purposes(file: Path, table: dict[str, object]) -> tuple[str, ...]:
    value = table.get("purposes")
    if value is None:
        raise Misconfigured(f"{file}: `purposes` is missing")
    if not isinstance(value, list) or not value or not all(isinstance(p, str) and p for p in value):
        raise Misconfigured(f"{file}: `purposes` must be a list of texts, such as [\"statistics\"]")
    return tuple(value)
