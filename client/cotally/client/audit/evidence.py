"""The evidence file: a federation's charter, every entry of its log, and the checkpoints over them.

A file is MAGIC and then records. A record is a tag (1 byte), a number (8 bytes), the payload's length
(4 bytes), the payload, and 32 bytes that check it; integers are big-endian. In order:

    C  number 0         Charter
    E  number = index   LogEntry; the check is its RFC 6962 leaf hash, over canonical bytes
    W  number = size    WitnessedCheckpoint over the entries before it
    Z  number = size    empty: the end

The check of the others is SHA-256 over tag, number and payload. Checks and numbers make damage tell its
place; what makes the log the federation's own are the witnesses' signatures.
"""

import contextlib
import hashlib
import mmap
import os
import struct
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from google.protobuf.message import DecodeError

from cotally.v1 import log_pb2, roster_pb2
from cotally.v1.refusals import Misconfigured, Refusal, Refused

from ..verify.log import entry_hash

MAGIC: Final = b"cotally audit log, version 1\n"
CHARTER: Final = b"C"
ENTRY: Final = b"E"
CHECKPOINT: Final = b"W"
END: Final = b"Z"
HEAD: Final = struct.Struct(">cQI")
CHECK_BYTES: Final = 32

View = bytes | mmap.mmap


@dataclass(frozen=True, slots=True)
class Record:
    """One record, and the offset of the next."""

    tag: bytes
    number: int
    payload: bytes
    check: bytes
    after: int

    @property
    def whole(self) -> bool:
        """Whether the payload is what the check says; never true for an entry, whose check is another."""
        return self.check == check_of(self.tag, self.number, self.payload)


def check_of(tag: bytes, number: int, payload: bytes) -> bytes:
    """Return the check of a record that is no entry."""
    return hashlib.sha256(tag + number.to_bytes(8, "big") + payload).digest()


def record_at(view: View, at: int) -> Record | None:
    """Return the record at offset *at*; None where the file ends inside it."""
    if at + HEAD.size > len(view):
        return None
    tag, number, length = HEAD.unpack_from(view, at)
    start = at + HEAD.size
    end = start + length
    if end + CHECK_BYTES > len(view):
        return None
    return Record(tag, number, view[start:end], view[end:end + CHECK_BYTES], end + CHECK_BYTES)


def charter_of(view: View) -> tuple[roster_pb2.Charter, int]:
    """Return the charter and the offset of what follows; Refused where this is no evidence file."""
    if view[:len(MAGIC)] != MAGIC:
        raise Refused(Refusal.MALFORMED, "this is no audit file: it does not begin, before entry 0, like one")
    record = record_at(view, len(MAGIC))
    if record is None or record.tag != CHARTER or record.number or not record.whole:
        raise Refused(Refusal.MALFORMED, "the charter before entry 0 was altered or cut short")
    try:
        return roster_pb2.Charter.FromString(record.payload), record.after
    except DecodeError:
        raise Refused(Refusal.MALFORMED, "what stands before entry 0 is no charter") from None


class Output(Protocol):
    """Where bytes go."""

    def write(self, data: bytes, /) -> object:
        """Append *data*."""


class Writer:
    """Writes a log in order: entries, a checkpoint wherever there is one, the end."""

    def __init__(self, output: Output, charter: roster_pb2.Charter) -> None:
        self._output = output
        self.size = 0
        output.write(MAGIC)
        self._plain(CHARTER, 0, charter.SerializeToString(deterministic=True))

    def entry(self, entry: log_pb2.LogEntry) -> None:
        """Append the next entry; raises NotCanonical for one without canonical bytes."""
        self._write(ENTRY, self.size, entry.SerializeToString(deterministic=True), entry_hash(entry))
        self.size += 1

    def checkpoint(self, witnessed: log_pb2.WitnessedCheckpoint) -> None:
        """Append a checkpoint over the entries so far."""
        self._plain(CHECKPOINT, self.size, witnessed.SerializeToString(deterministic=True))

    def copy(self, record: Record) -> None:
        """Append an entry or checkpoint of another file as it is."""
        self._write(record.tag, record.number, record.payload, record.check)
        self.size += record.tag == ENTRY

    def end(self) -> None:
        """Append the end: what follows it, or a file without it, is refused."""
        self._plain(END, self.size, b"")

    def _plain(self, tag: bytes, number: int, payload: bytes) -> None:
        self._write(tag, number, payload, check_of(tag, number, payload))

    def _write(self, tag: bytes, number: int, payload: bytes, check: bytes) -> None:
        self._output.write(HEAD.pack(tag, number, len(payload)) + payload + check)


@contextmanager
def mapped(path: Path) -> Iterator[View]:
    """The bytes of the file *path*, read where they are needed; Misconfigured where it cannot be read."""
    try:
        with path.open("rb") as file:
            is_empty = os.fstat(file.fileno()).st_size == 0  # which cannot be mapped
            view = b"" if is_empty else mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except OSError as error:
        raise Misconfigured(f"cannot read {path}: {error.strerror}") from None
    try:
        yield view
    finally:
        if isinstance(view, mmap.mmap):
            view.close()


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """An empty file beside *path*, to write and to close; it takes that place, durably, if all goes well."""
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        os.close(handle)
        temporary = Path(name)
        try:
            yield temporary
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise
    except OSError as error:
        raise Misconfigured(f"cannot write {path}: {error.strerror}") from None


def records(view: View) -> Iterator[Record]:
    """Entries and checkpoints in order, as they are; Refused where they do not come to an end."""
    _, at = charter_of(view)
    while (record := record_at(view, at)) is not None:
        if record.tag == END:
            return
        yield record
        at = record.after
    raise Refused(Refusal.MALFORMED, "the file is cut short")
