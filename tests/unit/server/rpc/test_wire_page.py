"""docs/wire.md says what the code does: statuses, exit codes, limits, calls."""

import re
from pathlib import Path

import pytest

from cotally.server.coordinator.board import BACKLOG
from cotally.server.planner.limits import MAX_NAME
from cotally.server.rpc import guard, server
from cotally.server.rpc.channel import DIAL_S
from cotally.server.rpc.frames import LIMIT_BYTES, PART_BYTES
from cotally.server.rpc.limits import MESSAGE_BYTES, METHODS, SHARES, Bounds
from cotally.server.rpc.refusals import STATUS
from cotally.v1 import analyst_pb2, audit_pb2, keyholder_pb2, node_pb2, roster_pb2
from cotally.v1.refusals import EXIT_CODE, MAX_SENTENCE, Refusal

PAGE = (Path(__file__).parents[4] / "docs" / "wire.md").read_text()


def test_the_table_of_refusals() -> None:
    told: dict[str, tuple[str, int]] = {}
    for names, status, code in re.findall(r"^\| (`[A-Z_`, ]+) \| `([A-Z_]+)`[^|]*\| (\d+) \|$", PAGE, re.M):
        told |= {name: (status, int(code)) for name in re.findall(r"[A-Z_]+", names)}
    assert told == {str(r): (STATUS[r].name, EXIT_CODE[r]) for r in Refusal}


@pytest.mark.parametrize("row", [
    f"| one gRPC message | {MESSAGE_BYTES >> 20} MiB |",
    f"| part of a frame | {PART_BYTES >> 10} KiB |",
    f"| whole joined message, unless a call says otherwise | {LIMIT_BYTES >> 20} MiB |",
    f"| headers of a call | {server.HEADER_BYTES >> 10} KiB |",
    f"| connections at once | {server.CONNECTIONS:,} |",
    f"| from connecting to the end of the TLS and HTTP/2 handshakes | {server.HANDSHAKE_S} s |",
    f"| connection without a call | closed after {server.IDLE_S} s |",
    f"| calls at once, whole server | {server.CONCURRENT_CALLS:,} |",
    f"| calls at once, per connection | {server.CALLS_PER_CONNECTION} |",
    f"| refusals that the log tells | {guard.REFUSALS_PER_S} a second, after the first "
    f"{guard.REFUSALS_BURST} |",
    f"takes nothing of a stream for {guard.SEND_S:g} s loses it",
    f"A listener with {BACKLOG:,} pieces of work waiting",
    f"| one dial, until TLS stands | {DIAL_S} s |",
    f"| sentence of a refusal | {MAX_SENTENCE:,} characters |",
    f"| name of a statistic or of a computed key | {MAX_NAME} characters |",
])
def test_the_limits(row: str) -> None:
    assert row in PAGE


def test_the_shares_of_roles() -> None:
    names = {roster_pb2.ROLE_ANALYST: "analyst", roster_pb2.ROLE_NODE: "node",
             roster_pb2.ROLE_KEY_HOLDER: "key holder"}
    assert set(SHARES) == set(names)
    for role, share in SHARES.items():
        assert (f"| {names[role]} | {share.calls} | {share.held_bytes >> 20} MiB | "
                f"{share.per_second}, after {share.burst:,} |") in PAGE


def test_the_bounds_of_methods() -> None:
    told = re.findall(r"^\| `(\w+)` \| (\d+) \| ([^|]+) \| (\d+|-) \|$", PAGE, re.M)
    sizes = {"1 MiB": MESSAGE_BYTES, "64 KiB": 64 << 10, "a frame": PART_BYTES + 64}
    assert {name: Bounds(int(count), sizes[size], None if seconds == "-" else int(seconds))
                       for name, count, size, seconds in told} == METHODS


def test_every_call_is_listed() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \(`\w+\.proto`\) \| [^|]+ \| ([^|]+) \|$", PAGE, re.M))
    told = {service: set(re.findall(r"`(\w+)`", calls)) for service, calls in rows.items()}
    files = (analyst_pb2, audit_pb2, keyholder_pb2, node_pb2)
    services = [s for f in files for s in f.DESCRIPTOR.services_by_name.values()]
    assert told == {s.name: {m.name for m in s.methods} for s in services}
