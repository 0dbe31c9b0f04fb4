"""Refusals on the wire: one table to gRPC's codes, one interceptor out, one function back in.

gRPC by itself sends the text of any exception to the caller, and such a text may quote a record.
The interceptor therefore owns every way out of a handler, decoding and encoding included:

- Refused becomes its status, its sentence, and a RefusalDetail in `cotally-refusal-bin`;
- bytes that do not parse as the request are MALFORMED;
- cancellation passes; anything else is INTERNAL with an empty text, and one log line without values.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import aclosing
from typing import Any, Final, NoReturn, TypeAlias

import grpc
import grpc.aio
from google.protobuf.message import DecodeError

from cotally.v1 import refusal_pb2
from cotally.v1.refusals import Refusal, Refused

from .logs import Log

DETAIL_KEY: Final = "cotally-refusal-bin"
MAX_SENTENCE: Final = 1000  # characters; metadata has a limit of its own

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

Context = grpc.aio.ServicerContext[Any, Any]
MaybeHandler: TypeAlias = "grpc.RpcMethodHandler[Any, Any] | None"
Behaviour = Callable[[Any, Context], Any]


def to_detail(refused: Refused) -> refusal_pb2.RefusalDetail:
    """The message that carries *refused* over the wire."""
    number = refusal_pb2.Refusal.Value(f"REFUSAL_{refused.refusal}")
    return refusal_pb2.RefusalDetail(refusal=number, message=refused.message[:MAX_SENTENCE])


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


class RefusalInterceptor(grpc.aio.ServerInterceptor):
    """Owns every way out of the handlers of one server."""

    def __init__(self, log: Log) -> None:
        self._log = log

    async def intercept_service(
        self, continuation: Callable[[grpc.HandlerCallDetails], Awaitable[MaybeHandler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> MaybeHandler:
        """The handler that gRPC found, wrapped; None where there is none."""
        handler = await continuation(handler_call_details)
        if handler is None:
            return None
        guard = _Guard(handler, handler_call_details.method.rpartition("/")[2], self._log)
        if handler.request_streaming and handler.response_streaming:
            return grpc.stream_stream_rpc_method_handler(guard.stream)
        if handler.request_streaming:
            return grpc.stream_unary_rpc_method_handler(guard.unary)
        if handler.response_streaming:
            return grpc.unary_stream_rpc_method_handler(guard.stream)
        return grpc.unary_unary_rpc_method_handler(guard.unary)


class _Guard:
    """One handler between raw bytes in and raw bytes out."""

    def __init__(self, handler: "grpc.RpcMethodHandler[Any, Any]", method: str, log: Log) -> None:
        behaviours: tuple[Any, ...] = (
            handler.unary_unary, handler.unary_stream, handler.stream_unary, handler.stream_stream)
        self._behaviour: Behaviour = next(b for b in behaviours if b is not None)
        self._takes_stream = handler.request_streaming
        self._decode = handler.request_deserializer or bytes
        self._encode = handler.response_serializer or bytes
        self._method = method
        self._log = log

    async def unary(self, request: Any, context: Context) -> bytes:
        """One answer."""
        try:
            return self._encode(await self._behaviour(self._parsed(request), context))
        except grpc.aio.AbortError:
            raise
        except Exception as error:
            await self._abort(error, context)

    async def stream(self, request: Any, context: Context) -> AsyncIterator[bytes]:
        """Answers, one by one; the handler's generator is closed when the call ends."""
        try:
            async with aclosing(self._behaviour(self._parsed(request), context)) as answers:
                async for answer in answers:
                    yield self._encode(answer)
        except grpc.aio.AbortError:
            raise
        except Exception as error:
            await self._abort(error, context)

    def _parsed(self, request: Any) -> Any:
        return self._each(request) if self._takes_stream else self._one(request)

    def _one(self, data: bytes) -> Any:
        try:
            return self._decode(data)
        except DecodeError:
            raise Refused(Refusal.MALFORMED, f"the request of {self._method} does not parse") from None

    async def _each(self, parts: AsyncIterator[bytes]) -> AsyncIterator[Any]:
        async for data in parts:
            yield self._one(data)

    async def _abort(self, error: Exception, context: Context) -> NoReturn:
        if isinstance(error, Refused):
            self._log.event("refused", method=self._method, refusal=error.refusal, message=error.message)
            detail = to_detail(error).SerializeToString()
            await context.abort(STATUS[error.refusal], error.message[:MAX_SENTENCE], ((DETAIL_KEY, detail),))
        self._log.exception("internal_error", error, method=self._method)
        await context.abort(grpc.StatusCode.INTERNAL, "")
