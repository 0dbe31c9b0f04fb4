"""An evidence file taken apart and put together again, with or without what a test plants in it."""

import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import cache

from cotally.client.audit.evidence import (
    CHECKPOINT,
    END,
    ENTRY,
    HEAD,
    Record,
    Writer,
    charter_of,
    check_of,
    record_at,
)
from cotally.client.audit.page import bounds
from cotally.client.audit.verifier import Audited, _paged, _verify
from cotally.client.verify.log import entry_hash
from cotally.client.verify.merkle import Frontier
from cotally.v1 import log_pb2
from tests.fixtures.bundle import HOLDERS, NODES
from tests.fixtures.long_log import LongLog, witness

Entries = list[log_pb2.LogEntry]


@cache
def long_log(size: int) -> LongLog:
    """A log of the fixture's federation; the same in every test."""
    return LongLog(size)


@cache
def _entries(size: int) -> tuple[log_pb2.LogEntry, ...]:
    return tuple(long_log(size).entries())


def entries(size: int) -> Entries:
    """Its entries, to change."""
    return [log_pb2.LogEntry.FromString(entry.SerializeToString()) for entry in _entries(size)]


def written(made: Iterable[log_pb2.LogEntry], every: int = 0, by: Sequence[str] = NODES + HOLDERS) -> bytes:
    """The evidence file of these entries, with signed checkpoints: *by* sign whatever there is."""
    output, frontier = io.BytesIO(), Frontier()
    writer = Writer(output, long_log(1).charter)
    for entry in made:
        writer.entry(entry)
        frontier.add(entry_hash(entry))
        if every and writer.size % every == 0:
            writer.checkpoint(witness(writer.size, frontier.root(), by))
    if not every or writer.size % every:
        writer.checkpoint(witness(writer.size, frontier.root(), by))
    writer.end()
    return output.getvalue()


@cache
def evidence_file(size: int, every: int = 0) -> bytes:
    """The file of an honest log."""
    return written(_entries(size), every)


def verified(data: bytes, pin: bytes | None = None) -> Audited:
    """What the bytes of a file prove."""
    charter, start = charter_of(data)
    return _verify(charter, pin or long_log(1).pin, map(_paged(charter, data), bounds(data, start)))


def taken_apart(data: bytes) -> tuple[bytes, list[Record]]:
    """What stands before the records, and every record, the end too."""
    _, start = charter_of(data)
    records, at = [], start
    while (record := record_at(data, at)) is not None:
        records.append(record)
        at = record.after
    return data[:start], records


def put_together(before: bytes, records: Iterable[Record]) -> bytes:
    """The file of these records as they are."""
    return before + b"".join(
        HEAD.pack(r.tag, r.number, len(r.payload)) + r.payload + r.check for r in records)


def rearranged(data: bytes, rearrange: Callable[[list[Record]], list[Record]]) -> bytes:
    """The file with its entries rearranged; what is no entry stays where it was."""
    before, records = taken_apart(data)
    logged = [r for r in records if r.tag == ENTRY]
    return put_together(before, [*rearrange(logged), *(r for r in records if r.tag != ENTRY)])


def renumbered(records: Iterable[Record]) -> list[Record]:
    """The same entries as if they had always stood like this."""
    return [replace(r, number=at) for at, r in enumerate(records)]


def rewritten_end(data: bytes, size: int) -> bytes:
    """The file whose checkpoint and end records stand after *size* entries, with checks to match."""
    before, records = taken_apart(data)
    return put_together(before, [
        replace(r, number=size, check=check_of(r.tag, size, r.payload)) if r.tag in (CHECKPOINT, END) else r
        for r in records])
