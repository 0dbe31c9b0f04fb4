from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from cotally.client.profile import load
from cotally.v1.refusals import Misconfigured

GOOD = {
    "name": '"ann"', "coordinator": '"127.0.0.1:7443"', "ca": '"ca.pem"', "certificate": '"ann.pem"',
    "key": '"ann.key"', "signing_key": '"keys/sign.key"',
    "roster": f'"{"ab" * 32}"', "purposes": '["statistics"]',
}


def write(folder: Path, **changed: str | None) -> Path:
    path = folder / "profile.toml"
    lines = [f"{key} = {value}" for key, value in (GOOD | changed).items() if value is not None]
    path.write_text("\n".join(lines))
    return path


def test_paths_are_relative_to_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path)
    monkeypatch.setenv("COTALLY_PROFILE", str(path))
    profile = load()
    assert profile == load(path)
    assert profile.name == "ann" and profile.roster == b"\xab" * 32 and profile.purposes == ("statistics",)
    assert profile.signing_key == tmp_path / "keys" / "sign.key" and profile.ca == tmp_path / "ca.pem"


@pytest.mark.parametrize("key", list(GOOD))
def test_each_key_is_needed_and_typed(tmp_path: Path, key: str) -> None:
    with pytest.raises(Misconfigured, match=rf"profile\.toml: `{key}` is missing"):
        load(write(tmp_path, **{key: None}))
    with pytest.raises(Misconfigured, match=rf"profile\.toml: `{key}` must be"):
        load(write(tmp_path, **{key: "3"}))


@pytest.mark.parametrize("key, value, text", [
    ("roster", '"xyz"', "`roster` must be a fingerprint of 64 hex digits"),
    ("roster", '"abcd"', "`roster` must be a fingerprint of 64 hex digits"),
    ("coordinator", '"localhost"', "`coordinator` is 'localhost'; write host:port"),
    ("coordinator", '"localhost:0"', "write host:port"),
    ("purposes", "[]", "`purposes` must be a list"),
    ("purposes", "[1]", "`purposes` must be a list"),
    ("passphrase", '"x"', "'passphrase' is no key of a profile"),
    ("name", '"unended', "the profile is not TOML"),
])
def test_strange_values_are_named(tmp_path: Path, key: str, value: str, text: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        load(write(tmp_path, **{key: value}))
    assert text in caught.value.message and "profile.toml" in caught.value.message


def test_no_profile_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COTALLY_PROFILE", raising=False)
    with pytest.raises(Misconfigured, match="set COTALLY_PROFILE"):
        load()
    with pytest.raises(Misconfigured, match=r"none\.toml: there is no such profile"):
        load(tmp_path / "none.toml")
    with pytest.raises(Misconfigured, match="cannot be read"):
        load(tmp_path)
    (tmp_path / "latin.toml").write_bytes(b"name = '\xe9'")
    with pytest.raises(Misconfigured, match="is not UTF-8"):
        load(tmp_path / "latin.toml")


def test_the_signing_key(tmp_path: Path) -> None:
    profile = load(write(tmp_path, signing_key='"sign.key"'))
    with pytest.raises(Misconfigured, match=r"sign\.key: there is no such private key"):
        profile.signer()
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    profile.signing_key.write_bytes(pem)
    profile.signing_key.chmod(0o644)
    with pytest.raises(Misconfigured, match=r"sign\.key: others can read .* chmod 600"):
        profile.signer()
    profile.signing_key.chmod(0o600)
    assert profile.signer().public_key() == key.public_key()
    assert "PRIVATE" not in repr(profile)
    profile.signing_key.write_bytes(b"junk")
    with pytest.raises(Misconfigured, match="not a PEM private key"):
        profile.signer()
    strange = ec.generate_private_key(ec.SECP256R1())
    profile.signing_key.write_bytes(strange.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    with pytest.raises(Misconfigured, match="not an Ed25519 key"):
        profile.signer()
