import asyncio
import resource
import socket
import ssl
import subprocess
import sys
import time
from io import StringIO
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest

from cotally.server.rpc import server
from cotally.server.rpc.address import Address, parse_address
from cotally.server.rpc.channel import connect
from cotally.server.rpc.entrance import Entrance
from cotally.server.rpc.logs import Log
from cotally.v1 import node_pb2_grpc, work_pb2
from cotally.v1.refusals import Misconfigured
from tests.unit.loopback import Federation, Straw, coordinator


@pytest.fixture(scope="module")
def federation(tmp_path_factory: pytest.TempPathFactory) -> Federation:
    return Federation.create(tmp_path_factory.mktemp("fed"))


def refusal_to_serve(federation: Federation, address: str) -> str:
    async def once() -> None:
        serving = await server.serve(
            address, federation.load("coordinator"), lambda s: None, Log("c", "c", stream=StringIO()),
            Entrance(lambda: federation.charter))
        await serving.stop(0)
    with pytest.raises(Misconfigured) as caught:
        asyncio.run(once())
    return caught.value.message


def test_a_port_in_use_is_named(federation: Federation) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        address = f"127.0.0.1:{other.getsockname()[1]}"
        assert refusal_to_serve(federation, address) == (
            f"{address} is in use by another program; choose another `listen` in coordinator.toml")


def test_two_coordinators_do_not_share_a_port(federation: Federation) -> None:
    async def twice() -> None:
        async with coordinator(federation, Straw(federation.charter)) as address:
            with pytest.raises(Misconfigured, match="in use"):
                async with coordinator(federation, Straw(federation.charter), address=address):
                    pass
    asyncio.run(twice())


def test_a_port_is_free_again_after_stopping(federation: Federation) -> None:
    async def again() -> None:
        async with coordinator(federation, Straw(federation.charter)) as address:
            pass
        async with coordinator(federation, Straw(federation.charter), address=address) as second:
            assert second == address
    asyncio.run(again())


def test_it_listens_on_the_given_host_only(federation: Federation) -> None:
    async def once() -> None:
        async with coordinator(federation, Straw(federation.charter)) as address:
            port = parse_address(address).port
            with socket.create_connection(("127.0.0.1", port), timeout=1):
                pass
            for elsewhere in ("127.0.0.2", "::1"):
                with pytest.raises(OSError):
                    socket.create_connection((elsewhere, port), timeout=1)
    asyncio.run(once())


@pytest.mark.parametrize("address, text", [
    ("192.0.2.1:7443", "is no address of this machine"),
    ("7443", "is not an address"),
    ("127.0.0.1:", "is not an address"),
    ("127.0.0.1:99999", "is not an address"),
    ("::1:7443", "is not an address"),
    ("host.invalid:7443", "is unknown here"),
])
def test_addresses_that_cannot_be(federation: Federation, address: str, text: str) -> None:
    assert text in refusal_to_serve(federation, address)


@pytest.mark.parametrize("text, host, loopback", [
    ("127.0.0.1:1", "127.0.0.1", True), ("[::1]:1", "::1", True), ("localhost:1", "localhost", True),
    ("stats.example:1", "stats.example", False), ("10.0.0.1:1", "10.0.0.1", False),
])
def test_addresses(text: str, host: str, loopback: bool) -> None:
    assert parse_address(text) == Address(host, 1)
    assert str(parse_address(text)) == text and parse_address(text).is_loopback is loopback


def test_a_certificate_for_dialling_does_not_listen(federation: Federation, tmp_path: Path) -> None:
    async def once() -> None:
        async with coordinator(federation, Straw(federation.charter), shown=lambda: federation.load("north")):
            pass
    with pytest.raises(Misconfigured, match="not issued for the coordinator"):
        asyncio.run(once())


# Whoever says nothing, too much, or in another way than agreed

def until_hung_up(address: str, said: bytes, seconds: float) -> float:
    """Seconds until the server hangs up on somebody who says just this; fails after *seconds*."""
    host, _, port = address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=seconds) as line:
        start = time.monotonic()
        line.sendall(said)
        try:
            while line.recv(4096):
                pass
        except ConnectionResetError:
            pass
        return time.monotonic() - start


@pytest.mark.parametrize("said", [
    b"", b"\x16\x03\x01", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(40)])
def test_a_handshake_that_stalls_is_hung_up_on(
    federation: Federation, monkeypatch: pytest.MonkeyPatch, said: bytes,
) -> None:
    monkeypatch.setattr(server, "HANDSHAKE_S", 1)

    async def once() -> float:
        async with coordinator(federation, Straw(federation.charter)) as address:
            return await asyncio.to_thread(until_hung_up, address, said, 5)
    assert 0.5 < asyncio.run(once()) < 4


def test_connections_beyond_the_limit_are_hung_up_on(
    federation: Federation, monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(server, "CONNECTIONS", 5)

    async def once() -> list[float]:
        async with coordinator(federation, Straw(federation.charter)) as address:
            host, _, port = address.rpartition(":")
            open_ = [socket.create_connection((host, int(port))) for _ in range(5)]
            await asyncio.sleep(0.2)
            taken = [await asyncio.to_thread(until_hung_up, address, b"", 3) for _ in range(3)]
            for line in open_:
                line.close()
            await asyncio.sleep(0.3)
            async with connect(address, federation.load("north")) as channel:  # there is room again
                await node_pb2_grpc.NodesStub(channel).Commit(work_pb2.CommitRequest(), timeout=3)
            return taken
    assert max(asyncio.run(once())) < 1


@pytest.mark.parametrize("size", [8 << 10, 32 << 20])
def test_compressed_requests_are_refused_unread(federation: Federation, size: int) -> None:
    async def once() -> grpc.StatusCode:
        straw = Straw(federation.charter)
        async with (
            coordinator(federation, straw) as address,
            grpc.aio.secure_channel(address, federation.load("north").for_client(),
                                    options=[("grpc.max_send_message_length", -1)],
                                    compression=grpc.Compression.Gzip) as channel,
        ):
            call: Any = channel.unary_unary("/cotally.v1.Nodes/Commit")
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await call(bytes(size), timeout=10)
            return caught.value.code()
    assert asyncio.run(once()) is grpc.StatusCode.UNIMPLEMENTED


def test_headers_have_a_limit(federation: Federation) -> None:
    async def once() -> grpc.StatusCode:
        async with (coordinator(federation, Straw(federation.charter)) as address,
                    connect(address, federation.load("north")) as channel):
            stub: Any = node_pb2_grpc.NodesStub(channel)
            await stub.Commit(work_pb2.CommitRequest(), metadata=(("x", "y" * 1000),), timeout=5)
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await stub.Commit(work_pb2.CommitRequest(), metadata=(("x", "y" * 20_000),), timeout=5)
            return caught.value.code()
    assert asyncio.run(once()) is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_a_server_may_open_as_many_files_as_connections_come() -> None:
    program = """
import resource
from cotally.server.rpc import logs, server
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
server._make_room(logs.Log("c", "c"))
print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
"""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert int(said) == min(hard, server.CONNECTIONS + server.SPARE_FILES)


def test_who_only_pings_is_told_to_calm_down(federation: Federation) -> None:
    def pings(address: str) -> bytes:
        context = ssl.create_default_context(cafile=str(federation.ca))
        context.load_cert_chain(federation.files["north"].certificate, federation.files["north"].key)
        context.set_alpn_protocols(["h2"])
        host, _, port = address.rpartition(":")
        said = b""
        with (socket.create_connection((host, int(port)), timeout=5) as plain,
              context.wrap_socket(plain, server_hostname=host) as line):
            line.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes.fromhex("000000040000000000"))
            line.sendall(20 * (bytes.fromhex("000008060000000000") + b"pingping"))
            while more := line.recv(4096):  # until the server hangs up
                said += more
        return said

    async def once() -> bytes:
        async with coordinator(federation, Straw(federation.charter)) as address:
            return await asyncio.to_thread(pings, address)
    assert b"too_many_pings" in asyncio.run(once())
