"""docs/wire.md says what the code does: statuses, exit codes, limits, calls."""

import re
from pathlib import Path

import pytest

from cotally.server.rpc.frames import LIMIT_BYTES, PART_BYTES
from cotally.server.rpc.refusals import MAX_SENTENCE, STATUS
from cotally.server.rpc.server import CONCURRENT_CALLS, MESSAGE_BYTES
from cotally.v1 import analyst_pb2, audit_pb2, keyholder_pb2, node_pb2
from cotally.v1.refusals import EXIT_CODE, Refusal

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
    f"| calls at once, whole server | {CONCURRENT_CALLS:,} |",
    f"| sentence of a refusal | {MAX_SENTENCE:,} characters |",
])
def test_the_limits(row: str) -> None:
    assert row in PAGE


def test_every_call_is_listed() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \(`\w+\.proto`\) \| [^|]+ \| ([^|]+) \|$", PAGE, re.M))
    told = {service: set(re.findall(r"`(\w+)`", calls)) for service, calls in rows.items()}
    files = (analyst_pb2, audit_pb2, keyholder_pb2, node_pb2)
    services = [s for f in files for s in f.DESCRIPTOR.services_by_name.values()]
    assert told == {s.name: {m.name for m in s.methods} for s in services}
