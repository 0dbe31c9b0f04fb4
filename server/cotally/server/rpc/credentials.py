"""A party's own TLS files: loaded, checked against each other and the clock, handed to gRPC.

Every sentence names the file to mend, so that a wrong certificate is found before the first dial.
"""

import hashlib
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import grpc
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID

from cotally.v1.refusals import Misconfigured

Clock = Callable[[], datetime]
CLIENT: Final = ExtendedKeyUsageOID.CLIENT_AUTH
SERVER: Final = ExtendedKeyUsageOID.SERVER_AUTH


def utc_now() -> datetime:
    """The time, with its zone."""
    return datetime.now(UTC)


def spki_sha256(certificate: x509.Certificate) -> bytes:
    """SHA-256 of the SubjectPublicKeyInfo in DER: the 32 bytes that a roster calls `tls_key`."""
    key = certificate.public_key()
    return hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).digest()


@dataclass(frozen=True, slots=True)
class Credentials:
    """One party's certificate and key, and the authorities that it trusts. The repr hides the key."""

    path: Path  # of the certificate, for sentences
    certificate: x509.Certificate
    chain: bytes
    authority: bytes
    key: bytes = field(repr=False)

    def check(self, now: datetime) -> None:
        """Raise Misconfigured unless the certificate is valid at *now*. Roles call it before each dial."""
        check_dates(self.path, self.certificate, now)

    def for_server(self) -> grpc.ServerCredentials:
        """What a listening role shows; clients without a certificate of the authority get no further."""
        _check_purpose(self.path, self.certificate, SERVER, "the coordinator")
        return grpc.ssl_server_credentials(
            [(self.key, self.chain)], root_certificates=self.authority, require_client_auth=True)

    def for_client(self) -> grpc.ChannelCredentials:
        """What a dialling role shows."""
        _check_purpose(self.path, self.certificate, CLIENT, "a party that dials")
        return grpc.ssl_channel_credentials(self.authority, self.key, self.chain)


def load(ca: Path, certificate: Path, key: Path, clock: Clock = utc_now) -> Credentials:
    """Load and check three PEM files; Misconfigured names the file and what is wrong with it."""
    now = clock()
    authority = read(ca, "CA certificate")
    authorities = parse_certificates(ca, authority)
    chain = read(certificate, "certificate")
    own = parse_certificates(certificate, chain)[0]
    secret = read_private(key)
    _check_pair(certificate, own, key, secret)
    check_issued(certificate, own, ca, authorities)
    check_dates(certificate, own, now)
    for trusted in authorities:
        check_dates(ca, trusted, now)
    return Credentials(certificate, own, chain, authority, secret)


def read(path: Path, what: str) -> bytes:
    """The bytes of a file, or Misconfigured with the reason why not."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise Misconfigured(f"{path}: there is no such {what} file") from None
    except OSError as reason:
        raise Misconfigured(f"{path}: the {what} cannot be read: {reason.strerror}") from None


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


def parse_certificates(path: Path, pem: bytes) -> list[x509.Certificate]:
    """The certificates in *pem*, at least one."""
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError:
        raise Misconfigured(f"{path}: this is not a PEM certificate") from None


def check_dates(path: Path, certificate: x509.Certificate, now: datetime) -> None:
    """Raise Misconfigured unless *now* lies in the certificate's validity."""
    if now > certificate.not_valid_after_utc:
        raise Misconfigured(f"{path}: this certificate expired on {day(certificate.not_valid_after_utc)}; "
                            "ask the federation's CA for a new one")
    if now < certificate.not_valid_before_utc:
        raise Misconfigured(f"{path}: this certificate is not valid before "
                            f"{day(certificate.not_valid_before_utc)}; check this machine's clock")


def check_issued(
    path: Path, certificate: x509.Certificate, ca: Path, authorities: list[x509.Certificate],
) -> None:
    """Raise Misconfigured unless one of *authorities* signed *certificate*."""
    for authority in authorities:
        try:
            certificate.verify_directly_issued_by(authority)
        except (ValueError, TypeError, InvalidSignature):
            continue
        return
    raise Misconfigured(f"{path}: this certificate was signed by another CA than {ca}; "
                        "both must come from the same federation")


def day(moment: datetime) -> str:
    """Date and minute in UTC, for sentences."""
    return moment.strftime("%Y-%m-%d %H:%M UTC")


def _check_pair(path: Path, certificate: x509.Certificate, key_path: Path, pem: bytes) -> None:
    try:
        key = load_pem_private_key(pem, password=None)
    except TypeError:
        raise Misconfigured(f"{key_path}: this private key has a passphrase; TLS keys are stored without, "
                            "readable by their owner only") from None
    except ValueError:
        raise Misconfigured(f"{key_path}: this is not a PEM private key") from None
    if not isinstance(key, EllipticCurvePrivateKey) or key.curve.name != "secp256r1":
        raise Misconfigured(f"{key_path}: this is not an ECDSA P-256 key")
    if key.public_key() != certificate.public_key():
        raise Misconfigured(f"{key_path}: this private key does not belong to the certificate {path}")


def _check_purpose(
    path: Path, certificate: x509.Certificate, purpose: x509.ObjectIdentifier, holder: str,
) -> None:
    try:
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        usage = x509.ExtendedKeyUsage([])
    if purpose not in usage:
        raise Misconfigured(f"{path}: this certificate was not issued for {holder}")
