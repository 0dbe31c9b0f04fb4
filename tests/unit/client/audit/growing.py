"""A log that grows by whole rounds, with every department's ledger; dishonest only where a test is."""

from collections.abc import Iterable, Sequence
from typing import Self

from cotally.client.audit.verifier import Audited
from cotally.v1 import log_pb2, roster_pb2, round_pb2
from tests.fixtures.bundle import NODES
from tests.fixtures.long_log import BUDGET, POPULATION, PRICE, Pages, following, granted
from tests.unit.client.audit.planting import entries, verified, written

A, B, C = bytes([1] * 32), bytes([2] * 32), bytes([3] * 32)
LEFT = BUDGET - PRICE  # what a round at PRICE leaves of every budget
GRANTS = tuple(granted(node).grant.grant for node in NODES)
BEGUN = 1 + len(NODES)  # entries before the first round: the genesis, and grants


class Log:
    """The genesis, every department's grant (or those *shown*), and what is added."""

    def __init__(self, shown: Sequence[str] = NODES) -> None:
        self.entries = [*entries(1), *(granted(node) for node in shown)]
        self.ledgers = {node: Pages(node) for node in NODES}

    def round(self, round_: bytes, price: int = PRICE, purpose: str = "", granted: int = 0,
              announced_ms: int = 0) -> Self:
        """Announced, frozen, combined."""
        self.entries += [
            log_pb2.LogEntry(announcement=log_pb2.AnnouncementLeaf(round=round_)),
            log_pb2.LogEntry(roster=log_pb2.RosterLeaf(round=round_, frozen=bytes(32), ledgers=[
                ledger.reserve(round_, price) for ledger in self.ledgers.values()])),
            log_pb2.LogEntry(transcript=log_pb2.TranscriptLeaf(
                round=round_, population=POPULATION, pico_loss=price, analyst="analyst", purpose=purpose,
                transcript=bytes(32), granted_pico_loss=granted, announced_ms=announced_ms))]
        return self

    def released(self, round_: bytes, price: int = PRICE) -> Self:
        """And released, and committed by all departments."""
        self.enter(round_pb2.LEDGER_KIND_COMMIT, price, round_)
        return self.add(log_pb2.LogEntry(release=log_pb2.ReleaseLeaf(round=round_)))

    def died(self, round_: bytes) -> Self:
        """Or dead."""
        return self.add(log_pb2.LogEntry(dead=log_pb2.DeadLeaf(round=round_)))

    def add(self, *made: log_pb2.LogEntry) -> Self:
        """Anything else."""
        self.entries += made
        return self

    def enter(self, kind: round_pb2.LedgerKind.ValueType, amount: int, round_: bytes = b"",
              nodes: Iterable[str] = NODES) -> Self:
        """Into the ledgers of *nodes*."""
        for node in nodes:
            self.ledgers[node].enter(kind, amount, round_)
        return self

    @property
    def audited(self) -> Audited:
        """What it proves, signed by everybody."""
        return verified(written(self.entries))

    def amounts(self, kind: str = "population", purpose: str = "", name: str = "") -> tuple[int, int, object]:
        """(spent, reserved, left) of one filter."""
        [found] = [a for a in self.audited.accounts
                   if (a.kind, a.purpose) == (kind, purpose) and name in ("", a.name)]
        return found.spent, found.reserved, found.left


def replay(round_: bytes, price: int = PRICE, purpose: str = "research", analyst: str = "analyst",
           granted: int = 0, grants: Sequence[bytes] = GRANTS) -> log_pb2.LogEntry:
    """A replay entry."""
    return log_pb2.LogEntry(replay=log_pb2.ReplayLeaf(
        round=round_, population=POPULATION, pico_loss=price, analyst=analyst, purpose=purpose,
        granted_pico_loss=granted, grants=grants))


def policy(amount: int, before: roster_pb2.BudgetPolicy | None = None) -> roster_pb2.BudgetPolicy:
    """Budgets of this amount for the population, and for every department's ledger."""
    made = following(before)
    made.budgets.add(population=POPULATION, pico_loss=amount)
    for node in NODES:
        made.departments.add(department=node, population=POPULATION, pico_loss=amount)
    return made
