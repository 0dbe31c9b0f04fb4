"""A listening role: one TLS port on one host, every handler behind the refusal interceptor."""

import errno
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import grpc.aio

from cotally.v1.refusals import Misconfigured

from .address import Address, parse_address
from .credentials import Credentials
from .logs import Log
from .refusals import RefusalInterceptor

MESSAGE_BYTES: Final = 1024 * 1024
CONCURRENT_CALLS: Final = 1000

_OPTIONS: Final = (
    ("grpc.so_reuseport", 0),  # else two coordinators share a port in silence
    ("grpc.max_receive_message_length", MESSAGE_BYTES),
    ("grpc.max_send_message_length", MESSAGE_BYTES),
    ("grpc.max_concurrent_streams", 100),  # per connection
    ("grpc.keepalive_time_ms", 30_000),  # finds listeners that vanished
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),  # listeners may ping on a quiet stream
    ("grpc.http2.max_ping_strikes", 0),
)


@dataclass(frozen=True, slots=True)
class Serving:
    """A started server and the address that it really has (port 0 asks for a free one)."""

    server: grpc.aio.Server
    address: Address

    async def stop(self, grace: float = 1.0) -> None:
        """Take no new call, give open ones *grace* seconds, then cancel them."""
        await self.server.stop(grace)


async def serve(
    address: str, credentials: Credentials, register: Callable[[grpc.aio.Server], None], log: Log,
) -> Serving:
    """Start listening on exactly *address* (host:port). Misconfigured says why it cannot."""
    wanted = parse_address(address)
    _probe(wanted)
    server = grpc.aio.server(interceptors=(RefusalInterceptor(log),), options=_OPTIONS,
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
