import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from cotally.server.ops import pki
from cotally.server.ops.pki import Role
from cotally.v1.refusals import Misconfigured


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ca")
    pki.create_authority(folder, "test")
    return folder


def usages(certificate: x509.Certificate) -> list[x509.ObjectIdentifier]:
    return list(certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)


def new_key() -> ec.EllipticCurvePublicKey:
    return ec.generate_private_key(ec.SECP256R1()).public_key()


@pytest.mark.parametrize("role, purpose", [
    (Role.COORDINATOR, ExtendedKeyUsageOID.SERVER_AUTH),
    (Role.NODE, ExtendedKeyUsageOID.CLIENT_AUTH),
    (Role.KEY_HOLDER, ExtendedKeyUsageOID.CLIENT_AUTH),
    (Role.ANALYST, ExtendedKeyUsageOID.CLIENT_AUTH),
])
def test_each_role_has_its_one_usage(folder: Path, role: Role, purpose: x509.ObjectIdentifier) -> None:
    certificate = pki.issue(folder, "somebody", role, new_key())
    assert usages(certificate) == [purpose]
    assert certificate.subject.rfc4514_string() == f"CN=somebody,OU={role}"
    assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    certificate.verify_directly_issued_by(pki.load_authority(folder).certificate)


def test_only_the_coordinator_is_found_by_its_hosts(folder: Path) -> None:
    store = Store([pki.load_authority(folder).certificate])
    leaf = pki.issue(folder, "c", Role.COORDINATOR, new_key(), hosts=["stats.example"])
    for host in ("localhost", "stats.example"):
        PolicyBuilder().store(store).build_server_verifier(x509.DNSName(host)).verify(leaf, [])
    with pytest.raises(VerificationError):
        PolicyBuilder().store(store).build_server_verifier(x509.DNSName("other.example")).verify(leaf, [])
    node = pki.issue(folder, "n", Role.NODE, new_key())
    with pytest.raises(VerificationError):
        PolicyBuilder().store(store).build_server_verifier(x509.DNSName("localhost")).verify(node, [])


def test_private_files_are_private_and_never_replaced(tmp_path: Path) -> None:
    authority = pki.create_authority(tmp_path, "test")
    files = pki.issue_files(authority, tmp_path, "north", Role.NODE)
    for path in (tmp_path / "ca.key", files.key):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(Misconfigured, match=r"north\.key: this key exists already"):
        pki.issue_files(authority, tmp_path, "north", Role.NODE)
    with pytest.raises(Misconfigured, match=r"ca\.key: this key exists already"):
        pki.create_authority(tmp_path, "test")
    assert "PrivateKey" not in repr(authority)


def test_a_member_keeps_its_own_key(folder: Path, tmp_path: Path) -> None:
    csr = pki.request(tmp_path, "north", Role.NODE)
    assert stat.S_IMODE((tmp_path / "north.key").stat().st_mode) == 0o600
    certificate = pki.sign_request(folder, csr, "north", Role.NODE)
    assert usages(certificate) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    asked = x509.load_pem_x509_csr(csr.read_bytes())
    assert asked.public_key() == certificate.public_key()


@pytest.mark.parametrize("name, role", [("north", Role.COORDINATOR), ("south", Role.NODE)])
def test_a_request_for_somebody_else_is_not_signed(
    folder: Path, tmp_path: Path, name: str, role: Role,
) -> None:
    csr = pki.request(tmp_path, name, role)
    with pytest.raises(Misconfigured, match="not for the node 'north'"):
        pki.sign_request(folder, csr, "north", Role.NODE)


def test_a_request_cannot_bring_its_own_usages(folder: Path, tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.load_pem_x509_csr(pki.request(tmp_path, "north", Role.NODE).read_bytes()).subject
    csr = (x509.CertificateSigningRequestBuilder().subject_name(subject)
           .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
           .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
           .sign(key, hashes.SHA256()))
    path = tmp_path / "sly.csr"
    path.write_bytes(csr.public_bytes(Encoding.PEM))
    certificate = pki.sign_request(folder, path, "north", Role.NODE)
    assert usages(certificate) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def test_broken_and_foreign_requests(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "x.csr"
    path.write_bytes(b"nothing")
    with pytest.raises(Misconfigured, match=r"x\.csr: this is not a PEM certificate request"):
        pki.sign_request(folder, path, "north", Role.NODE)
    subject = x509.load_pem_x509_csr(pki.request(tmp_path, "north", Role.NODE).read_bytes()).subject
    strange = rsa.generate_private_key(65537, 2048)
    csr = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(strange, hashes.SHA256())
    path.write_bytes(csr.public_bytes(Encoding.PEM))
    with pytest.raises(Misconfigured, match="not for an ECDSA P-256 key"):
        pki.sign_request(folder, path, "north", Role.NODE)
    with pytest.raises(Misconfigured, match="there is no such certificate request file"):
        pki.sign_request(folder, tmp_path / "none.csr", "north", Role.NODE)


def test_a_request_signed_with_another_key_is_refused(folder: Path, tmp_path: Path) -> None:
    path = pki.request(tmp_path, "north", Role.NODE)
    der = bytearray(x509.load_pem_x509_csr(path.read_bytes()).public_bytes(Encoding.DER))
    own = x509.load_pem_x509_csr(path.read_bytes()).public_key()
    other = new_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    mine = own.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    path.write_bytes(x509.load_der_x509_csr(bytes(der).replace(mine, other)).public_bytes(Encoding.PEM))
    with pytest.raises(Misconfigured, match="does not hold its key"):
        pki.sign_request(folder, path, "north", Role.NODE)


def test_validity_is_as_told_and_ends_with_the_authority(tmp_path: Path) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    authority = pki.create_authority(
        tmp_path, "short", pki.Validity(now - timedelta(days=9), now + timedelta(days=3)))
    assert pki.issue(authority, "n", Role.NODE, new_key()).not_valid_after_utc == now + timedelta(days=3)
    past = pki.Validity(now - timedelta(days=5), now - timedelta(days=4))
    assert pki.issue(authority, "n", Role.NODE, new_key(), validity=past).not_valid_after_utc == past.end


@pytest.mark.parametrize("name", ["", "x" * 65, "../up", ".hidden"])
def test_names_that_cannot_be(folder: Path, name: str) -> None:
    with pytest.raises(Misconfigured, match="cannot be the name"):
        pki.issue(folder, name, Role.NODE, new_key())


def test_the_fingerprint_is_of_the_key_not_of_the_certificate(folder: Path) -> None:
    key = new_key()
    first, second = (pki.issue(folder, "n", Role.NODE, key) for _ in range(2))
    assert first != second
    assert pki.spki_sha256(first) == pki.spki_sha256(second) != pki.spki_sha256(
        pki.issue(folder, "n", Role.NODE, new_key()))
    assert len(pki.spki_sha256(first)) == 32
