"""The evidence file brought up to date from a coordinator, and verified before it takes its place."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final, Protocol

from google.protobuf.message import DecodeError

from cotally.v1 import audit_pb2, audit_pb2_grpc, log_pb2, roster_pb2, work_pb2
from cotally.v1.canonical import NotCanonical
from cotally.v1.refusals import Misconfigured, Refusal, Refused

from ..channel import refusals
from ..frames import Joiner
from ..verify.checkpoint import Head, parse
from ..verify.lineage import first
from ..verify.merkle import root, verify_consistency
from . import evidence
from .verifier import Audited, verify_file

CALL_SECONDS: Final = 300.0
ENTRIES_PER_CALL: Final = 20_000


class Source(Protocol):
    """Where a log comes from."""

    def checkpoint(self) -> log_pb2.WitnessedCheckpoint:
        """Return its latest checkpoint."""

    def entries(self, first: int, size: int) -> Iterator[log_pb2.LogEntry]:
        """Yield the entries from *first* up to, not including, *size*."""

    def consistency(self, first: int, second: int) -> list[bytes]:
        """Return the path that leads from the log of *first* entries to that of *second*."""


class CoordinatorLog:
    """The log that a coordinator serves; *where* is its address, for errors."""

    def __init__(self, audit: audit_pb2_grpc.AuditStub, where: str) -> None:
        self._audit = audit
        self._where = where

    def checkpoint(self) -> log_pb2.WitnessedCheckpoint:
        """Return its latest checkpoint."""
        with refusals(self._where):
            return self._audit.LatestCheckpoint(
                audit_pb2.LatestCheckpointRequest(), timeout=CALL_SECONDS).checkpoint

    def entries(self, first: int, size: int) -> Iterator[log_pb2.LogEntry]:
        """Yield entries; refuse, naming the index, where one is left out."""
        for start in range(first, size, ENTRIES_PER_CALL):
            yield from self._call(start, min(size, start + ENTRIES_PER_CALL))

    def _call(self, first: int, size: int) -> Iterator[log_pb2.LogEntry]:
        joiner, index = Joiner(work_pb2.Growth), first
        with refusals(self._where):
            request = audit_pb2.EntriesRequest(first=first, size=size)
            for part in self._audit.Entries(request, timeout=CALL_SECONDS):
                growth = joiner.feed(part)
                if growth is None:
                    continue
                if growth.first != index:
                    raise Refused(
                        Refusal.EQUIVOCATION,
                        f"entry {index} is missing: the coordinator went on with entry {growth.first}")
                yield from growth.entries
                index += len(growth.entries)
        if index != size:
            what = f"entry {index} is missing" if index < size else f"entry {size} was not asked for"
            raise Refused(Refusal.EQUIVOCATION, f"{what}: the coordinator sent {index - first} entries, not "
                                                f"{size - first}")

    def consistency(self, first: int, second: int) -> list[bytes]:
        """Return a path; whether it proves anything is for the caller to see."""
        with refusals(self._where):
            return list(self._audit.Consistency(
                audit_pb2.ConsistencyRequest(first=first, second=second), timeout=CALL_SECONDS).path)


def fetch(source: Source, charter: roster_pb2.Charter, pin: bytes, path: Path, processes: int = 1) -> Audited:
    """Bring the evidence file *path* up to the latest checkpoint and return what it proves.

    A file that is there already is gone on from: what it has is kept, its checkpoints too, so that a log
    that was rewritten since is found out. Nothing is replaced unless the whole new file verifies.
    """
    latest = source.checkpoint()
    head = parse(latest.checkpoint.text, charter.roster.federation)
    with evidence.replacing(path) as temporary:
        with temporary.open("wb", buffering=1 << 20) as file:
            writer = evidence.Writer(file, charter)
            known = _copy(path, writer, first(charter))
            if writer.size > head.size:
                raise Refused(Refusal.STEPPED_BACK, f"the coordinator's log ends before entry {head.size}; "
                                                    f"{path} has {writer.size} entries")
            try:
                for entry in source.entries(writer.size, head.size):
                    writer.entry(entry)
            except NotCanonical:
                raise Refused(Refusal.MALFORMED, f"entry {writer.size} has no canonical form") from None
            if latest.checkpoint.text != known:
                writer.checkpoint(latest)
            writer.end()
        try:
            return verify_file(temporary, pin, processes)
        except Refused as refused:
            if refused.refusal is Refusal.EQUIVOCATION:
                raise _located(refused, source, temporary, head) from refused
            raise


def _copy(path: Path, writer: evidence.Writer, founding: roster_pb2.Roster) -> str:
    """Copy what the file *path* has, if there is one; return the text of its last checkpoint.

    Refused CREDENTIALS for a file of a federation that began with another roster than *founding*.
    """
    text = ""
    if not path.exists():
        return text
    with evidence.mapped(path) as view:
        try:
            began = first(evidence.charter_of(view)[0])
            for record in evidence.records(view) if began == founding else ():
                writer.copy(record)
                if record.tag == evidence.CHECKPOINT:
                    text = log_pb2.WitnessedCheckpoint.FromString(record.payload).checkpoint.text
        except (Refused, DecodeError):
            raise Misconfigured(f"{path} is there and is no whole audit file: name another") from None
    if began != founding:
        raise Refused(Refusal.CREDENTIALS, f"{path} is there and is of another federation: name another")
    return text


def _located(refused: Refused, source: Source, path: Path, head: Head) -> Refused:
    """The same refusal with the first entry that the source cannot prove to be under its own checkpoint."""
    with evidence.mapped(path) as view:
        leaves = [record.check for record in evidence.records(view) if record.tag == evidence.ENTRY]
    good, bad = 0, len(leaves)
    with suppress(Refused):
        while bad - good > 1:
            middle = (good + bad) // 2
            proof = source.consistency(middle, head.size)
            if verify_consistency(middle, head.size, proof, root(leaves[:middle]), head.root):
                good = middle
            else:
                bad = middle
        return Refused(refused.refusal, f"entry {bad - 1} is the first that the coordinator cannot prove: "
                                        f"{refused.message}")
    return refused
