"""gRPC without sockets: real stubs and services, bytes in between, every one of them kept.

A call ends in UNAVAILABLE when the coordinator is away or dies in the middle of it, also where what was
asked is done already: the answer is what is lost.
"""

import asyncio
import contextvars
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Iterator
from contextlib import aclosing, contextmanager
from typing import Any, Self

import grpc
import grpc.aio

from cotally.server.rpc.logs import Log
from cotally.server.rpc.refusals import DETAIL_KEY, STATUS, to_detail
from cotally.v1 import roster_pb2
from cotally.v1.refusals import Refusal, Refused

from .faults import Killed

_NONE: Any = grpc.aio.Metadata()


class Wire:
    """Where the coordinator can be reached, and everything that was said."""

    def __init__(self, rng: random.Random) -> None:
        self.server: Server | None = None
        self.said: list[tuple[str, bytes]] = []  # method and message, both ways
        self._rng = rng

    async def travel(self) -> None:
        """Let a message take its time: 0.1 to 3 ms."""
        await asyncio.sleep(self._rng.uniform(0.0001, 0.003))

    def reached(self) -> "Server":
        """The coordinator, if it is there."""
        if self.server is None:
            raise lost()
        return self.server


def lost() -> grpc.aio.AioRpcError:
    """What a caller learns of a peer that is not there."""
    return grpc.aio.AioRpcError(grpc.StatusCode.UNAVAILABLE, _NONE, _NONE, "Connection refused")


class Context:
    """What a handler knows of its call."""

    def __init__(self, caller: str) -> None:
        self.caller = caller
        self.accepted = asyncio.Event()

    async def send_initial_metadata(self, _: object) -> None:
        """The hello is accepted."""
        self.accepted.set()


def caller(context: Context, charter: roster_pb2.Charter, *roles: int) -> roster_pb2.Member:
    """`rpc.identity.caller`, where the wire itself knows who calls."""
    member = next(m for m in charter.roster.members if m.name == context.caller)
    if roles and member.role not in roles:
        raise Refused(Refusal.NOT_ALLOWED, f"{member.name} is in another role")
    return member


class Server:
    """A started coordinator: its handlers, run as its own tasks."""

    address = "memory:1"

    def __init__(self, wire: Wire, log: Log) -> None:
        self._wire = wire
        self._log = log
        self._context = contextvars.copy_context()
        self._handlers: dict[str, Any] = {}

    def add_generic_rpc_handlers(self, _: object) -> None:
        """The same handlers as below."""

    def add_registered_method_handlers(self, service: str, handlers: dict[str, Any]) -> None:
        """Remember a service's handlers."""
        self._handlers |= {f"/{service}/{name}": handler for name, handler in handlers.items()}

    def start(self) -> Self:
        """Be reached."""
        self._wire.server = self
        return self

    async def stop(self) -> None:
        """Be reached no more."""

    def answer(self, path: str, sent: list[bytes], context: Context) -> "asyncio.Task[bytes]":
        """Handle one call with one answer."""
        return self.spawn(self._answer(path, sent, context))

    async def _answer(self, path: str, sent: list[bytes], context: Context) -> bytes:
        handler = self._handlers[path]
        requests = [handler.request_deserializer(data) for data in sent]
        with self._refusing():
            answer = await (handler.stream_unary(_each(requests), context) if handler.request_streaming
                            else handler.unary_unary(requests[0], context))
        return bytes(handler.response_serializer(answer))

    async def answers(self, path: str, sent: bytes, context: Context) -> AsyncIterator[bytes]:
        """Handle one call with a stream of answers."""
        handler = self._handlers[path]
        with self._refusing():
            async with aclosing(handler.unary_stream(handler.request_deserializer(sent), context)) as stream:
                async for answer in stream:
                    yield handler.response_serializer(answer)

    @contextmanager
    def _refusing(self) -> Iterator[None]:
        """What a handler raises, as callers see it: a refusal by name, or INTERNAL and not a word more."""
        try:
            yield
        except Refused as refused:
            detail = grpc.aio.Metadata((DETAIL_KEY, to_detail(refused).SerializeToString()))
            raise grpc.aio.AioRpcError(STATUS[refused.refusal], _NONE, detail, refused.message) from None
        except Exception as error:
            self._log.exception("internal_error", error)
            raise grpc.aio.AioRpcError(grpc.StatusCode.INTERNAL, _NONE, _NONE, "") from None

    def spawn(self, work: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
        """Run *work* as the coordinator's process."""
        return asyncio.get_running_loop().create_task(work, context=self._context)


async def _ended(task: "asyncio.Task[Any]") -> Any:
    """What *task* returned or refused; a dead process says nothing."""
    await asyncio.wait({task})
    if task.cancelled() or isinstance(task.exception(), Killed):
        raise lost()
    return task.result()


class Channel:
    """One party's line to the coordinator."""

    def __init__(self, wire: Wire, name: str) -> None:
        self._wire = wire
        self._name = name

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Nothing is open."""

    def unary_unary(self, path: str, request_serializer: Callable[[Any], bytes],
                    response_deserializer: Callable[[bytes], Any], **_: object,
                    ) -> Callable[..., Awaitable[Any]]:
        """One message, one answer."""
        async def call(request: Any, timeout: float = 0) -> Any:
            return await self._answer(path, [request_serializer(request)], response_deserializer)
        return call

    def stream_unary(self, path: str, request_serializer: Callable[[Any], bytes],
                     response_deserializer: Callable[[bytes], Any], **_: object,
                     ) -> Callable[..., Awaitable[Any]]:
        """Frames, one answer."""
        async def call(requests: Iterable[Any], timeout: float = 0) -> Any:
            frames = [request_serializer(request) for request in requests]
            return await self._answer(path, frames, response_deserializer)
        return call

    async def _answer(self, path: str, sent: list[bytes], decode: Callable[[bytes], Any]) -> Any:
        self._wire.said += [(path, data) for data in sent]
        await self._wire.travel()
        data = await _ended(self._wire.reached().answer(path, sent, Context(self._name)))
        self._wire.said.append((path, data))
        await self._wire.travel()
        return decode(data)

    def unary_stream(self, path: str, request_serializer: Callable[[Any], bytes],
                     response_deserializer: Callable[[bytes], Any], **_: object) -> "Callable[..., Stream]":
        """One message, frames."""
        def call(request: Any, timeout: float = 0) -> Stream:
            return Stream(self._wire, path, request_serializer(request), self._name, response_deserializer)
        return call


def line(wire: Wire, name: str) -> Any:
    """A channel for the stubs of *name*, which know those of gRPC alone."""
    return Channel(wire, name)


async def _each(requests: list[Any]) -> AsyncIterator[Any]:
    for request in requests:
        yield request


class Stream:
    """A call whose answers come one by one."""

    def __init__(self, wire: Wire, path: str, request: bytes, name: str,
                 decode: Callable[[bytes], Any]) -> None:
        self._wire, self._path, self._decode = wire, path, decode
        self._context = Context(name)
        self._queue: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._pump: asyncio.Task[None] | None = None
        wire.said.append((path, request))
        if (server := wire.server) is not None:
            self._pump = server.spawn(self._run(server.answers(path, request, self._context)))
            self._pump.add_done_callback(self._over)

    async def _run(self, answers: AsyncIterator[bytes]) -> None:
        await self._wire.travel()
        async for data in answers:
            await self._wire.travel()
            self._wire.said.append((self._path, data))
            self._queue.put_nowait(data)

    def _over(self, _: object) -> None:
        self._context.accepted.set()
        self._queue.put_nowait(None)

    async def initial_metadata(self) -> None:
        """Return when the hello was accepted, or the call is over."""
        if self._pump is None:
            await self._wire.travel()
            raise lost()
        await self._context.accepted.wait()

    def done(self) -> bool:
        """True when no answer will come."""
        return self._pump is None or self._pump.done()

    def cancel(self) -> None:
        """Hang up."""
        if self._pump is not None:
            self._pump.cancel()

    async def __aiter__(self) -> AsyncIterator[Any]:
        if self._pump is None:
            raise lost()
        while (data := await self._queue.get()) is not None:
            yield self._decode(data)
        await _ended(self._pump)
