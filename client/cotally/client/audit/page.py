"""A page of an evidence file, checked by itself: form, hashes, signatures. Pages go to several processes.

A page is 4,096 entries, less at the end, with the checkpoints among them. What a page alone cannot tell
is left to the fold (`fold`): the root, and what entries mean together. Names and keys of members are the
charter's, since no succession changes them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from google.protobuf.message import DecodeError

from cotally.v1 import log_pb2, roster_pb2
from cotally.v1.canonical import NotCanonical
from cotally.v1.refusals import Refusal, Refused

from ..verify.checkpoint import Head, check_witnessed
from ..verify.log import entry_hash
from ..verify.merkle import Frontier, Peak
from ..verify.signatures import Signatories
from .evidence import CHECK_BYTES, CHECKPOINT, END, ENTRY, HEAD, Record, View, record_at
from .facts import Fact, fact_of

HEIGHT: Final = 12
PAGE: Final = 1 << HEIGHT


@dataclass(frozen=True, slots=True)
class Bounds:
    """Where a page stands: index of its first entry, and its bytes in the file."""

    first: int
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Mark:
    """A checkpoint that its quorum signed, and the page's peaks below it."""

    head: Head
    witnesses: tuple[str, ...]
    peaks: tuple[Peak, ...]


@dataclass(frozen=True, slots=True)
class Fault:
    """The first thing in a page that cannot be."""

    refusal: Refusal
    sentence: str

    def refused(self) -> Refused:
        """The same, to raise: a Refused itself does not travel between processes."""
        return Refused(self.refusal, self.sentence)


@dataclass(frozen=True, slots=True)
class Page:
    """What a page holds, up to its fault if it has one; `ended` tells that it holds the file's end."""

    first: int
    facts: tuple[Fact, ...]
    peaks: tuple[Peak, ...]
    marks: tuple[Mark, ...]
    fault: Fault | None
    ended: bool


def bounds(view: View, at: int) -> Iterator[Bounds]:
    """Cut what begins at offset *at* into pages, whole ones first; damage ends in the last."""
    first = index = 0
    start, size = at, len(view)
    while at + HEAD.size <= size:
        tag, number, length = HEAD.unpack_from(view, at)
        if tag not in (ENTRY, CHECKPOINT) or number != index:
            break
        at += HEAD.size + length + CHECK_BYTES
        if at > size:
            break
        if tag == ENTRY:
            index += 1
            if index - first == PAGE:
                yield Bounds(first, start, at)
                first, start = index, at
    yield Bounds(first, start, size)


class Reader:
    """Checks pages of one federation's file."""

    def __init__(self, roster: roster_pb2.Roster) -> None:
        self._roster = roster
        self._members = Signatories(roster)

    def page(self, view: View, where: Bounds) -> Page:
        """Return the page that stands at *where*."""
        facts: list[Fact] = []
        marks: list[Mark] = []
        frontier = Frontier()
        index, at, ended, fault = where.first, where.start, False, None
        try:
            while at < where.stop and not ended:
                record = record_at(view, at)
                if record is None:
                    raise Refused(Refusal.MALFORMED,
                                  f"entry {index} was altered or cut short: the file ends before it does")
                if record.number != index:
                    raise _misplaced(record, index)
                at = record.after
                if record.tag == ENTRY:
                    leaf, fact = self._entry(record)
                    frontier.add(leaf)
                    facts.append(fact)
                    index += 1
                elif record.tag == CHECKPOINT:
                    marks.append(self._mark(record, frontier))
                else:
                    ended = _is_end(record, at == len(view))
        except Refused as refused:
            fault = Fault(refused.refusal, refused.message)
        return Page(where.first, tuple(facts), frontier.peaks, tuple(marks), fault, ended)

    def _entry(self, record: Record) -> tuple[bytes, Fact]:
        """Return an entry's leaf hash and what it says."""
        where = f"entry {record.number}"
        try:
            entry = log_pb2.LogEntry.FromString(record.payload)
            leaf = entry_hash(entry)
            if leaf != record.check or entry.SerializeToString(deterministic=True) != record.payload:
                raise Refused(Refusal.MALFORMED, f"{where} was altered: it does not have its hash")
            return leaf, fact_of(entry, self._roster.federation, self._members)
        except (DecodeError, NotCanonical):
            raise Refused(Refusal.MALFORMED, f"{where} was altered: it has no canonical form") from None
        except ValueError as error:
            raise Refused(Refusal.MALFORMED, f"{where} {error}") from None

    def _mark(self, record: Record, frontier: Frontier) -> Mark:
        where = f"the checkpoint after entry {record.number - 1}"
        if not record.whole:
            raise Refused(Refusal.MALFORMED, f"{where} was altered")
        try:
            witnessed = log_pb2.WitnessedCheckpoint.FromString(record.payload)
            head, witnesses = check_witnessed(witnessed, self._roster, self._members)
        except DecodeError:
            raise Refused(Refusal.MALFORMED, f"{where} is none") from None
        except Refused as refused:
            raise Refused(refused.refusal, f"{where}: {refused.message}") from None
        if head.size != record.number:
            raise Refused(Refusal.EQUIVOCATION, f"{where} speaks of {head.size} entries, not {record.number}")
        return Mark(head, witnesses, frontier.peaks)


def _misplaced(record: Record, index: int) -> Refused:
    if record.tag == ENTRY:
        return Refused(Refusal.EQUIVOCATION,
                       f"entry {index} is missing: entry {record.number} is in its place")
    if record.tag in (CHECKPOINT, END):
        return Refused(Refusal.EQUIVOCATION, f"entry {index} is missing: the file goes on as if there were "
                                             f"{record.number} entries")
    return _no_record(index)


def _is_end(record: Record, is_last: bool) -> bool:
    if record.tag != END or record.payload or not record.whole:
        raise _no_record(record.number)
    if not is_last:
        raise Refused(Refusal.MALFORMED,
                      f"something follows the end of the log, after entry {record.number - 1}")
    return True


def _no_record(index: int) -> Refused:
    return Refused(Refusal.MALFORMED, f"no record of entry {index}, nor the end, follows entry {index - 1}")
