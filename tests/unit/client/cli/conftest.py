"""A connection of straw: real catalog, plan, release and filters, no network."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, Self

import pytest

from cotally.client.audit.verifier import Audited
from cotally.client.budget import Filter
from cotally.client.cli.main import main
from cotally.client.explain import Explanation
from cotally.client.release import Release
from cotally.client.sql.parse import parse
from cotally.client.study import Study
from cotally.v1 import analyst_pb2, catalog_pb2, log_pb2, roster_pb2
from tests.fixtures.bundle import HOLDERS, NODES, Round
from tests.unit.client.audit.planting import evidence_file, verified

# Refined counts are four times the rows; the last group has almost nobody.
VECTOR = [1200, 2000, 4, 20_000, 31_000, 90, 1200, 2000, 4, 8000, -5000, 30]
SQL = "SELECT sex, COUNT(*) AS n FROM people GROUP BY sex WITH PRIVACY (epsilon = 1)"


@cache
def bundle() -> tuple[log_pb2.Bundle, bytes]:
    """One complete round, and the roster's fingerprint."""
    return Round(vectors=dict.fromkeys(NODES, VECTOR)).bundle()


@cache
def release() -> Release:
    """Its release, verified."""
    return Release.of(*bundle())


@dataclass
class Straw:
    """Stands where `connect` would return a Connection; `error` is raised by what asks."""

    charter: roster_pb2.Charter = field(default_factory=lambda: bundle()[0].charter)
    connected: tuple[str, ...] = (*NODES[:2], *HOLDERS)
    error: BaseException | None = None
    steps: tuple[analyst_pb2.Progress, ...] = ()
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    ran: int = 0
    only_price: bool = False
    equal: bytes = b""
    log: bytes = field(default_factory=lambda: evidence_file(45))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    @property
    def catalog(self) -> catalog_pb2.Catalog:
        """The federation's catalog."""
        return self.charter.catalog

    def sql(self, text: str, purpose: str | None = None) -> Self:
        """Parse *text* for real."""
        self.asked.append((text, purpose))
        self.only_price = parse(text, self.catalog).only_price
        return self

    def afford(self, questions: list[str]) -> Study:
        """Each at the price of the round's question."""
        return Study.of([(text, self.sql(text).explain()) for text in questions])

    def explain(self) -> Explanation:
        """The price of the round's question."""
        body = bundle()[0].announcement.body
        quote = analyst_pb2.QuoteResponse(plan=body.plan, departments=NODES, filters=[
            analyst_pb2.FilterStatus(kind=analyst_pb2.FILTER_KIND_DEPARTMENT, name="east",
                                     population="residents", budget_pico_loss=10**12),
            analyst_pb2.FilterStatus(kind=analyst_pb2.FILTER_KIND_ANALYST, name="ann",
                                     population="residents", budget_pico_loss=2 * 10**10)],
            release=self.equal)
        return Explanation.of(quote, body.envelope.body.query, self.charter)

    def run(self, watch: Callable[[analyst_pb2.Progress], None]) -> Release:
        """The round's release, or the error."""
        self.ran += 1
        for step in self.steps:
            watch(step)
        if self.error:
            raise self.error
        return release()

    def release(self, release_id: str) -> Release:
        """The release, whatever the id."""
        return release()

    def filters(self) -> list[Filter]:
        """Two with limits, one without."""
        east = Filter("department", "east", "residents", 10**12, 4 * 10**10, "0.000001")
        return [east, replace(east, kind="population", name="residents", budget=None),
                replace(east, kind="analyst", name="ann", budget=4 * 10**10)]

    def audit(self, path: Path | None = None, processes: int = 1) -> Audited:
        """What an honest log, or the one of the test, proves; kept where that is asked."""
        if path is not None:
            path.write_bytes(self.log)
        return verified(self.log)


@pytest.fixture
def straw(monkeypatch: pytest.MonkeyPatch) -> Straw:
    """What every command of the test connects to."""
    made = Straw()
    monkeypatch.setattr("cotally.client.connection.connect", lambda _: made)
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.delenv("COTALLY_DEBUG", raising=False)
    return made


@pytest.fixture
def run(straw: Straw, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Run a command line; returns (status, standard output, standard error)."""
    def call(*argv: Any) -> tuple[int, str, str]:
        status = main([str(word) for word in argv])
        captured = capsys.readouterr()
        return status, captured.out, captured.err
    return call
