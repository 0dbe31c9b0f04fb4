"""Share files open for the right passphrase, key and mode, and say what is wrong otherwise."""

import json
import os
import stat
from pathlib import Path

import pytest

from cotally.server.crypto import sharefile
from cotally.server.crypto.keys import KeyShare
from cotally.v1.refusals import Misconfigured
from tests.fixtures.keys import small_dealt

SHARE = small_dealt().shares[1]
FINGERPRINT = bytes(range(32))


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sharefile._SCRYPT, "n", 1 << 14)


def test_a_sealed_share_opens_again_and_shows_nothing() -> None:
    data = sharefile.seal(SHARE, FINGERPRINT, b"correct horse")
    assert sharefile.unseal(data, b"correct horse", FINGERPRINT) == SHARE
    assert f"{SHARE.secret:x}"[:40] not in data.decode()
    assert str(SHARE.secret)[:40] not in data.decode()
    assert json.loads(data)["version"] == 1
    assert data != sharefile.seal(SHARE, FINGERPRINT, b"correct horse")


def test_a_wrong_passphrase_is_one_clear_sentence() -> None:
    data = sharefile.seal(SHARE, FINGERPRINT, b"correct horse")
    with pytest.raises(Misconfigured, match="the passphrase does not open the key share"):
        sharefile.unseal(data, b"battery staple", FINGERPRINT)


def test_an_empty_passphrase_is_refused() -> None:
    with pytest.raises(Misconfigured, match="empty"):
        sharefile.seal(SHARE, FINGERPRINT, b"")


def test_another_public_key_is_refused_even_when_the_header_is_edited() -> None:
    data = sharefile.seal(SHARE, FINGERPRINT, b"p")
    other = bytes(32)
    with pytest.raises(Misconfigured, match="another public key"):
        sharefile.unseal(data, b"p", other)
    edited = json.loads(data) | {"public_key": other.hex()}
    with pytest.raises(Misconfigured, match="was changed"):
        sharefile.unseal(json.dumps(edited).encode(), b"p", other)


@pytest.mark.parametrize("edit", [{"index": 1}, {"p": 2}, {"salt": "00" * 16}, {"nonce": "00" * 12},
                                  {"sealed": "00" * 300}, {"n": 1 << 15}])
def test_every_field_is_bound(edit: dict[str, object]) -> None:
    header = json.loads(sharefile.seal(SHARE, FINGERPRINT, b"p")) | edit
    with pytest.raises(Misconfigured, match="was changed"):
        sharefile.unseal(json.dumps(header).encode(), b"p", FINGERPRINT)


@pytest.mark.parametrize(("edit", "word"), [
    ({"kind": "age"}, "not a key share"), ({"version": 2}, "version 2"), ({"version": "1"}, "version"),
    ({"n": 1 << 40}, "damaged"), ({"n": 3}, "damaged"), ({"n": True}, "damaged"), ({"r": 1 << 20}, "damaged"),
    ({"salt": "zz"}, "damaged"), ({"nonce": ""}, "damaged"), ({"index": -1}, "damaged"),
    ({"more": 1}, "damaged"), ({"sealed": 5}, "damaged"),
])
def test_other_formats_are_refused(edit: dict[str, object], word: str) -> None:
    header = json.loads(sharefile.seal(SHARE, FINGERPRINT, b"p")) | edit
    with pytest.raises(Misconfigured, match=word):
        sharefile.unseal(json.dumps(header).encode(), b"p", FINGERPRINT)


@pytest.mark.parametrize("data", [b"", b"\xff\xfe", b"[]", b"{}", b"null", b"[" * 100_000])
def test_anything_else_is_not_a_share(data: bytes) -> None:
    with pytest.raises(Misconfigured, match="not a key share"):
        sharefile.unseal(data, b"p", FINGERPRINT)


def test_a_written_file_has_mode_0600_and_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "a.share"
    sharefile.write(path, SHARE, FINGERPRINT, b"p")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert sharefile.read(path, b"p", FINGERPRINT) == SHARE
    with pytest.raises(Misconfigured, match="is there already"):
        sharefile.write(path, KeyShare(1, 1), FINGERPRINT, b"p")
    assert sharefile.read(path, b"p", FINGERPRINT) == SHARE


def test_a_written_file_is_on_disk_with_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A refresh deletes right after this what could make the share again."""
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(os.fstat(descriptor).st_ino))
    path = tmp_path / "a.share"
    sharefile.write(path, SHARE, FINGERPRINT, b"p")
    assert synced == [path.stat().st_ino, tmp_path.stat().st_ino]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666, 0o644, 0o601])
def test_a_file_that_others_can_touch_is_refused_with_the_remedy(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "a share"
    sharefile.write(path, SHARE, FINGERPRINT, b"p")
    path.chmod(mode)
    with pytest.raises(Misconfigured) as caught:
        sharefile.read(path, b"p", FINGERPRINT)
    assert str(path) in caught.value.message
    assert f"chmod 600 '{path}'" in caught.value.message
    path.chmod(0o400)
    assert sharefile.read(path, b"p", FINGERPRINT) == SHARE


def test_a_missing_file_or_a_folder_is_named(tmp_path: Path) -> None:
    for path in (tmp_path / "none.share", tmp_path):
        with pytest.raises(Misconfigured, match=str(path)):
            sharefile.read(path, b"p", FINGERPRINT)


def test_the_shipped_cost_is_64_mebibytes() -> None:
    from importlib import reload
    assert reload(sharefile)._SCRYPT == {"n": 1 << 16, "r": 8, "p": 1}
