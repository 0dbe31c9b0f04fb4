"""Frames that no library sends: whoever speaks HTTP/2 by hand gets no further than whoever speaks gRPC."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from io import StringIO
from typing import Any

import grpc
import grpc.aio
import pytest

from cotally.server.rpc import guard, server
from cotally.server.rpc.channel import connect
from cotally.server.rpc.hello import make_hello
from cotally.server.rpc.limits import METHODS
from cotally.server.rpc.logs import Log
from cotally.v1 import node_pb2_grpc, work_pb2
from tests.unit.loopback import Federation, Straw, coordinator
from tests.unit.server.rpc import http2
from tests.unit.server.rpc.http2 import Wire

EXHAUSTED = b"\x0bgrpc-status\x018"


@pytest.fixture(scope="module")
def federation(tmp_path_factory: pytest.TempPathFactory) -> Federation:
    return Federation.create(tmp_path_factory.mktemp("fed"))


def begun(method: str, stream: int = 1) -> bytes:
    """A call of *method* whose request has not begun."""
    return http2.frame(http2.HEADERS, http2.END_HEADERS, stream, http2.headers(method))


def endless_headers(wire: Wire) -> bool:
    """CONTINUATION frames of far more than headers may hold, of a call whose request is whole."""
    wire.say(http2.frame(http2.HEADERS, http2.END_STREAM, 1, http2.headers("Listen")))
    for _ in range(200):
        wire.say(http2.frame(http2.CONTINUATION, 0, 1, (b"\x10\x01x\x64" + 100 * b"y") * 150))
    return wire.say(http2.frame(http2.CONTINUATION, http2.END_HEADERS, 1))


def rapid_resets(wire: Wire) -> bool:
    """Calls given up in the frame after they began (CVE-2023-44487)."""
    given_up = http2.frame(http2.RST_STREAM, 0, 1, (8).to_bytes(4, "big"))
    for first in range(1, 6001, 200):
        streams = range(first, first + 200, 2)
        wire.say(b"".join(begun("Commit", at) + given_up[:5] + at.to_bytes(4, "big") + given_up[9:]
                          for at in streams))
    return True


def endless_settings(wire: Wire) -> bool:
    """Each wants an answer, and nobody reads the answers."""
    for _ in range(60):
        wire.say(http2.frame(http2.SETTINGS) * 1000)
    return True


def empty_data(wire: Wire) -> bool:
    """Frames of a request that hold nothing of it."""
    wire.say(begun("Reveal") + http2.frame(http2.DATA, 0, 1) * 50_000)
    return wire.hears(5)


@pytest.mark.parametrize("flood", [endless_headers, rapid_resets, endless_settings, empty_data])
def test_a_flood_of_frames_holds_up_nobody(federation: Federation, flood: Callable[[Wire], bool]) -> None:
    async def once() -> tuple[bool, float, int]:
        straw = Straw(federation.charter)
        door = straw.entrance()

        def storm() -> bool:
            with http2.dialled(federation, address) as wire:
                return flood(wire)
        async with (coordinator(federation, straw, entrance=door) as address,
                    connect(address, federation.load("north")) as channel):
            stub, loop, longest = node_pb2_grpc.NodesStub(channel), asyncio.get_running_loop(), 0.0
            stormy = asyncio.ensure_future(asyncio.to_thread(storm))
            while not stormy.done():
                start = loop.time()
                await stub.Commit(work_pb2.CommitRequest(), timeout=10)
                longest = max(longest, loop.time() - start)
                await asyncio.sleep(0.02)
            await asyncio.sleep(0.3)
            return stormy.result(), longest, door._uses["north"].calls.total()
    held, longest, left = asyncio.run(once())
    assert held and left == 0
    assert longest < 5


def test_half_a_request_runs_into_the_deadline(federation: Federation) -> None:
    async def once() -> bool:
        straw = Straw(federation.charter)
        limits = straw.entrance(methods=METHODS | {"Commit": replace(METHODS["Commit"], seconds=0.3)})

        def half(address: str) -> bool:
            with http2.dialled(federation, address) as wire:
                wire.say(begun("Commit") + http2.frame(http2.DATA, 0, 1, b"\0\0\0"))
                while EXHAUSTED not in wire.heard:
                    if not wire.hears(5):
                        return False
                return True
        async with coordinator(federation, straw, entrance=limits) as address:
            return await asyncio.to_thread(half, address)
    assert asyncio.run(once())


def test_a_listener_with_no_window_loses_its_stream(
    federation: Federation, monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(guard, "SEND_S", 0.3)
    hello = work_pb2.ListenRequest(hello=make_hello(federation.charter, "north"))

    async def once() -> str:
        straw, out = Straw(federation.charter), StringIO()
        straw.post = [work_pb2.NodeWork()] * 3

        def shut(address: str) -> None:
            first = http2.setting(http2.INITIAL_WINDOW, 0)
            with http2.dialled(federation, address, first=first) as wire:
                said = http2.message(hello.SerializeToString())
                wire.say(begun("Listen") + http2.frame(http2.DATA, http2.END_STREAM, 1, said))
                for _ in range(40):
                    if "took nothing" in out.getvalue():
                        return
                    wire.hears(0.1)
        async with coordinator(federation, straw, Log("c", "c", stream=out)) as address:
            await asyncio.to_thread(shut, address)
        return out.getvalue()
    assert "the caller of Listen took nothing for 0.3 s" in asyncio.run(once())


@pytest.mark.parametrize("said", [
    b"", http2.frame(http2.HEADERS, 0, 1, http2.headers("Commit")), http2.frame(http2.SETTINGS)[:5]])
def test_a_connection_without_a_call_is_hung_up_on(
    federation: Federation, monkeypatch: pytest.MonkeyPatch, said: bytes,
) -> None:
    monkeypatch.setattr(server, "IDLE_S", 1)

    def idle(address: str) -> bool:
        with http2.dialled(federation, address) as wire:
            wire.say(said)
            return wire.is_over(5)

    async def once() -> bool:
        async with coordinator(federation, Straw(federation.charter)) as address:
            return await asyncio.to_thread(idle, address)
    assert asyncio.run(once())


def test_calls_of_all_members_together_have_a_limit(
    federation: Federation, monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(server, "CONCURRENT_CALLS", 2)

    async def once() -> grpc.StatusCode:
        straw = Straw(federation.charter)
        async with (coordinator(federation, straw) as address,
                    connect(address, federation.load("north")) as channel):
            stub: Any = node_pb2_grpc.NodesStub(channel)
            request = work_pb2.ListenRequest(hello=make_hello(federation.charter, "north"))
            held = [stub.Listen(request) for _ in range(2)]
            for call in held:
                await call.initial_metadata()
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await stub.Commit(work_pb2.CommitRequest(), timeout=5)
            held[0].cancel()
            await asyncio.sleep(0.3)
            await stub.Commit(work_pb2.CommitRequest(), timeout=5)  # there is room again
            return caught.value.code()
    assert asyncio.run(once()) is grpc.StatusCode.RESOURCE_EXHAUSTED
