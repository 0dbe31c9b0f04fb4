"""Stands before and behind every handler of a server: who gets in, for how long, and what gets out.

gRPC by itself sends the text of any exception to the caller, and such a text may quote a record.
The guard therefore owns every way out of a handler, decoding and encoding included:

- Refused becomes its status, its sentence, and a RefusalDetail in `cotally-refusal-bin`;
- bytes that do not parse as the request are MALFORMED;
- cancellation passes; anything else is INTERNAL with an empty text, and one log line without values.

Every method is registered as one that streams its request, also where one message is due: so the
request is not read before the entrance has let the call in, and a slow one runs into the deadline.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Any, Final, NoReturn, TypeAlias

import grpc
import grpc.aio
from google.protobuf.message import DecodeError

from cotally.v1.refusals import Refusal, Refused

from .entrance import Context, Entrance, Visit
from .logs import Log
from .pace import Pace
from .refusals import DETAIL_KEY, STATUS, to_detail

CHECK_S: Final = 1.0  # between two looks at the certificate of a call that goes on
SEND_S: Final = 30.0  # for the peer to take one message
REFUSALS_PER_S: Final = 20  # that are logged
REFUSALS_BURST: Final = 200

MaybeHandler: TypeAlias = "grpc.RpcMethodHandler[Any, Any] | None"
Behaviour = Callable[[Any, Context], Any]


class Guard(grpc.aio.ServerInterceptor):
    """Owns every way into and out of the handlers of one server."""

    def __init__(self, entrance: Entrance, log: Log) -> None:
        self.entrance = entrance
        self.log = log
        self.logged = Pace(REFUSALS_PER_S, REFUSALS_BURST)

    async def intercept_service(
        self, continuation: Callable[[grpc.HandlerCallDetails], Awaitable[MaybeHandler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> MaybeHandler:
        """The handler that gRPC found, guarded; None where there is none."""
        handler = await continuation(handler_call_details)
        if handler is None:
            return None
        guarded = _Guarded(handler, handler_call_details.method.rpartition("/")[2], self)
        if handler.response_streaming:
            return grpc.stream_stream_rpc_method_handler(guarded.serve)
        return grpc.stream_unary_rpc_method_handler(guarded.serve)


class _Guarded:
    """One handler between raw bytes in and raw bytes out."""

    def __init__(self, handler: "grpc.RpcMethodHandler[Any, Any]", method: str, guard: Guard) -> None:
        behaviours: tuple[Any, ...] = (
            handler.unary_unary, handler.unary_stream, handler.stream_unary, handler.stream_stream)
        self._behaviour: Behaviour = next(b for b in behaviours if b is not None)
        self._takes_stream = handler.request_streaming
        self._answers_stream = handler.response_streaming
        self._decode = handler.request_deserializer or bytes
        self._encode = handler.response_serializer or bytes
        self._method = method
        self._guard = guard

    async def serve(self, parts: AsyncIterator[bytes], context: Context) -> bytes | None:
        """The one answer, or None where answers were written one by one."""
        entrance = self._guard.entrance
        try:
            member = entrance.identify(context)
            with entrance.visit(member, self._method) as visit:
                try:
                    return await self._watched(self._run(parts, context, visit), context, visit)
                except Refused as refused:  # while the visit goes on: who takes no refusal keeps its place
                    await self._abort(refused, context)
        except (grpc.aio.AbortError, grpc.aio.InternalError, asyncio.CancelledError):
            raise  # we said our last word; the caller is gone; or gRPC says that it is
        except Exception as error:
            await self._abort(error, context)

    async def _run(self, parts: AsyncIterator[bytes], context: Context, visit: Visit) -> bytes | None:
        await visit.turn()
        request = self._each(parts, visit)
        behaviour = self._behaviour(request if self._takes_stream else await self._one(request), context)
        if not self._answers_stream:
            return self._encode(await behaviour)
        async with aclosing(behaviour) as answers:  # the handler's generator is closed when the call ends
            async for answer in answers:
                await self._send(self._encode(answer), context)
        return None

    async def _watched(
        self, running: Awaitable[bytes | None], context: Context, visit: Visit,
    ) -> bytes | None:
        """Run it until it ends, its time is up, or its caller is not let in any more."""
        loop = asyncio.get_running_loop()
        end = loop.time() + (float("inf") if visit.seconds is None else visit.seconds)
        task = asyncio.ensure_future(running)
        try:
            while not (await asyncio.wait({task}, timeout=min(CHECK_S, max(0.0, end - loop.time()))))[0]:
                self._guard.entrance.identify(context)
                if loop.time() >= end:
                    raise Refused(Refusal.OVERLOADED, f"{self._method} took more than {visit.seconds} s")
            return task.result()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)  # its handler cleans up

    async def _each(self, parts: AsyncIterator[bytes], visit: Visit) -> AsyncIterator[Any]:
        async for data in parts:
            try:
                yield self._decode(visit.take(data))
            except DecodeError:
                raise Refused(Refusal.MALFORMED,
                              f"the request of {self._method} does not parse") from None

    async def _one(self, request: AsyncIterator[Any]) -> Any:
        async for message in request:
            return message
        raise Refused(Refusal.MALFORMED, f"the request of {self._method} does not hold a message")

    async def _send(self, data: bytes, context: Context) -> None:
        try:
            async with asyncio.timeout(SEND_S):
                await context.write(data)
        except TimeoutError:
            raise Refused(Refusal.OVERLOADED,
                          f"the caller of {self._method} took nothing for {SEND_S:g} s") from None

    async def _abort(self, error: Exception, context: Context) -> NoReturn:
        if isinstance(error, Refused):
            if self._guard.logged.admits(asyncio.get_running_loop().time()):
                self._guard.log.event("refused", method=self._method, refusal=error.refusal,
                                      message=error.message)
            detail = to_detail(error).SerializeToString()
            await context.abort(STATUS[error.refusal], error.message, ((DETAIL_KEY, detail),))
        self._guard.log.exception("internal_error", error, method=self._method)
        await context.abort(grpc.StatusCode.INTERNAL, "")
