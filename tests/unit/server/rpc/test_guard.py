"""Every limit of the door, over real TLS: who exceeds it is refused, whoever keeps it is not."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from io import StringIO
from typing import Any

import grpc
import grpc.aio
import pytest

from cotally.server.rpc import entrance, guard
from cotally.server.rpc.channel import connect
from cotally.server.rpc.hello import make_hello
from cotally.server.rpc.limits import METHODS, SHARES, Bounds, Share
from cotally.server.rpc.logs import Log
from cotally.server.rpc.refusals import from_error, refused_by_peer
from cotally.v1 import log_pb2, node_pb2_grpc, roster_pb2, work_pb2
from cotally.v1.refusals import Refusal, Refused
from tests.unit.loopback import Federation, Straw, coordinator

NODE = roster_pb2.ROLE_NODE
LONG_AFTER = datetime(2099, 1, 1, tzinfo=UTC)
Stub = Any  # the stubs are typed for callers that do not look at calls


@pytest.fixture(scope="module")
def federation(tmp_path_factory: pytest.TempPathFactory) -> Federation:
    return Federation.create(tmp_path_factory.mktemp("fed"))


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(guard, "CHECK_S", 0.05)
    monkeypatch.setattr(guard, "SEND_S", 0.5)
    yield


def bounds(method: str, **changed: Any) -> dict[str, Bounds]:
    return METHODS | {method: replace(METHODS[method], **changed)}


def share(**changed: Any) -> "dict[roster_pb2.Role.ValueType, Share]":
    return {NODE: replace(SHARES[NODE], **changed)}


@asynccontextmanager
async def dialled(
    federation: Federation, straw: Straw, log: Log | None = None, name: str = "north", **limits: Any,
) -> AsyncIterator[Stub]:
    """Nodes' stub of *name* at a coordinator of straw with these limits."""
    async with (
        coordinator(federation, straw, log, entrance=straw.entrance(**limits)) as address,
        connect(address, federation.load(name)) as channel,
    ):
        yield node_pb2_grpc.NodesStub(channel)


def listen(federation: Federation, stub: Stub) -> Any:
    return stub.Listen(work_pb2.ListenRequest(hello=make_hello(federation.charter, "north")))


async def refusal_of(call: Any) -> Refused:
    """How *call*, unary or a stream, is refused by the coordinator itself."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        if hasattr(call, "read"):
            async for _ in call:
                pass
        else:
            await call
    assert refused_by_peer(caught.value), caught.value
    return from_error(caught.value, "x:1")


# Who is let in, and for how long

@pytest.mark.parametrize("over", ["expired", "left the roster", "revoked"])
def test_an_open_stream_ends_with_its_certificate_and_with_its_place_in_the_roster(
    federation: Federation, over: str,
) -> None:
    async def go() -> Refused:
        charter = roster_pb2.Charter()
        charter.CopyFrom(federation.charter)
        straw, revoked = Straw(charter), set[str]()

        def standing(member: roster_pb2.Member) -> roster_pb2.Member:
            if member.name in revoked:
                raise Refused(Refusal.CREDENTIALS, f"{member.name} is revoked")
            return member

        async with dialled(federation, straw, standing=standing) as stub:
            call = listen(federation, stub)
            await call.initial_metadata()
            await asyncio.sleep(0.3)
            assert not call.done()
            if over == "expired":
                straw.clock = lambda: LONG_AFTER
            elif over == "revoked":
                revoked.add("north")
            else:
                members = [m for m in charter.roster.members if m.name != "north"]
                del charter.roster.members[:]
                charter.roster.members.extend(members)
            refused = await asyncio.wait_for(refusal_of(call), 2)
            await asyncio.wait_for(straw.cancelled.wait(), 2)
            return refused
    refused = asyncio.run(go())
    assert refused.refusal == Refusal.CREDENTIALS
    said = {"expired": "expired on", "left the roster": "maps to no entry", "revoked": "is revoked"}
    assert said[over] in refused.message


def test_a_stranger_is_refused_before_a_byte_of_the_request_is_read(federation: Federation) -> None:
    async def go() -> Refused:
        straw = Straw(roster_pb2.Charter())
        async with dialled(federation, straw) as stub:
            return await asyncio.wait_for(refusal_of(stub.Reveal(endless())), 5)
    assert asyncio.run(go()).refusal == Refusal.CREDENTIALS


async def endless() -> AsyncIterator[work_pb2.Frame]:
    """A client that never says the last word."""
    yield work_pb2.Frame(part=b"x")
    await asyncio.sleep(60)


# How much at once

def test_calls_at_once_of_a_method(federation: Federation) -> None:
    async def go() -> Refused:
        straw = Straw(federation.charter)
        async with dialled(federation, straw, methods=bounds("Listen", at_once=2)) as stub:
            held = [listen(federation, stub) for _ in range(2)]
            for call in held:
                await call.initial_metadata()
            await stub.Commit(work_pb2.CommitRequest())  # another method has room
            refused = await refusal_of(listen(federation, stub))
            held[0].cancel()
            await asyncio.sleep(0.2)
            await asyncio.wait_for(listen(federation, stub).initial_metadata(), 2)  # room again
            return refused
    refused = asyncio.run(go())
    assert refused.refusal == Refusal.OVERLOADED and "north has 2 calls of Listen open" in refused.message


def test_calls_at_once_of_a_member_over_all_its_connections(federation: Federation) -> None:
    async def go() -> Refused:
        straw = Straw(federation.charter)
        async with coordinator(federation, straw, entrance=straw.entrance(shares=share(calls=3))) as address:
            lines = [connect(address, federation.load("north")) for _ in range(4)]
            stubs: list[Stub] = [node_pb2_grpc.NodesStub(line) for line in lines]
            held = [listen(federation, stub) for stub in stubs[:3]]
            for call in held:
                await call.initial_metadata()
            refused = await refusal_of(stubs[3].Commit(work_pb2.CommitRequest()))
            for line in lines:
                await line.close()
            return refused
    assert asyncio.run(go()).refusal == Refusal.OVERLOADED


def test_a_role_without_a_share_has_nothing_to_call(federation: Federation) -> None:
    async def go() -> Refused:
        async with dialled(federation, Straw(federation.charter), shares={}) as stub:
            return await refusal_of(stub.Commit(work_pb2.CommitRequest()))
    assert asyncio.run(go()).refusal == Refusal.OVERLOADED


def test_bytes_of_requests_that_are_not_over(federation: Federation) -> None:
    def parts(count: int, hold: asyncio.Event | None = None) -> AsyncIterator[work_pb2.Frame]:
        async def generate() -> AsyncIterator[work_pb2.Frame]:
            for _ in range(count):
                yield work_pb2.Frame(part=bytes(1000))
            if hold is not None:
                await hold.wait()
            yield work_pb2.Frame(last=True)
        return generate()

    async def go() -> Refused:
        async with dialled(federation, Straw(federation.charter), shares=share(held_bytes=5000)) as stub:
            done = asyncio.Event()
            first = stub.Reveal(parts(3, done))
            await asyncio.sleep(0.2)
            refused = await refusal_of(stub.Reveal(parts(3)))
            done.set()
            with pytest.raises(grpc.aio.AioRpcError):
                await first  # zeroes are no reveal
            again = await refusal_of(stub.Reveal(parts(4)))  # the bytes came back
            assert again.refusal == Refusal.MALFORMED
            return refused
    refused = asyncio.run(go())
    assert refused.refusal == Refusal.OVERLOADED and "hold 4" in refused.message


def test_a_message_longer_than_its_method_takes(federation: Federation) -> None:
    async def go() -> Refused:
        limits = bounds("Commit", message_bytes=1000)
        async with dialled(federation, Straw(federation.charter), methods=limits) as stub:
            request = work_pb2.CommitRequest()
            request.commitment.signature = bytes(990)
            await stub.Commit(request)
            request.commitment.signature = bytes(1000)
            return await refusal_of(stub.Commit(request))
    assert asyncio.run(go()).message == "a message of Commit is longer than 1000 bytes"


def test_calls_beyond_the_pace_wait_for_their_turn(federation: Federation) -> None:
    async def go() -> float:
        limits = share(per_second=20, burst=2)
        async with dialled(federation, Straw(federation.charter), shares=limits) as stub:
            loop = asyncio.get_running_loop()
            await stub.Commit(work_pb2.CommitRequest())
            start = loop.time()
            await asyncio.gather(*(stub.Commit(work_pb2.CommitRequest()) for _ in range(11)))
            return loop.time() - start
    assert asyncio.run(go()) >= 0.45  # ten steps of a twentieth, less the slack of the first


def test_who_would_wait_too_long_is_refused_and_not_for_long(
    federation: Federation, monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(entrance, "LONGEST_WAIT_S", 0.5)

    async def go() -> list[str]:
        limits = share(per_second=10, burst=1)
        async with dialled(federation, Straw(federation.charter), shares=limits) as stub:
            calls = [stub.Commit(work_pb2.CommitRequest()) for _ in range(30)]
            ends = await asyncio.gather(*calls, return_exceptions=True)
            await asyncio.wait_for(stub.Commit(work_pb2.CommitRequest()), 5)  # all turns are over
            return [from_error(e, "x:1").message if isinstance(e, grpc.RpcError) else "" for e in ends]
    ends = asyncio.run(go())
    assert "" in ends
    assert set(ends) == {"", "north calls more often than 10 times a second; ask again later"}


# How long

@pytest.mark.parametrize("request_", ["slow", "answer"])
def test_a_call_runs_into_its_deadline(federation: Federation, request_: str) -> None:
    async def go() -> Refused:
        method = "Reveal" if request_ == "slow" else "Listen"
        straw = Straw(federation.charter)
        async with dialled(federation, straw, methods=bounds(method, seconds=0.3)) as stub:
            call = stub.Reveal(endless()) if request_ == "slow" else listen(federation, stub)
            return await asyncio.wait_for(refusal_of(call), 5)
    refused = asyncio.run(go())
    assert refused.refusal == Refusal.OVERLOADED and "took more than 0.3 s" in refused.message


def test_a_unary_request_that_never_comes_runs_into_the_deadline(federation: Federation) -> None:
    async def go() -> Refused:
        straw = Straw(federation.charter)
        limits = straw.entrance(methods=bounds("Commit", seconds=0.3))
        async with (coordinator(federation, straw, entrance=limits) as address,
                    connect(address, federation.load("north")) as channel):
            call: Any = channel.stream_unary("/cotally.v1.Nodes/Commit")

            async def silence() -> AsyncIterator[bytes]:
                await asyncio.sleep(60)
                yield b""
            return await asyncio.wait_for(refusal_of(call(silence())), 5)
    assert "took more than 0.3 s" in asyncio.run(go()).message


def test_a_unary_request_without_a_message_is_malformed(federation: Federation) -> None:
    async def go() -> Refused:
        straw = Straw(federation.charter)
        async with (coordinator(federation, straw) as address,
                    connect(address, federation.load("north")) as channel):
            call: Any = channel.stream_unary("/cotally.v1.Nodes/Commit")

            async def nothing() -> AsyncIterator[bytes]:
                return
                yield b""
            return await asyncio.wait_for(refusal_of(call(nothing())), 5)
    assert asyncio.run(go()).refusal == Refusal.MALFORMED


def test_a_listener_that_takes_nothing_loses_its_stream_and_what_was_queued_for_it(
    federation: Federation,
) -> None:
    big = work_pb2.NodeWork(growth=work_pb2.Growth(checkpoint=log_pb2.Checkpoint(signature=bytes(200_000))))

    async def go() -> str:
        straw = Straw(federation.charter)
        straw.post = [big] * 200
        out = StringIO()
        limits = straw.entrance(methods=bounds("Listen", at_once=1))
        async with (coordinator(federation, straw, Log("c", "c", stream=out), entrance=limits) as address,
                    connect(address, federation.load("north")) as channel):
            stub: Stub = node_pb2_grpc.NodesStub(channel)
            call = listen(federation, stub)
            await call.initial_metadata()
            for _ in range(60):
                await asyncio.sleep(0.05)
                if "took nothing" in out.getvalue():
                    break
            second = listen(federation, stub)  # the stalled one still counts: it holds a buffer
            refused = await refusal_of(second)
            assert refused.refusal == Refusal.OVERLOADED
            call.cancel()
            await asyncio.sleep(0.3)
            await asyncio.wait_for(listen(federation, stub).initial_metadata(), 2)
            return out.getvalue()
    text = asyncio.run(go())
    assert "the caller of Listen took nothing for 0.5 s" in text
    assert "internal_error" not in text


# What is written down

def test_a_flood_of_refusals_does_not_flood_the_log(
    federation: Federation, monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(guard, "REFUSALS_BURST", 5)
    monkeypatch.setattr(guard, "REFUSALS_PER_S", 1)

    async def go() -> list[str]:
        out = StringIO()
        straw = Straw(federation.charter)
        async with dialled(federation, straw, Log("c", "c", stream=out), shares=share(calls=0)) as stub:
            for _ in range(40):
                await refusal_of(stub.Commit(work_pb2.CommitRequest()))
        return [json.loads(line)["event"] for line in out.getvalue().splitlines()]
    assert 5 <= asyncio.run(go()).count("refused") <= 12


def test_nothing_is_left_behind(federation: Federation) -> None:
    """Calls of every ending leave no room taken and no byte held."""
    async def go() -> tuple[int, int]:
        straw = Straw(federation.charter)
        door = straw.entrance()
        async with (coordinator(federation, straw, entrance=door) as address,
                    connect(address, federation.load("north")) as channel):
            stub: Stub = node_pb2_grpc.NodesStub(channel)
            for _ in range(30):
                calls = [listen(federation, stub) for _ in range(3)]
                for call in calls:
                    await call.initial_metadata()
                    call.cancel()
                with pytest.raises(grpc.aio.AioRpcError):
                    await stub.Reveal(endless(), timeout=0.01)
                await stub.Commit(work_pb2.CommitRequest())
            await asyncio.sleep(0.3)
            use = door._uses["north"]
            return use.calls.total(), use.held_bytes
    assert asyncio.run(go()) == (0, 0)
