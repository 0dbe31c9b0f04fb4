"""A listening role: one TLS port on one host, every handler behind the guard."""

import asyncio
import errno
import resource
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import grpc.aio

from cotally.v1.refusals import Misconfigured

from .address import Address, parse_address
from .credentials import Credentials
from .entrance import Entrance
from .guard import Guard
from .limits import MESSAGE_BYTES, PLAIN
from .logs import Log

CONCURRENT_CALLS: Final = 1000
CALLS_PER_CONNECTION: Final = 100
CONNECTIONS: Final = 2000
LAST_WORDS_S: Final = 0.05  # for calls that the end of the server has cancelled
SPARE_FILES: Final = 500  # beside connections: databases, logs
HANDSHAKE_S: Final = 10
IDLE_S: Final = 300
HEADER_BYTES: Final = 16 * 1024


@dataclass(frozen=True, slots=True)
class Serving:
    """A started server and the address that it really has (port 0 asks for a free one)."""

    server: grpc.aio.Server
    address: Address

    async def stop(self, grace: float = 1.0) -> None:
        """Take no new call, give open ones *grace* seconds, then cancel them."""
        await self.server.stop(grace)
        await asyncio.sleep(LAST_WORDS_S)


async def serve(
    address: str, credentials: Credentials, register: Callable[[grpc.aio.Server], None], log: Log,
    entrance: Entrance,
) -> Serving:
    """Start listening on exactly *address* (host:port); who may call says *entrance*.

    Misconfigured says why it cannot listen.
    """
    wanted = parse_address(address)
    _probe(wanted)
    _make_room(log)
    server = grpc.aio.server(interceptors=(Guard(entrance, log),), options=_options(),
                             maximum_concurrent_rpcs=CONCURRENT_CALLS)
    register(server)
    try:
        port = server.add_secure_port(str(wanted), credentials.for_server())
    except RuntimeError:
        port = 0
    if port == 0:
        raise Misconfigured(f"{wanted} is in use by another program; "
                            "choose another `listen` in coordinator.toml")
    await server.start()
    bound = Address(wanted.host, port)
    log.event("listening", address=str(bound))
    return Serving(server, bound)


def _options() -> list[tuple[str, int]]:
    """What gRPC itself is to enforce, before a handler is asked."""
    return [
        *PLAIN,
        ("grpc.so_reuseport", 0),  # else two coordinators share a port in silence
        ("grpc.max_receive_message_length", MESSAGE_BYTES),
        ("grpc.max_send_message_length", MESSAGE_BYTES),
        ("grpc.max_metadata_size", HEADER_BYTES),
        ("grpc.absolute_max_metadata_size", HEADER_BYTES),
        ("grpc.max_concurrent_streams", CALLS_PER_CONNECTION),
        ("grpc.max_allowed_incoming_connections", CONNECTIONS),
        ("grpc.server_handshake_timeout_ms", 1000 * HANDSHAKE_S),  # for who connects and says nothing
        ("grpc.max_connection_idle_ms", 1000 * IDLE_S),  # without a call; who asks again dials again
        ("grpc.keepalive_time_ms", 30_000),  # finds listeners that vanished
        ("grpc.keepalive_timeout_ms", 10_000),
        ("grpc.http2.min_ping_interval_without_data_ms", 5_000),  # listeners may ping on a quiet stream
        ("grpc.http2.max_ping_strikes", 2),
    ]


def _make_room(log: Log) -> None:
    """Let this process open as many files as connections may come, databases aside."""
    wanted = CONNECTIONS + SPARE_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    if most < wanted:
        log.warning("few_open_files", count=most, total=wanted)


def _probe(address: Address) -> None:
    """Say why *address* cannot be listened on: gRPC itself does not."""
    try:
        found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    except socket.gaierror:
        raise Misconfigured(f"the host of {address} is unknown here; "
                            "mend `listen` in coordinator.toml") from None
    family, kind, protocol, _, place = found[0]
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(place)
            probe.listen(1)
        except OSError as reason:
            raise Misconfigured(_WHY.get(reason.errno or 0, "cannot listen on {0}; choose another `listen` "
                                         "in coordinator.toml").format(address)) from None


_WHY: Final = {
    errno.EADDRINUSE: "{0} is in use by another program; choose another `listen` in coordinator.toml",
    errno.EADDRNOTAVAIL: "{0} is no address of this machine; mend `listen` in coordinator.toml",
    errno.EACCES: "{0} needs more rights than this program has; choose a port above 1023 as `listen` "
                  "in coordinator.toml",
}
