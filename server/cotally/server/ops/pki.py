"""A federation's own small CA: ECDSA P-256, one kind of certificate per role.

X.509 is transport only: who somebody is says the roster, which holds the SHA-256 of each
certificate's key (`spki_sha256`). The CA decides who may open a connection at all.

    ca.pem, ca.key            the authority; the key stays with whoever runs the ceremony
    NAME.pem, NAME.key        a member's certificate and key, or NAME.csr until it is signed
"""

import ipaddress
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from cotally.server.rpc.credentials import CLIENT, SERVER, parse_certificates, read, read_private, spki_sha256
from cotally.server.rpc.credentials import utc_now as _utc_now
from cotally.v1.refusals import Misconfigured

__all__ = ["Authority", "Files", "Role", "Validity", "create_authority", "issue", "issue_files",
           "load_authority", "request", "sign_request", "spki_sha256"]

CA_CERTIFICATE: Final = "ca.pem"
CA_KEY: Final = "ca.key"
LOOPBACK: Final = ("localhost", "127.0.0.1")
_SKEW: Final = timedelta(minutes=5)  # a member's clock may be a little behind


class Role(StrEnum):
    """A role as certificates name it (OU)."""

    COORDINATOR = "coordinator"
    NODE = "node"
    KEY_HOLDER = "keyholder"
    ANALYST = "analyst"


@dataclass(frozen=True, slots=True)
class Validity:
    """From when to when a certificate is accepted."""

    start: datetime
    end: datetime

    @classmethod
    def of_days(cls, days: int) -> "Validity":
        """From five minutes ago, for clocks that are behind, to *days* from now."""
        now = _utc_now()
        return cls(now - _SKEW, now + timedelta(days=days))


@dataclass(frozen=True, slots=True)
class Authority:
    """The CA's certificate and key. The repr hides the key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey = field(repr=False)


@dataclass(frozen=True, slots=True)
class Files:
    """Where a member's certificate and key lie, and what the roster calls `tls_key` (32 bytes)."""

    certificate: Path
    key: Path
    tls_key: bytes


def create_authority(folder: Path, federation: str, validity: Validity | None = None) -> Authority:
    """Make the CA of *federation* in *folder*; refuses to replace one (Misconfigured)."""
    folder.mkdir(parents=True, exist_ok=True)
    valid = validity or Validity.of_days(3650)
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name(f"{federation} CA", "authority")
    certificate = (
        _builder(name, name, key.public_key(), valid)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_AUTHORITY_USAGE, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256()))
    _write_private(folder / CA_KEY, key)
    (folder / CA_CERTIFICATE).write_bytes(certificate.public_bytes(Encoding.PEM))
    return Authority(certificate, key)


def load_authority(folder: Path) -> Authority:
    """The CA in *folder*; Misconfigured names the file that is missing, lax or not what it should be."""
    path = folder / CA_CERTIFICATE
    certificate = parse_certificates(path, read(path, "CA certificate"))[0]
    try:
        key = load_pem_private_key(read_private(folder / CA_KEY), password=None)
    except (ValueError, TypeError):
        raise Misconfigured(f"{folder / CA_KEY}: this is not a PEM private key without passphrase") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
        raise Misconfigured(f"{folder / CA_KEY}: this private key does not belong to {path}")
    return Authority(certificate, key)


def issue(
    authority: Path | Authority, name: str, role: Role, public_key: ec.EllipticCurvePublicKey, *,
    hosts: Sequence[str] = (), validity: Validity | None = None,
) -> x509.Certificate:
    """Certify that *public_key* belongs to *name* in *role*.

    A coordinator's certificate serves TLS on loopback and *hosts*; every other role may only dial,
    so no node or analyst can pose as the coordinator. Lasts 400 days unless told otherwise, and
    never longer than the CA.
    """
    ca = load_authority(authority) if isinstance(authority, Path) else authority
    valid = validity or Validity.of_days(400)
    valid = Validity(valid.start, min(valid.end, ca.certificate.not_valid_after_utc))
    serves = role is Role.COORDINATOR
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(ca.key.public_key())
    builder = (
        _builder(_name(name, role), ca.certificate.subject, public_key, valid)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_MEMBER_USAGE, critical=True)
        .add_extension(x509.ExtendedKeyUsage([SERVER if serves else CLIENT]), critical=False)
        .add_extension(issuer, critical=False))
    if serves:
        alternatives = [_alternative(host) for host in dict.fromkeys((*LOOPBACK, *hosts))]
        builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
    return builder.sign(ca.key, hashes.SHA256())


def issue_files(
    authority: Path | Authority, into: Path, name: str, role: Role, *,
    hosts: Sequence[str] = (), validity: Validity | None = None,
) -> Files:
    """Make a new key and its certificate as NAME.key (mode 0600) and NAME.pem in *into*."""
    into.mkdir(parents=True, exist_ok=True)
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = issue(authority, name, role, key.public_key(), hosts=hosts, validity=validity)
    _write_private(into / f"{name}.key", key)
    (into / f"{name}.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    return Files(into / f"{name}.pem", into / f"{name}.key", spki_sha256(certificate))


def request(folder: Path, name: str, role: Role) -> Path:
    """Make NAME.key (mode 0600), which stays here, and NAME.csr, which goes to the CA; return the latter."""
    folder.mkdir(parents=True, exist_ok=True)
    key = ec.generate_private_key(ec.SECP256R1())
    csr = x509.CertificateSigningRequestBuilder().subject_name(_name(name, role)).sign(key, hashes.SHA256())
    _write_private(folder / f"{name}.key", key)
    path = folder / f"{name}.csr"
    path.write_bytes(csr.public_bytes(Encoding.PEM))
    return path


def sign_request(
    authority: Path | Authority, csr: Path, name: str, role: Role, *,
    hosts: Sequence[str] = (), validity: Validity | None = None,
) -> x509.Certificate:
    """Sign the request in *csr* for the *name* and *role* that the signer expects.

    Only the key is taken from the request: subject, usages and hosts are the signer's own words.
    Misconfigured if the request is broken, not P-256, or asks for another name or role.
    """
    try:
        asked = x509.load_pem_x509_csr(read(csr, "certificate request"))
        key = asked.public_key()
        sound = asked.is_signature_valid
    except (ValueError, InvalidSignature):
        raise Misconfigured(f"{csr}: this is not a PEM certificate request") from None
    if not sound:
        raise Misconfigured(f"{csr}: whoever made this request does not hold its key")
    if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name != "secp256r1":
        raise Misconfigured(f"{csr}: this request is not for an ECDSA P-256 key")
    if asked.subject != _name(name, role):
        raise Misconfigured(f"{csr}: this request is for {asked.subject.rfc4514_string()!r}, "
                            f"not for the {role} {name!r}")
    return issue(authority, name, role, key, hosts=hosts, validity=validity)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, valid: Validity,
) -> x509.CertificateBuilder:
    return (x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(valid.start).not_valid_after(valid.end))


def _name(name: str, unit: str) -> x509.Name:
    if "/" in name or name.startswith("."):  # it becomes a file's name
        raise Misconfigured(f"{name!r} cannot be the name of a certificate: no slash, no dot in front")
    try:
        return x509.Name([x509.NameAttribute(x509.NameOID.ORGANIZATIONAL_UNIT_NAME, unit),
                          x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    except ValueError:
        raise Misconfigured(
            f"{name!r} cannot be the name of a certificate; take 1 to 64 characters") from None


_NO_USAGE: Final = {
    "digital_signature": False, "content_commitment": False, "key_encipherment": False,
    "data_encipherment": False, "key_agreement": False, "key_cert_sign": False, "crl_sign": False,
    "encipher_only": False, "decipher_only": False,
}
_AUTHORITY_USAGE: Final = x509.KeyUsage(**(_NO_USAGE | {"key_cert_sign": True, "crl_sign": True}))
_MEMBER_USAGE: Final = x509.KeyUsage(**(_NO_USAGE | {"digital_signature": True}))


def _alternative(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        pass
    try:
        return x509.DNSName(host.encode("idna").decode())
    except (ValueError, UnicodeError):
        raise Misconfigured(f"{host!r} is neither a host name nor an IP address") from None


def _write_private(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    """Write with mode 0600 from the first byte; an existing key is never replaced."""
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise Misconfigured(f"{path}: this key exists already; remove it first if it is not needed") from None
    with os.fdopen(handle, "wb") as file:
        file.write(pem)
        file.flush()
        os.fsync(file.fileno())
