"""Who calls: from the TLS certificate to a roster entry, anew on every RPC.

TLS checks a certificate once, when the channel opens; a channel outlives certificates. So every
call checks the dates again, maps the key to the roster, and asks for the role.
"""

from typing import Any

import grpc.aio
from cryptography import x509

from cotally.v1 import roster_pb2
from cotally.v1.refusals import Refusal, Refused

from .credentials import Clock, day, spki_sha256, utc_now

_CALLED = {
    roster_pb2.ROLE_ANALYST: "an analyst",
    roster_pb2.ROLE_NODE: "a node",
    roster_pb2.ROLE_COORDINATOR: "the coordinator",
    roster_pb2.ROLE_KEY_HOLDER: "a key holder",
}


def caller(
    context: grpc.aio.ServicerContext[Any, Any], charter: roster_pb2.Charter,
    *roles: "roster_pb2.Role.ValueType", clock: Clock = utc_now,
) -> roster_pb2.Member:
    """The roster entry of whoever calls, in one of *roles* (none given: any).

    Raises Refused CREDENTIALS for a missing, expired or unknown certificate, NOT_ALLOWED for a
    member in another role.
    """
    certificate = peer_certificate(context)
    now = clock()
    if now > certificate.not_valid_after_utc:
        raise Refused(Refusal.CREDENTIALS,
                      f"the certificate of {_subject(certificate)} expired on "
                      f"{day(certificate.not_valid_after_utc)}; ask the federation's CA for a new one")
    if now < certificate.not_valid_before_utc:
        raise Refused(Refusal.CREDENTIALS,
                      f"the certificate of {_subject(certificate)} is not valid before "
                      f"{day(certificate.not_valid_before_utc)}")
    fingerprint = spki_sha256(certificate)
    found = [m for m in charter.roster.members if m.tls_key == fingerprint]
    if len(found) != 1:
        raise Refused(Refusal.CREDENTIALS,
                      f"the certificate of {_subject(certificate)} maps to no entry of the roster of "
                      f"{charter.roster.federation}")
    member = found[0]
    if roles and member.role not in roles:
        wanted = " or ".join(_CALLED[role] for role in roles)
        found_role = _CALLED.get(member.role, "in no role")
        raise Refused(Refusal.NOT_ALLOWED,
                      f"{member.name} is {found_role} in the roster; this call is for {wanted}")
    return member


def peer_certificate(context: grpc.aio.ServicerContext[Any, Any]) -> x509.Certificate:
    """The certificate that the caller showed; a stream that lives long may look at its dates again."""
    for pem in context.auth_context().get("x509_pem_cert", ()):
        try:
            return x509.load_pem_x509_certificate(pem)
        except ValueError:
            break
    raise Refused(Refusal.CREDENTIALS, "the caller shows no certificate; every call needs mutual TLS")


def _subject(certificate: x509.Certificate) -> str:
    names = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return repr(str(names[0].value)) if names else "a nameless caller"
