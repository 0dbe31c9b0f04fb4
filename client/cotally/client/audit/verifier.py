"""Verification of a whole log, offline, from an evidence file and the pinned roster's fingerprint.

Pages are checked side by side (`page`): canonical form, leaf hashes, cosignatures. This process joins their
hashes to the root, compares it with every checkpoint, and folds what the entries mean (`fold`). Memory grows
with rounds and ledger entries, never with the bytes of the log.

Which signatures: the coordinator's and a quorum of cosignatures of every checkpoint, every department's
approval of every roster after the first and of every budget policy, every key holder's statement in a void
entry, and those in the charter. Other entries carry none: the root
fixes them, and digests in them fix the signed messages that a release's bundle shows.
"""

import multiprocessing
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import cache, partial
from io import BytesIO
from pathlib import Path
from typing import Final

from cotally.v1 import log_pb2, roster_pb2
from cotally.v1.canonical import NotCanonical
from cotally.v1.refusals import Refusal, Refused

from ..budget import Filter
from ..verify import announced
from ..verify.checkpoint import Head
from ..verify.merkle import Frontier, Peak
from . import evidence
from .findings import Finding
from .fold import Fold
from .page import Bounds, Page, Reader, bounds

_AHEAD: Final = 4  # pages under way for each process
_WORTH_IT: Final = 3  # pages, below which starting processes takes longer


@dataclass(frozen=True, slots=True)
class Audited:
    """What a log proves, and what it shows to be wrong.

    `rounds` counts announced, released, dead, refused (by filters) and void rounds, and replays.
    `findings` are what an honest federation does not do; there may be more of them than are kept, and
    `found` counts all.
    """

    federation: str
    head: Head
    witnesses: tuple[str, ...]
    checkpoints: int
    rounds: dict[str, int]
    accounts: tuple[Filter, ...]
    findings: tuple[Finding, ...]
    found: int

    def check(self) -> None:
        """Refuse a log with findings, by the first."""
        if self.findings:
            first, more = self.findings[0], self.found - 1
            raise Refused(first.refusal, first.sentence + (f" (and {more} more findings)" if more else ""))


def verify_file(path: Path, fingerprint: bytes, processes: int = 1) -> Audited:
    """Return what the evidence file *path* proves; Refused, naming the index, for one that proves nothing.

    *fingerprint* is the pinned roster's. Several *processes* check long logs side by side; the caller's main
    module must then be importable without side effects.
    """
    with evidence.mapped(path) as view:
        charter, start = evidence.charter_of(view)
        cut = list(bounds(view, start))
        if processes < 2 or len(cut) < _WORTH_IT:
            return _verify(charter, fingerprint, map(_paged(charter, view), cut))
        with closing(_side_by_side(path, cut, processes)) as pages:
            return _verify(charter, fingerprint, pages)


def verify_log(
    charter: roster_pb2.Charter, fingerprint: bytes, entries: list[log_pb2.LogEntry],
    witnessed: log_pb2.WitnessedCheckpoint,
) -> Audited:
    """Return what *entries*, a whole log in memory, prove under its latest checkpoint; as `verify_file`."""
    output = BytesIO()
    writer = evidence.Writer(output, charter)
    try:
        for entry in entries:
            writer.entry(entry)
    except NotCanonical as error:
        raise Refused(Refusal.MALFORMED, f"entry {writer.size} has no canonical form: {error}") from error
    writer.checkpoint(witnessed)
    writer.end()
    view = output.getvalue()
    _, start = evidence.charter_of(view)
    return _verify(charter, fingerprint, map(_paged(charter, view), bounds(view, start)))


def _verify(charter: roster_pb2.Charter, fingerprint: bytes, pages: Iterator[Page]) -> Audited:
    frontier = Frontier()
    try:
        fold = Fold(charter)
    except NotCanonical as error:
        raise _formless(error) from error
    head, checkpoints, ended = Head(0, b""), 0, False
    witnesses: tuple[str, ...] = ()
    for page in pages:
        for mark in page.marks:
            _check_root(frontier, mark.peaks, mark.head, min(head.size, mark.head.size - 1))
            head, witnesses, checkpoints = mark.head, mark.witnesses, checkpoints + 1
        for fact in page.facts:
            fold.add(fact)
        if page.fault is not None:
            raise page.fault.refused()
        for height, peak in page.peaks:
            frontier.add(peak, height)
        ended = page.ended
    if not ended:
        raise Refused(Refusal.MALFORMED, f"the log is cut short: the file ends after entry {fold.size - 1}")
    if head.size != fold.size or not checkpoints:
        raise Refused(Refusal.NOT_WITNESSED, f"no checkpoint covers entry {fold.size - 1}, the last")
    _check_pinned(charter, fingerprint, fold.successors)
    roster = charter.roster
    return Audited(roster.federation, head, witnesses, checkpoints, fold.rounds.counts,
                   fold.accounts(), tuple(fold.findings.kept), fold.findings.total)


def _check_root(before: Frontier, peaks: Iterable[Peak], head: Head, matched: int) -> None:
    """Refuse entries that do not add up to a checkpoint; those under the one at *matched* did."""
    frontier = Frontier(before.peaks)
    for height, peak in peaks:
        frontier.add(peak, height)
    if frontier.root() != head.root:
        where = f"entry {matched} is not" if head.size - matched == 1 else (
            f"entries {matched} to {head.size - 1} are not all")
        raise Refused(Refusal.EQUIVOCATION, f"{where} what the witnesses signed: there are two views of the "
                                            f"first {head.size} entries")


def _check_pinned(
    charter: roster_pb2.Charter, fingerprint: bytes, logged: list[roster_pb2.Succession],
) -> None:
    """Refuse a charter that the pin does not reach, over the rosters that the log brought after it."""
    own = len(charter.lineage)
    if len(logged) < own:
        raise Refused(Refusal.EQUIVOCATION,
                      f"after {len(logged)} successions, the log does not lead to the charter's roster")
    try:
        announced.check_charter(charter, fingerprint, logged[own:])
    except NotCanonical as error:
        raise _formless(error) from error


def _formless(error: NotCanonical) -> Refused:
    return Refused(Refusal.MALFORMED, f"the charter before entry 0 has no canonical form: {error}")


def _paged(charter: roster_pb2.Charter, view: evidence.View) -> Callable[[Bounds], Page]:
    return partial(Reader(charter.roster).page, view)


def _side_by_side(path: Path, cut: Iterable[Bounds], processes: int) -> Generator[Page, None, None]:
    """The pages in order, checked by several processes; a few are under way, however many there are."""
    with ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn")) as pool:
        waiting: deque[Future[Page]] = deque()
        try:
            for where in cut:
                waiting.append(pool.submit(_page_of, path, where))
                if len(waiting) >= _AHEAD * processes:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _page_of(path: Path, where: Bounds) -> Page:
    view, reader = _opened(path)
    return reader.page(view, where)


_held: Final = ExitStack()  # what the cache below keeps open


@cache
def _opened(path: Path) -> tuple[evidence.View, Reader]:
    """A file that this process reads until it ends."""
    view = _held.enter_context(evidence.mapped(path))
    charter, _ = evidence.charter_of(view)
    return view, Reader(charter.roster)
