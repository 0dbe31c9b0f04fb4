import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any

import grpc.aio
import pytest

from cotally.server.rpc.channel import connect, keep_listening
from cotally.server.rpc.frames import split
from cotally.server.rpc.hello import make_hello
from cotally.server.rpc.logs import Log
from cotally.v1 import node_pb2_grpc, roster_pb2, round_pb2, work_pb2
from cotally.v1.refusals import Misconfigured, Refusal, Refused
from tests.unit.loopback import Federation, Straw, coordinator


@pytest.fixture(scope="module")
def federation(tmp_path_factory: pytest.TempPathFactory) -> Federation:
    return Federation.create(tmp_path_factory.mktemp("fed"))


def posted(number: int) -> work_pb2.NodeWork:
    return work_pb2.NodeWork(frozen=round_pb2.SignedFrozenRoster(signature=bytes([number])))


def listening(
    federation: Federation, channel: Any, address: str, out: StringIO, hello: work_pb2.Hello | None = None,
    **more: Any,
) -> AsyncIterator[work_pb2.NodeWork]:
    request = work_pb2.ListenRequest(hello=hello or make_hello(federation.charter, "north"))
    stub = node_pb2_grpc.NodesStub(channel)
    return keep_listening(
        lambda: stub.Listen(request), work_pb2.NodeWork, address=address,
        credentials=federation.load("north"), log=Log("node", "north", stream=out),
        jitter=lambda: 0.0, **more)


def dialled(federation: Federation, address: str) -> grpc.aio.Channel:
    return connect(address, federation.load("north"))


def events(out: StringIO) -> list[str]:
    return [json.loads(line)["event"] for line in out.getvalue().splitlines()]


async def take(work: AsyncIterator[work_pb2.NodeWork], count: int) -> list[work_pb2.NodeWork]:
    taken = []
    async for item in work:
        taken.append(item)
        if len(taken) == count:
            break
    return taken


def test_work_survives_a_restart_and_each_change_is_logged_once(federation: Federation) -> None:
    out = StringIO()

    async def story() -> list[work_pb2.NodeWork]:
        straw = Straw(federation.charter)
        straw.post = [posted(1), posted(2)]
        async with coordinator(federation, straw) as address:
            channel = connect(address, federation.load("north"))
            work = listening(federation, channel, address, out)
            taken = await take(work, 2)
        rest = asyncio.ensure_future(take(work, 1))
        await asyncio.sleep(0.5)  # several tries while nobody is there
        straw.post = [posted(3)]
        async with coordinator(federation, straw, address=address):
            taken += await asyncio.wait_for(rest, 10)
            await channel.close()
        return taken
    assert asyncio.run(story()) == [posted(1), posted(2), posted(3)]
    assert events(out) == ["connected", "disconnected", "connected"]


def test_a_long_piece_of_work_comes_whole(federation: Federation) -> None:
    reveal = round_pb2.Reveal(body=round_pb2.RevealBody(ciphertexts=b"\x07" * (5 << 20)))
    frozen = work_pb2.NodeWork(frozen=round_pb2.SignedFrozenRoster(signature=b"\x09" * (5 << 20)))

    async def story() -> None:
        straw = Straw(federation.charter)
        straw.post = [frozen]
        async with coordinator(federation, straw) as address, dialled(federation, address) as channel:
            work = listening(federation, channel, address, StringIO())
            assert await take(work, 1) == [frozen]
            await node_pb2_grpc.NodesStub(channel).Reveal(split(reveal), timeout=20)
            assert straw.revealed == [reveal]
    asyncio.run(story())


def strange_hellos(charter: roster_pb2.Charter) -> list[tuple[work_pb2.Hello, Refusal, str]]:
    good = make_hello(charter, "north")

    def but(**changed: Any) -> work_pb2.Hello:
        hello = work_pb2.Hello()
        hello.CopyFrom(good)
        for name, value in changed.items():
            setattr(hello, name, value)
        return hello
    return [
        (but(version=2), Refusal.PROTOCOL_VERSION, "north speaks protocol version 2, this side speaks 1"),
        (but(federation="other"), Refusal.CREDENTIALS, "north belongs to the federation 'other'"),
        (but(roster=b"\x01" * 32), Refusal.CREDENTIALS, "north pins the roster 0101010101010101..., this"),
        (but(roster=b""), Refusal.CREDENTIALS, "north pins the roster (none)"),
        (but(name="south"), Refusal.CREDENTIALS, "it is 'south' and shows the certificate of north"),
    ]


def test_a_long_line_takes_longer_to_dial_and_is_dialled(federation: Federation) -> None:
    """Handshakes go back and forth several times: a department abroad needs more than a tenth of a second."""
    async def slowly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1 << 16):
            await asyncio.sleep(0.06)
            writer.write(data)
        writer.close()

    async def once() -> None:
        async with coordinator(federation, Straw(federation.charter)) as address:
            host, _, port = address.rpartition(":")

            async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                far_reader, far_writer = await asyncio.open_connection(host, int(port))
                with contextlib.suppress(OSError):
                    await asyncio.gather(slowly(reader, far_writer), slowly(far_reader, writer))
            async with await asyncio.start_server(relay, "127.0.0.1", 0) as line:
                far = f"127.0.0.1:{line.sockets[0].getsockname()[1]}"
                async with dialled(federation, far) as channel:
                    await node_pb2_grpc.NodesStub(channel).Commit(work_pb2.CommitRequest(), timeout=5)
                await asyncio.sleep(0.2)
    asyncio.run(once())


@pytest.mark.parametrize("which", range(5))
def test_a_refused_hello_is_final(federation: Federation, which: int) -> None:
    hello, refusal, text = strange_hellos(federation.charter)[which]

    async def story() -> None:
        straw = Straw(federation.charter)
        async with coordinator(federation, straw) as address, dialled(federation, address) as channel:
            work = listening(federation, channel, address, StringIO(), hello)
            with pytest.raises(Refused) as caught:
                await asyncio.wait_for(take(work, 1), 10)
            assert caught.value.refusal == refusal and text in caught.value.message
    asyncio.run(story())


def test_other_refusals_are_tried_again(federation: Federation) -> None:
    async def story() -> None:
        straw = Straw(federation.charter)
        straw.post = [posted(1)]
        straw.error = Refused(Refusal.OVERLOADED, "too many listeners")
        async with coordinator(federation, straw) as address, dialled(federation, address) as channel:
            work = listening(federation, channel, address, StringIO())
            assert len(await asyncio.wait_for(take(work, 3), 10)) == 3
            assert straw.listened == 3
    asyncio.run(story())


def test_frames_that_do_not_join_are_tried_again(federation: Federation) -> None:
    out = StringIO()

    async def story() -> None:
        straw = Straw(federation.charter)
        straw.post = [posted(1)]
        async with coordinator(federation, straw) as address, dialled(federation, address) as channel:
            work = listening(federation, channel, address, out, limit=posted(1).ByteSize() - 1)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(take(work, 1), 0.5)
            assert straw.listened > 1
            straw.post = []
    asyncio.run(story())
    first = [json.loads(line) for line in out.getvalue().splitlines()][1]
    assert (first["event"], first["refusal"]) == ("disconnected", "OVERLOADED")


def test_an_own_certificate_that_expires_stops_the_listener(federation: Federation) -> None:
    async def story() -> None:
        straw = Straw(federation.charter)
        async with coordinator(federation, straw) as address, dialled(federation, address) as channel:
            late = datetime(2099, 1, 1, tzinfo=UTC)
            work = listening(federation, channel, address, StringIO(), clock=lambda: late)
            with pytest.raises(Refused, match=r"north\.pem: this certificate expired") as caught:
                await asyncio.wait_for(take(work, 1), 5)
            assert caught.value.refusal == Refusal.CREDENTIALS and straw.listened == 0
    asyncio.run(story())


def test_an_impostor_is_final_at_the_first_dial_only(federation: Federation, tmp_path: Path) -> None:
    other = Federation.create(tmp_path / "other")

    async def story() -> None:
        straw = Straw(federation.charter)
        straw.post = [posted(1)]
        async with coordinator(other, straw) as address, dialled(federation, address) as channel:
            with pytest.raises(Refused, match="signed by another CA"):
                await asyncio.wait_for(take(listening(federation, channel, address, StringIO()), 1), 10)

        async with coordinator(federation, straw) as address:
            channel = connect(address, federation.load("north"))
            work = listening(federation, channel, address, StringIO())
            await take(work, 1)
        rest = asyncio.ensure_future(take(work, 1))
        async with coordinator(other, straw, address=address):
            await asyncio.sleep(0.5)
            assert not rest.done()
        async with coordinator(federation, straw, address=address):
            assert await asyncio.wait_for(rest, 10) == [posted(1)]
        await channel.close()
    asyncio.run(story())


def test_cancellation_ends_it_at_both_ends(federation: Federation) -> None:
    async def story() -> None:
        straw = Straw(federation.charter)
        async with coordinator(federation, straw) as address, dialled(federation, address) as channel:
            out = StringIO()
            task = asyncio.ensure_future(take(listening(federation, channel, address, out), 1))
            while "connected" not in events(out):
                await asyncio.sleep(0.01)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await asyncio.wait_for(straw.cancelled.wait(), 5)
            assert events(out) == ["connected"]
    asyncio.run(story())


def test_keys_of_the_wrong_kind_do_not_dial(federation: Federation) -> None:
    with pytest.raises(Misconfigured, match="not issued for a party that dials"):
        connect("127.0.0.1:1", federation.load("coordinator"))
    with pytest.raises(Misconfigured, match="is not an address"):
        connect("nowhere", federation.load("north"))
