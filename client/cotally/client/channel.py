"""The analyst's line to the coordinator: a mutual-TLS channel, and errors as refusals."""

from . import quiet  # isort: split

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from ipaddress import ip_address
from typing import Final

import grpc
from google.protobuf.message import DecodeError

from cotally.v1 import refusal_pb2
from cotally.v1.refusals import Refusal, Refused

from .profile import Profile
from .tls import credentials

__all__ = ["DETAIL_KEY", "MESSAGE_BYTES", "open_channel", "quiet", "refusals", "to_refused"]

DETAIL_KEY: Final = "cotally-refusal-bin"
MESSAGE_BYTES: Final = 1024 * 1024


def open_channel(profile: Profile, now: datetime | None = None) -> grpc.Channel:
    """A channel to the profile's coordinator; its own files are checked first, nothing is dialled yet.

    Raises Misconfigured for a file that is missing or broken, Refused CREDENTIALS for a certificate
    that is expired, foreign or of another kind.
    """
    options = [
        ("grpc.compression_enabled_algorithms_bitset", 1),  # a few bytes must not become many
        ("grpc.per_message_decompression", 0),
        ("grpc.max_receive_message_length", MESSAGE_BYTES),
        ("grpc.max_send_message_length", MESSAGE_BYTES),
        ("grpc.keepalive_time_ms", 20_000),
        ("grpc.keepalive_timeout_ms", 10_000),
        ("grpc.enable_http_proxy", 0 if _is_loopback(profile.coordinator) else 1),
    ]
    return grpc.secure_channel(profile.coordinator, credentials(profile, now), options=options)


@contextmanager
def refusals(address: str) -> Iterator[None]:
    """Inside, an error of a call to *address* is raised as Refused with a sentence for the analyst."""
    try:
        yield
    except grpc.RpcError as error:
        raise to_refused(error, address) from None


def to_refused(error: grpc.RpcError, address: str) -> Refused:
    """The coordinator's own refusal if it sent one, else what the transport makes of the error."""
    trailers: Iterable[tuple[str, object]] = getattr(error, "trailing_metadata", tuple)() or ()
    for key, value in trailers:
        if key == DETAIL_KEY and isinstance(value, bytes):
            return _from_detail(value)
    code, details = error.code(), error.details() or ""
    if code == grpc.StatusCode.UNAVAILABLE:
        for text, refusal, sentence in _TRANSPORT:
            if text in details:
                return Refused(refusal, sentence.format(address=address))
    refusal, sentence = _BY_CODE.get(
        code, (Refusal.INTERNAL, "the coordinator at {address} failed; its log says more"))
    return Refused(refusal, sentence.format(address=address))


def _from_detail(data: bytes) -> Refused:
    try:
        detail = refusal_pb2.RefusalDetail.FromString(data)
        name = refusal_pb2.Refusal.Name(detail.refusal).removeprefix("REFUSAL_")
        return Refused(Refusal[name], detail.message)
    except (DecodeError, ValueError, KeyError):
        return Refused(Refusal.INTERNAL, "the coordinator refused, for a reason unknown to this version")


def _is_loopback(address: str) -> bool:
    host = address.rpartition(":")[0].strip("[]")
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


_TRANSPORT: Final = (
    ("certificate has expired", Refusal.CREDENTIALS,
     "the certificate of the coordinator at {address} has expired; tell its operator"),
    ("certificate is not yet valid", Refusal.CREDENTIALS,
     "the certificate of the coordinator at {address} is not valid yet; check this machine's clock"),
    ("unsupported certificate purpose", Refusal.CREDENTIALS,
     "{address} shows a certificate that was not issued for a coordinator"),
    ("Hostname Verification Check failed", Refusal.CREDENTIALS,
     "the certificate at {address} was issued for another host; mend `coordinator` in the profile"),
    ("CERTIFICATE_VERIFY_FAILED", Refusal.CREDENTIALS,
     "the certificate at {address} was signed by another CA than the profile's `ca`; "
     "is this your federation's coordinator?"),
    ("WRONG_VERSION_NUMBER", Refusal.UNREACHABLE,
     "what listens at {address} does not speak TLS; mend `coordinator` in the profile"),
    ("errors resolving", Refusal.UNREACHABLE,
     "the host of {address} is unknown here; mend `coordinator` in the profile"),
    ("DNS resolution failed", Refusal.UNREACHABLE,
     "the host of {address} is unknown here; mend `coordinator` in the profile"),
    ("Connection refused", Refusal.UNREACHABLE,
     "nothing listens at {address}; is the coordinator running?"),
    ("failed to connect to all addresses; last error: UNAVAILABLE", Refusal.UNREACHABLE,
     "the coordinator at {address} hung up before it said anything; it may be restarting, or it does not "
     "accept the profile's certificate, in which case its log says why"),
)
_BY_CODE: Final = {
    grpc.StatusCode.UNAVAILABLE: (Refusal.UNREACHABLE, "the coordinator at {address} cannot be reached"),
    grpc.StatusCode.DEADLINE_EXCEEDED: (
        Refusal.UNREACHABLE, "the coordinator at {address} did not answer in time"),
    grpc.StatusCode.CANCELLED: (
        Refusal.UNREACHABLE, "the call to the coordinator at {address} was cancelled"),
    grpc.StatusCode.RESOURCE_EXHAUSTED: (
        Refusal.OVERLOADED, "the coordinator at {address} is busy, or this query is longer than it accepts"),
    grpc.StatusCode.UNIMPLEMENTED: (
        Refusal.PROTOCOL_VERSION,
        "the coordinator at {address} runs another version of cotally, which does not know this call"),
    grpc.StatusCode.UNAUTHENTICATED: (
        Refusal.CREDENTIALS, "the coordinator at {address} does not accept the profile's certificate"),
    grpc.StatusCode.PERMISSION_DENIED: (
        Refusal.NOT_ALLOWED, "the coordinator at {address} does not allow this call"),
}
