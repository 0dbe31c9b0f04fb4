"""Attacks on the coordinator's port, as a program of its own.

`python -m tests.system.storms STORM PROFILE S` lasts S seconds, strikes at a bounded rate and prints one JSON
object: how its strikes ended, and how many each way. It is a nice process, so that the attacker's own work
on a small machine does not count as the attack's.
"""

import asyncio
import json
import os
import socket
import ssl
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from itertools import combinations
from pathlib import Path
from typing import Any

import grpc
import grpc.aio

from cotally.client import profile as profiles
from cotally.client.profile import Profile
from cotally.v1 import (
    analyst_pb2,
    analyst_pb2_grpc,
    audit_pb2,
    audit_pb2_grpc,
    catalog_pb2,
    query_pb2,
    work_pb2,
)

NUMBERS = (catalog_pb2.COLUMN_TYPE_INTEGER, catalog_pb2.COLUMN_TYPE_FLOAT)
PATIENCE_S = 5.0  # for the last strikes to end
Strike = Callable[[int], Awaitable[str]]
GREEDY = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1),
          ("grpc.use_local_subchannel_pool", 1)]


class Storm:
    """What an attacker has: the address, the CA's certificate, and a lesser analyst's files."""

    def __init__(self, profile: Profile, seconds: float) -> None:
        self.profile = profile
        self.seconds = seconds
        host, _, port = profile.coordinator.rpartition(":")
        self.place = (host, int(port))
        self.seen: Counter[str] = Counter()
        self.open: list[Any] = []  # what is held on to until the end

    async def strike(self, per_second: float, strike: Strike) -> None:
        """Strike at this rate, without waiting for the last strike's end."""
        loop = asyncio.get_running_loop()
        end, number, running = loop.time() + self.seconds, 0, set[asyncio.Task[None]]()
        while loop.time() < end:
            task = asyncio.create_task(self._one(strike, number))
            running.add(task)
            task.add_done_callback(running.discard)
            number += 1
            await asyncio.sleep(1 / per_second)
        if running:
            await asyncio.wait(running, timeout=PATIENCE_S)
        for task in running:
            self.seen["waits still"] += 1
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def _one(self, strike: Strike, number: int) -> None:
        try:
            self.seen[await strike(number)] += 1
        except grpc.aio.AioRpcError as error:
            self.seen[error.code().name] += 1
        except OSError as error:
            self.seen[type(error).__name__] += 1

    def channel(self, compression: grpc.Compression | None = None) -> grpc.aio.Channel:
        """A connection of its own with the lesser analyst's certificate."""
        credentials = grpc.ssl_channel_credentials(
            self.profile.ca.read_bytes(), self.profile.key.read_bytes(),
            self.profile.certificate.read_bytes())
        return grpc.aio.secure_channel(self.profile.coordinator, credentials, options=GREEDY,
                                       compression=compression)

    def hello(self) -> analyst_pb2.WelcomeRequest:
        """What an analyst says first."""
        return analyst_pb2.WelcomeRequest(hello=work_pb2.Hello(
            version=1, roster=self.profile.roster, name=self.profile.name))


async def silence(storm: Storm) -> None:
    """Connections without a word or with nonsense, from nobody in particular; all stay open."""
    async def strike(number: int) -> str:
        _, writer = await asyncio.open_connection(*storm.place)
        storm.open.append(writer)
        if number % 2:
            writer.write(os.urandom(200))
        return "connected"
    await storm.strike(100, strike)


async def strangers(storm: Storm) -> None:
    """TLS handshakes without a certificate, and calls over them."""
    context = ssl.create_default_context(cafile=str(storm.profile.ca))
    context.set_alpn_protocols(["h2"])

    async def strike(number: int) -> str:
        reader, writer = await asyncio.open_connection(*storm.place, ssl=context)
        writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        said = await reader.read(64)
        writer.close()
        return "answered" if said else "hung up"
    await storm.strike(40, strike)


async def oversized(storm: Storm) -> None:
    """Requests of megabytes, above and below the limit."""
    async with storm.channel() as channel:
        quote: Any = channel.unary_unary("/cotally.v1.Analysts/Quote")
        welcome: Any = channel.unary_unary("/cotally.v1.Analysts/Welcome")

        async def strike(number: int) -> str:
            call, size = (quote, 3 << 20) if number % 2 else (welcome, 900 << 10)
            await call(bytes(size), timeout=20)
            return "answered"
        await storm.strike(20, strike)


async def bombs(storm: Storm) -> None:
    """A few kilobytes that would become 32 MiB."""
    async with storm.channel(grpc.Compression.Gzip) as channel:
        quote: Any = channel.unary_unary("/cotally.v1.Analysts/Quote")

        async def strike(number: int) -> str:
            await quote(bytes(32 << 20), timeout=20)
            return "answered"
        await storm.strike(3, strike)


def nested(depth: int) -> bytes:
    """A QuoteRequest whose condition is a negation of a negation, *depth* deep."""
    data = b""
    for _ in range(depth):
        data = b"\x32" + _varint(len(data)) + data  # Predicate.negation
    query = _varint(query_pb2.Query.WHERE_FIELD_NUMBER << 3 | 2) + _varint(len(data)) + data
    return b"\x0a" + _varint(len(query)) + query


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


async def nesting(storm: Storm) -> None:
    """Conditions that are nested as deep as parsers allow, and deeper."""
    async with storm.channel() as channel:
        quote: Any = channel.unary_unary("/cotally.v1.Analysts/Quote")
        requests = [nested(depth) for depth in (31, 41, 95, 2000, 20_000)]

        async def strike(number: int) -> str:
            await quote(requests[number % 5], timeout=20)
            return "answered"
        await storm.strike(50, strike)


async def slow(storm: Storm) -> None:
    """Calls whose request never comes, on several connections, as many as anybody likes."""
    channels = [storm.channel() for _ in range(4)]

    async def never() -> AsyncIterator[bytes]:
        await asyncio.sleep(3600)
        yield b""

    async def strike(number: int) -> str:
        method = ("Quote", "Ask", "Budget")[number % 3]
        call: Any = channels[number % 4].stream_unary(f"/cotally.v1.Analysts/{method}")
        await call(never())
        return "answered"
    await storm.strike(50, strike)
    for channel in channels:
        await channel.close()


async def abandoned(storm: Storm) -> None:
    """Calls given up as soon as they began, and streams that nobody reads."""
    async with storm.channel() as channel:
        analysts: Any = analyst_pb2_grpc.AnalystsStub(channel)
        audit: Any = audit_pb2_grpc.AuditStub(channel)

        async def strike(number: int) -> str:
            if number % 10 == 0:
                call = audit.Entries(audit_pb2.EntriesRequest(first=0, size=5))
                storm.open.append(call)
                await call.initial_metadata()
                return "left open"
            call = analysts.Welcome(storm.hello())
            await asyncio.sleep(0.001 * (number % 5))
            call.cancel()
            return "given up"
        await storm.strike(80, strike)


async def reconnects(storm: Storm) -> None:
    """A new connection for every call."""
    async def strike(number: int) -> str:
        async with storm.channel() as channel:
            stub: Any = analyst_pb2_grpc.AnalystsStub(channel)
            await stub.Welcome(storm.hello(), timeout=20)
        return "answered"
    await storm.strike(20, strike)


async def calls(storm: Storm) -> None:
    """As many calls as a few connections carry, all of them free of charge."""
    channels = [storm.channel() for _ in range(4)]

    async def strike(number: int) -> str:
        stub: Any = analyst_pb2_grpc.AnalystsStub(channels[number % 4])
        await stub.Budget(analyst_pb2.BudgetRequest(), timeout=20)
        return "answered"
    await storm.strike(300, strike)
    for channel in channels:
        await channel.close()


async def costly(storm: Storm) -> None:
    """Prices of the largest questions that a table allows, each a little different from the last."""
    async with storm.channel() as channel:
        stub: Any = analyst_pb2_grpc.AnalystsStub(channel)
        charter = (await stub.Welcome(storm.hello(), timeout=20)).charter
        table = charter.catalog.tables[0]
        numbers = [c.name for c in table.columns if c.type in NUMBERS]
        pairs = list(combinations(numbers, 2))[:64]

        async def strike(number: int) -> str:
            query = query_pb2.Query(table=table.name, statistics=[
                query_pb2.Statistic(alias=f"s{i}", kind=query_pb2.STATISTIC_KIND_CORR, column=y, others=[x])
                for i, (y, x) in enumerate(pairs)])
            query.privacy.rho = f"{1 + number / 1000:.3f}"
            query.privacy.confidence = "0.95"
            query.privacy.mechanism = query_pb2.MECHANISM_GAUSSIAN
            await stub.Quote(analyst_pb2.QuoteRequest(query=query), timeout=60)
            return "answered"
        await storm.strike(20, strike)


STORMS: dict[str, Callable[[Storm], Awaitable[None]]] = {
    each.__name__: each for each in (
        silence, strangers, oversized, bombs, nesting, slow, abandoned, reconnects, calls, costly)}


async def _main(name: str, profile: Profile, seconds: float) -> Counter[str]:
    storm = Storm(profile, seconds)
    await STORMS[name](storm)
    for held in storm.open:
        with suppress(Exception):
            (held.cancel if hasattr(held, "cancel") else held.close)()
    return storm.seen


if __name__ == "__main__":
    os.nice(10)
    socket.setdefaulttimeout(20)
    print(json.dumps(asyncio.run(_main(sys.argv[1], profiles.load(Path(sys.argv[2])), float(sys.argv[3])))))
