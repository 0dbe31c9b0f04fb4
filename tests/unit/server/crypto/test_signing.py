"""Signatures verify under their key only, and signing keys stay private on disk."""

import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from cotally.server.crypto.signing import SigningKey, verify
from cotally.v1.refusals import Misconfigured


def test_a_signature_verifies_under_its_key_and_data_only() -> None:
    key, other = SigningKey.generate(), SigningKey.generate()
    signature = key.sign(b"data")
    assert verify(key.public, b"data", signature)
    assert not verify(other.public, b"data", signature)
    assert not verify(key.public, b"date", signature)
    assert not verify(key.public, b"data", signature[:-1])
    assert not verify(key.public, b"data", bytes([signature[0] ^ 1]) + signature[1:])
    assert not verify(key.public, b"data", b"")
    assert not verify(b"short", b"data", signature)


def test_rfc_8032_test_1() -> None:
    public = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
    signature = bytes.fromhex(
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
        "d25bf5f0595bbe24655141438e7a100b")
    assert verify(public, b"", signature)
    assert not verify(public, b"\0", signature)


def test_a_saved_key_loads_again_with_mode_0600(tmp_path: Path) -> None:
    key, path = SigningKey.generate(), tmp_path / "signing.pem"
    key.save(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_bytes().startswith(b"-----BEGIN PRIVATE KEY-----")
    loaded = SigningKey.load(path)
    assert loaded.public == key.public
    assert verify(key.public, b"x", loaded.sign(b"x"))
    with pytest.raises(Misconfigured, match="is there already"):
        SigningKey.generate().save(path)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660])
def test_a_lax_mode_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "signing.pem"
    SigningKey.generate().save(path)
    path.chmod(mode)
    with pytest.raises(Misconfigured, match="chmod 600"):
        SigningKey.load(path)


def test_another_kind_of_key_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "signing.pem"
    pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    for content in (b"", b"nonsense", pem):
        path.write_bytes(content)
        path.chmod(0o600)
        with pytest.raises(Misconfigured, match="does not hold an unencrypted Ed25519 key"):
            SigningKey.load(path)


def test_a_key_does_not_print() -> None:
    key = SigningKey.generate()
    assert repr(key) == f"SigningKey(public={key.public.hex()})"
