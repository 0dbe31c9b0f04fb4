"""Key shares at rest: scrypt and AES-256-GCM, bound to the public key they belong to.

The container is one JSON object: `kind`, `version`, `index`, `public_key` (hex fingerprint), `n`,
`r`, `p`, `salt`, `nonce`, `sealed` (hex). Everything but `sealed` is authenticated with it.
"""

import json
import secrets
from json import JSONDecodeError
from pathlib import Path
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from cotally.v1.refusals import Misconfigured

from . import private_files
from .keys import KeyShare
from .transcript import frame, minimal

KIND: Final = "cotally key share"
VERSION: Final = 1
_SCRYPT: Final = {"n": 1 << 16, "r": 8, "p": 1}  # 64 MiB, about 0.2 s
_NUMBERS: Final = {"version", "index", "n", "r", "p"}
_BYTES: Final = {"public_key": 0, "salt": 16, "nonce": 12, "sealed": 0}  # length; 0: any


def seal(share: KeyShare, public_fingerprint: bytes, passphrase: bytes) -> bytes:
    """Return the sealed container of *share*, for the public key of that fingerprint."""
    if not passphrase:
        raise Misconfigured("the passphrase of a key share is empty")
    header = {
        "kind": KIND, "version": VERSION, "index": share.index, "public_key": public_fingerprint.hex(),
        **_SCRYPT, "salt": secrets.token_hex(16), "nonce": secrets.token_hex(12),
    }
    sealed = _cipher(header, passphrase).encrypt(
        bytes.fromhex(str(header["nonce"])), minimal(share.secret), _bound(header))
    return json.dumps(header | {"sealed": sealed.hex()}, indent=1).encode() + b"\n"


def unseal(data: bytes, passphrase: bytes, public_fingerprint: bytes) -> KeyShare:
    """Return the share in *data*.

    Raises Misconfigured for another format or version, another public key, a wrong passphrase or a
    file that was changed.
    """
    header = _parse(data)
    if header["public_key"] != public_fingerprint.hex():
        raise Misconfigured("the key share belongs to another public key than the roster's")
    try:
        secret = _cipher(header, passphrase).decrypt(
            bytes.fromhex(header["nonce"]), bytes.fromhex(header["sealed"]), _bound(header))
    except InvalidTag:
        raise Misconfigured("the passphrase does not open the key share (or the file was changed)") from None
    return KeyShare(header["index"], int.from_bytes(secret, "big"))


def write(path: Path, share: KeyShare, public_fingerprint: bytes, passphrase: bytes) -> None:
    """Seal *share* into the new file *path* of mode 0600."""
    private_files.write(path, seal(share, public_fingerprint, passphrase))


def read(path: Path, passphrase: bytes, public_fingerprint: bytes) -> KeyShare:
    """Return the share in the file *path*; refuse a file that group or others can touch."""
    data = private_files.read(path)
    try:
        return unseal(data, passphrase, public_fingerprint)
    except Misconfigured as error:
        raise Misconfigured(f"{path}: {error.message}") from None


def belongs(path: Path, public_fingerprint: bytes) -> bool:
    """True where the file *path* says that it holds a share of that public key; it is not opened."""
    try:
        return bool(_parse(private_files.read(path))["public_key"] == public_fingerprint.hex())
    except Misconfigured as error:
        raise Misconfigured(f"{path}: {error.message}") from None


def _parse(data: bytes) -> dict[str, Any]:
    try:
        header = json.loads(data)
    except (JSONDecodeError, UnicodeDecodeError, RecursionError):
        header = None
    if not isinstance(header, dict) or header.get("kind") != KIND:
        raise Misconfigured("this is not a key share of cotally")
    if header.get("version") != VERSION:
        raise Misconfigured(f"the key share has version {header.get('version')!r}; "
                            f"this program reads {VERSION}")
    if not _well_formed(header):
        raise Misconfigured("the key share is damaged: a field is missing or out of range")
    return header


def _well_formed(header: dict[str, Any]) -> bool:
    if set(header) != {"kind"} | _NUMBERS | set(_BYTES):
        return False
    if not all(type(header[name]) is int and header[name] > 0 for name in _NUMBERS):
        return False
    n, r, p = header["n"], header["r"], header["p"]
    if n & (n - 1) or not 1 << 14 <= n <= 1 << 20 or r != 8 or p > 4:  # at most 1 GiB
        return False
    for name, length in _BYTES.items():
        try:
            value = bytes.fromhex(header[name])
        except (TypeError, ValueError):
            return False
        if length and len(value) != length:
            return False
    return True


def _cipher(header: dict[str, Any], passphrase: bytes) -> AESGCM:
    kdf = Scrypt(bytes.fromhex(header["salt"]), 32, header["n"], header["r"], header["p"])
    return AESGCM(kdf.derive(passphrase))


def _bound(header: dict[str, Any]) -> bytes:
    """Return the bytes that the seal authenticates beside the share."""
    return frame(header["kind"].encode(), header["version"], header["index"],
                 bytes.fromhex(header["public_key"]), header["n"], header["r"], header["p"],
                 bytes.fromhex(header["salt"]), bytes.fromhex(header["nonce"]))
