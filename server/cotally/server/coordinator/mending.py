"""Logs what a stop kept from the log: the beginning or the end of rounds that are stored.

A round is stored before its leaf is appended, so that no leaf names a round that nobody has. A crash in
between would leave it out for ever; every start appends what is missing, and nothing twice.
"""

from cotally.server.audit.log import AuditLog
from cotally.server.rpc.logs import Log
from cotally.v1 import log_pb2
from cotally.v1.canonical import digest
from cotally.v1.refusals import Refused

from .rounds import Rounds
from .witnessing import Witnessing


class Mending:
    """The leaves of the first and the last step, for live rounds and for those of former runs."""

    def __init__(self, rounds: Rounds, audit: AuditLog, witnessing: Witnessing, log: Log) -> None:
        self._rounds = rounds
        self._audit = audit
        self._witnessing = witnessing
        self._log = log

    def announced(self, round_: bytes) -> None:
        """Log that a stored round was announced, once."""
        self._witnessing.follow()
        if self._witnessing.is_announced(round_):
            return
        self._audit.append(log_pb2.LogEntry(announcement=log_pb2.AnnouncementLeaf(round=round_)))

    def ended(self, round_: bytes) -> None:
        """Log the stored outcome of a round, once: its release, or of what it died and who withheld."""
        self.announced(round_)
        if self._witnessing.has_ended(round_):
            return
        outcome = self._rounds.outcome(round_)
        if isinstance(outcome, log_pb2.Bundle):
            self._audit.append(log_pb2.LogEntry(release=log_pb2.ReleaseLeaf(
                round=round_, release=digest("release", outcome.release.body))))
        elif isinstance(outcome, Refused):
            self._audit.append(log_pb2.LogEntry(dead=log_pb2.DeadLeaf(
                round=round_, reason=outcome.refusal, departments=self._rounds.withheld(round_))))

    def resume(self) -> None:
        """Log what the log lacks of former runs' rounds."""
        self._witnessing.follow()
        before = self._audit.size
        for round_, is_over in self._rounds.all():
            if is_over:
                self.ended(round_)
            else:
                self.announced(round_)
        self._witnessing.follow()
        if self._audit.size > before:
            self._log.warning("log_mended", count=self._audit.size - before)
