import asyncio
import socket
from io import StringIO
from pathlib import Path

import pytest

from cotally.server.rpc import server
from cotally.server.rpc.address import Address, parse_address
from cotally.server.rpc.logs import Log
from cotally.v1.refusals import Misconfigured
from tests.unit.loopback import Federation, Straw, coordinator


@pytest.fixture(scope="module")
def federation(tmp_path_factory: pytest.TempPathFactory) -> Federation:
    return Federation.create(tmp_path_factory.mktemp("fed"))


def refusal_to_serve(federation: Federation, address: str) -> str:
    async def once() -> None:
        serving = await server.serve(
            address, federation.load("coordinator"), lambda s: None, Log("c", "c", stream=StringIO()))
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
