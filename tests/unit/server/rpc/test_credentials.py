from datetime import UTC, datetime
from pathlib import Path

import pytest

from cotally.server.ops import pki
from cotally.server.rpc import credentials
from cotally.v1.refusals import Misconfigured
from tests.unit.loopback import LONG_AGO, Federation


@pytest.fixture
def federation(tmp_path: Path) -> Federation:
    return Federation.create(tmp_path / "fed")


def attempt(federation: Federation, name: str = "north", /, **changed: Path) -> credentials.Credentials:
    files = federation.files[name]
    return credentials.load(changed.get("ca", federation.ca), changed.get("certificate", files.certificate),
                            changed.get("key", files.key))


def test_good_files_load_and_hide_the_key(federation: Federation) -> None:
    loaded = attempt(federation)
    assert "PRIVATE KEY" not in repr(loaded) and loaded.for_client() is not None
    assert attempt(federation, "coordinator").for_server() is not None


@pytest.mark.parametrize("which", ["ca", "certificate", "key"])
def test_missing_and_not_pem(federation: Federation, tmp_path: Path, which: str) -> None:
    gone = tmp_path / "gone.pem"
    with pytest.raises(Misconfigured, match=r"gone\.pem: there is no such"):
        attempt(federation, "north", **{which: gone})
    gone.write_bytes(b"-----BEGIN NOTHING-----\n")
    gone.chmod(0o600)
    with pytest.raises(Misconfigured, match=r"gone\.pem: this is not a PEM"):
        attempt(federation, "north", **{which: gone})


def test_a_key_of_somebody_else(federation: Federation) -> None:
    with pytest.raises(Misconfigured, match=r"k1\.key: this private key does not belong to .*north\.pem"):
        attempt(federation, key=federation.files["k1"].key)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_a_key_that_others_can_read(federation: Federation, mode: int) -> None:
    federation.files["north"].key.chmod(mode)
    with pytest.raises(Misconfigured, match=r"north\.key: others can read .* chmod 600"):
        attempt(federation)


def test_expired_and_not_yet_valid(federation: Federation) -> None:
    federation.issue("old", pki.Role.NODE, LONG_AGO)
    with pytest.raises(Misconfigured, match=r"old\.pem: this certificate expired on 2021-01-01 00:00 UTC"):
        attempt(federation, "old")
    future = pki.Validity(datetime(2031, 1, 1, tzinfo=UTC), datetime(2032, 1, 1, tzinfo=UTC))
    federation.issue("early", pki.Role.NODE, future)
    with pytest.raises(Misconfigured, match=r"early\.pem: this certificate is not valid before 2031-01-01"):
        attempt(federation, "early")


def test_a_certificate_that_expires_while_the_role_runs(federation: Federation) -> None:
    loaded = attempt(federation)
    with pytest.raises(Misconfigured, match="expired"):
        loaded.check(datetime(2099, 1, 1, tzinfo=UTC))


def test_another_federation_of_the_same_name(federation: Federation, tmp_path: Path) -> None:
    other = Federation.create(tmp_path / "other")
    with pytest.raises(Misconfigured, match=r"north\.pem: .* signed by another CA than .*ca\.pem"):
        attempt(federation, ca=other.ca)


def test_a_ca_file_may_hold_an_old_and_a_new_authority(federation: Federation, tmp_path: Path) -> None:
    other = Federation.create(tmp_path / "other")
    both = tmp_path / "both.pem"
    both.write_bytes(other.ca.read_bytes() + federation.ca.read_bytes())
    assert attempt(federation, ca=both)


def test_each_kind_of_certificate_only_at_its_end(federation: Federation) -> None:
    with pytest.raises(Misconfigured, match="was not issued for the coordinator"):
        attempt(federation, "north").for_server()
    with pytest.raises(Misconfigured, match="was not issued for a party that dials"):
        attempt(federation, "coordinator").for_client()
