"""Refusals on the wire: one table to gRPC's codes, one function out, one back in.

A refusal becomes its status, its sentence, and a RefusalDetail in `cotally-refusal-bin`.
"""

from collections.abc import Iterable
from typing import Final

import grpc
from google.protobuf.message import DecodeError

from cotally.v1 import refusal_pb2
from cotally.v1.refusals import Refusal, Refused

DETAIL_KEY: Final = "cotally-refusal-bin"

STATUS: Final[dict[Refusal, grpc.StatusCode]] = {
    Refusal.MALFORMED: grpc.StatusCode.INVALID_ARGUMENT,
    Refusal.UNSUPPORTED: grpc.StatusCode.INVALID_ARGUMENT,
    Refusal.UNKNOWN_NAME: grpc.StatusCode.NOT_FOUND,
    Refusal.BAD_PRIVACY: grpc.StatusCode.INVALID_ARGUMENT,
    Refusal.NOT_ALLOWED: grpc.StatusCode.PERMISSION_DENIED,
    Refusal.PLAN_MISMATCH: grpc.StatusCode.FAILED_PRECONDITION,
    Refusal.OUT_OF_ORDER: grpc.StatusCode.FAILED_PRECONDITION,
    Refusal.REPLAYED: grpc.StatusCode.ALREADY_EXISTS,
    Refusal.EQUIVOCATION: grpc.StatusCode.ABORTED,
    Refusal.BAD_PROOF: grpc.StatusCode.INVALID_ARGUMENT,
    Refusal.STEPPED_BACK: grpc.StatusCode.DATA_LOSS,
    Refusal.EXPIRED: grpc.StatusCode.FAILED_PRECONDITION,
    Refusal.CLOCK_SKEW: grpc.StatusCode.FAILED_PRECONDITION,
    Refusal.NOT_WITNESSED: grpc.StatusCode.FAILED_PRECONDITION,
    Refusal.BUDGET_SPENT: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Refusal.TOO_FEW_DEPARTMENTS: grpc.StatusCode.FAILED_PRECONDITION,
    Refusal.TOO_FEW_KEY_HOLDERS: grpc.StatusCode.FAILED_PRECONDITION,
    Refusal.TOO_FEW_WITNESSES: grpc.StatusCode.FAILED_PRECONDITION,
    Refusal.WITHHELD: grpc.StatusCode.ABORTED,
    Refusal.UNREACHABLE: grpc.StatusCode.UNAVAILABLE,
    Refusal.OVERLOADED: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Refusal.CREDENTIALS: grpc.StatusCode.UNAUTHENTICATED,
    Refusal.PROTOCOL_VERSION: grpc.StatusCode.UNIMPLEMENTED,
    Refusal.INTERNAL: grpc.StatusCode.INTERNAL,
}


def to_detail(refused: Refused) -> refusal_pb2.RefusalDetail:
    """The message that carries *refused* over the wire."""
    number = refusal_pb2.Refusal.Value(f"REFUSAL_{refused.refusal}")
    return refusal_pb2.RefusalDetail(refusal=number, message=refused.message)


def from_detail(detail: refusal_pb2.RefusalDetail) -> Refused:
    """The refusal that *detail* carries; a number that this version does not know is INTERNAL."""
    try:
        name = refusal_pb2.Refusal.Name(detail.refusal).removeprefix("REFUSAL_")
        return Refused(Refusal[name], detail.message)
    except (ValueError, KeyError):
        return Refused(Refusal.INTERNAL, "a peer refused for a reason that this version does not know")


def from_error(error: grpc.RpcError, address: str) -> Refused:
    """What went wrong in a call to *address*, as a refusal with a sentence for whoever called."""
    for value in _details(error):
        try:
            return from_detail(refusal_pb2.RefusalDetail.FromString(value))
        except DecodeError:
            break
    code = getattr(error, "code", lambda: grpc.StatusCode.UNKNOWN)()
    return transport_refusal(code, getattr(error, "details", str)() or "", address)


def refused_by_peer(error: grpc.RpcError) -> bool:
    """True if the peer itself refused; False for what the transport made of it."""
    return bool(_details(error))


def _details(error: grpc.RpcError) -> list[bytes]:
    trailers: Iterable[tuple[str, object]] = getattr(error, "trailing_metadata", tuple)() or ()
    return [value for key, value in trailers if key == DETAIL_KEY and isinstance(value, bytes)]


def transport_refusal(code: grpc.StatusCode, details: str, address: str) -> Refused:
    """The refusal for a call that ended without one: *details* is gRPC's own text, only matched."""
    for text, refusal, sentence in _TRANSPORT:
        if text in details and code == grpc.StatusCode.UNAVAILABLE:
            return Refused(refusal, sentence.format(address=address))
    refusal, sentence = _BY_CODE.get(
        code, (Refusal.INTERNAL, "{address} failed at this call; its own log says more"))
    return Refused(refusal, sentence.format(address=address))


_TRANSPORT: Final = (
    ("certificate has expired", Refusal.CREDENTIALS,
     "the certificate that {address} shows has expired; the coordinator needs a new one"),
    ("certificate is not yet valid", Refusal.CREDENTIALS,
     "the certificate that {address} shows is not valid yet; check this machine's clock"),
    ("unsupported certificate purpose", Refusal.CREDENTIALS,
     "{address} shows a certificate that was not issued for a coordinator"),
    ("Hostname Verification Check failed", Refusal.CREDENTIALS,
     "the certificate that {address} shows was issued for another host; use the address that it names"),
    ("CERTIFICATE_VERIFY_FAILED", Refusal.CREDENTIALS,
     "the certificate that {address} shows was signed by another CA than the `ca` configured here"),
    ("WRONG_VERSION_NUMBER", Refusal.UNREACHABLE,
     "what listens at {address} does not speak TLS; is this the coordinator's address?"),
    ("errors resolving", Refusal.UNREACHABLE, "the host of {address} is unknown here"),
    ("DNS resolution failed", Refusal.UNREACHABLE, "the host of {address} is unknown here"),
    ("Connection refused", Refusal.UNREACHABLE, "nothing listens at {address}"),
    ("failed to connect to all addresses; last error: UNAVAILABLE", Refusal.UNREACHABLE,
     "{address} hung up before it said anything; it may be restarting, or it does not accept this "
     "certificate, in which case its log says why"),
)
_BY_CODE: Final = {
    grpc.StatusCode.UNAVAILABLE: (Refusal.UNREACHABLE, "{address} cannot be reached"),
    grpc.StatusCode.DEADLINE_EXCEEDED: (Refusal.UNREACHABLE, "{address} did not answer in time"),
    grpc.StatusCode.CANCELLED: (Refusal.UNREACHABLE, "the call to {address} was cancelled"),
    grpc.StatusCode.RESOURCE_EXHAUSTED: (
        Refusal.OVERLOADED, "{address} has too much to do, or this message is longer than it accepts"),
    grpc.StatusCode.UNIMPLEMENTED: (
        Refusal.PROTOCOL_VERSION,
        "{address} does not know this call; install the same release of cotally on both sides"),
    grpc.StatusCode.UNAUTHENTICATED: (Refusal.CREDENTIALS, "{address} does not accept this certificate"),
    grpc.StatusCode.PERMISSION_DENIED: (Refusal.NOT_ALLOWED, "{address} does not allow this call"),
}
