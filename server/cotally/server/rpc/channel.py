"""A dialling role: one channel to the coordinator, and a stream of work that survives outages."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from typing import Any, Final, TypeVar

import grpc
import grpc.aio
from google.protobuf.message import Message

from cotally.v1.refusals import Misconfigured, Refusal, Refused
from cotally.v1.work_pb2 import Frame

from .address import parse_address
from .credentials import Clock, Credentials, utc_now
from .frames import LIMIT_BYTES, Joiner
from .limits import MESSAGE_BYTES, PLAIN
from .logs import Log
from .refusals import from_error, refused_by_peer

MAX_BACKOFF: Final = 2.0  # seconds
DIAL_S: Final = 10  # until TLS stands: over a long or a busy line that takes many times a tenth of a second
_FIRST_BACKOFF: Final = 0.1
_FATAL: Final = frozenset({Refusal.CREDENTIALS, Refusal.NOT_ALLOWED, Refusal.PROTOCOL_VERSION})

_OPTIONS: Final = (
    *PLAIN,
    ("grpc.max_receive_message_length", MESSAGE_BYTES),
    ("grpc.max_send_message_length", MESSAGE_BYTES),
    ("grpc.keepalive_time_ms", 20_000),  # finds a coordinator that vanished behind a firewall
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1000 * DIAL_S),  # in truth how long one dial may take
    ("grpc.max_reconnect_backoff_ms", int(1000 * MAX_BACKOFF)),
)

M = TypeVar("M", bound=Message)
Listen = Callable[[], grpc.aio.UnaryStreamCall[Any, Frame]]


def connect(address: str, credentials: Credentials) -> grpc.aio.Channel:
    """A channel to *address* (host:port). Nothing is dialled before the first call."""
    target = parse_address(address)
    options = [*_OPTIONS, ("grpc.enable_http_proxy", 0 if target.is_loopback else 1)]
    return grpc.aio.secure_channel(str(target), credentials.for_client(), options=options)


async def keep_listening(
    listen: Listen, work: type[M], *, address: str, credentials: Credentials, log: Log,
    limit: int = LIMIT_BYTES, clock: Clock = utc_now, jitter: Callable[[], float] = random.random,
    connected: Callable[[], None] = lambda: None,
) -> AsyncIterator[M]:
    """Yield work for ever: call *listen*, join its frames, and dial again when the stream ends.

    *listen* starts one Listen call with a fresh request. Waits between dials double from 0.1 s to 2 s,
    times a jitter, and start over after a stream that held. `connected` and `disconnected` are logged
    once per change, and *connected* is called whenever the coordinator accepts our hello. Raises
    Refused where dialling again cannot help: the peer refuses this party
    (CREDENTIALS, NOT_ALLOWED, PROTOCOL_VERSION), or our own certificate has expired, or, before the
    first connection only, the peer's certificate is wrong (later, an impostor on the path must not
    stop us for good). Ends by cancellation.
    """
    state = _Line(address, log)
    while True:
        try:
            credentials.check(clock())
        except Misconfigured as reason:
            raise Refused(Refusal.CREDENTIALS, reason.message) from None
        joiner = Joiner(work, limit)
        call = listen()
        try:
            await call.initial_metadata()  # the coordinator sends it when it accepts the hello
            if not call.done():
                state.up()
                connected()
            async for frame in call:
                state.up()
                message = joiner.feed(frame)
                if message is not None:
                    yield message
            state.down(Refused(Refusal.UNREACHABLE, f"{address} ended the stream"))
        except grpc.RpcError as error:
            refused = from_error(error, address)
            if refused.refusal in _FATAL and (refused_by_peer(error) or not state.ever):
                raise refused from None
            state.down(refused)
        except Refused as refused:  # frames that do not join: the stream is useless, not the coordinator
            state.down(refused)
        finally:
            call.cancel()
        await asyncio.sleep(state.wait() * (0.5 + jitter() / 2))


class _Line:
    """Whether the line is up, and how long to wait for the next try."""

    def __init__(self, address: str, log: Log) -> None:
        self._address = address
        self._log = log
        self._since: float | None = None  # up since
        self._reason: Refusal | None = None  # down because
        self._backoff = _FIRST_BACKOFF
        self.ever = False

    def up(self) -> None:
        """Note a connection."""
        if self._since is None:
            self._since = asyncio.get_running_loop().time()
            self._reason = None
            self.ever = True
            self._log.event("connected", address=self._address)

    def down(self, refused: Refused) -> None:
        """Note a lost or failed connection; only one that held for a while resets the waits."""
        if self._since is not None and asyncio.get_running_loop().time() - self._since >= MAX_BACKOFF:
            self._backoff = _FIRST_BACKOFF
        self._since = None
        if self._reason != refused.refusal:
            self._log.warning("disconnected", address=self._address, refusal=refused.refusal,
                              message=refused.message)
        self._reason = refused.refusal

    def wait(self) -> float:
        """Seconds before the next dial, at most MAX_BACKOFF; doubles from try to try."""
        now = self._backoff
        self._backoff = min(2 * now, MAX_BACKOFF)
        return now
