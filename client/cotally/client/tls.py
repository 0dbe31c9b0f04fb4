"""The analyst's TLS files, checked before the first dial, so that a wrong one is named here.

A file that is missing or is not what it should be is Misconfigured; a certificate that the
federation would not accept is Refused CREDENTIALS, with what to mend.
"""

from datetime import UTC, datetime
from pathlib import Path

import grpc
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID

from cotally.v1.refusals import Misconfigured, Refusal, Refused

from .profile import Profile, read_private


def credentials(profile: Profile, now: datetime | None = None) -> grpc.ChannelCredentials:
    """What the profile's owner shows to the coordinator. Raises Misconfigured or Refused CREDENTIALS."""
    moment = now or datetime.now(UTC)
    root = _read(profile.ca, "CA certificate")
    chain = _read(profile.certificate, "certificate")
    key = read_private(profile.key)
    authorities = _certificates(profile.ca, root)
    own = _certificates(profile.certificate, chain)[0]
    _check_pair(profile, own, key)
    if not any(_issued(own, authority) for authority in authorities):
        raise Refused(Refusal.CREDENTIALS,
                      f"{profile.certificate} was signed by another CA than {profile.ca}; "
                      "both must come from the same federation")
    _check_dates(profile.certificate, own, moment)
    for authority in authorities:
        _check_dates(profile.ca, authority, moment)
    _check_purpose(profile.certificate, own)
    return grpc.ssl_channel_credentials(root, key, chain)


def _read(path: Path, what: str) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise Misconfigured(f"{path}: there is no such {what} file") from None
    except OSError as reason:
        raise Misconfigured(f"{path}: the {what} cannot be read: {reason.strerror}") from None


def _certificates(path: Path, pem: bytes) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError:
        raise Misconfigured(f"{path}: this is not a PEM certificate") from None


def _issued(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _check_pair(profile: Profile, certificate: x509.Certificate, pem: bytes) -> None:
    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError):
        raise Misconfigured(f"{profile.key}: this is not a PEM private key without passphrase") from None
    if key.public_key() != certificate.public_key():
        raise Misconfigured(
            f"{profile.key}: this private key does not belong to the certificate {profile.certificate}")


def _check_dates(path: Path, certificate: x509.Certificate, now: datetime) -> None:
    if now > certificate.not_valid_after_utc:
        raise Refused(Refusal.CREDENTIALS,
                      f"{path} expired on {certificate.not_valid_after_utc:%Y-%m-%d %H:%M UTC}; "
                      "ask the federation's CA for a new certificate")
    if now < certificate.not_valid_before_utc:
        raise Refused(Refusal.CREDENTIALS,
                      f"{path} is not valid before {certificate.not_valid_before_utc:%Y-%m-%d %H:%M UTC}; "
                      "check this machine's clock")


def _check_purpose(path: Path, certificate: x509.Certificate) -> None:
    try:
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        usage = x509.ExtendedKeyUsage([])
    if ExtendedKeyUsageOID.CLIENT_AUTH not in usage:
        raise Refused(Refusal.CREDENTIALS,
                      f"{path} was not issued for an analyst; it cannot open a connection")
