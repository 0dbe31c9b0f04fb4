"""What comes first at a node: the price before the data, D before the answer; and secrets stay silent."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cotally.server.engines.engine import EngineError, Measures
from cotally.server.ledger.ledger import SCHEMA as LEDGER_SCHEMA
from cotally.server.ledger.ledger import Ledger
from cotally.server.model.catalog import Table
from cotally.server.model.plan import Plan
from cotally.server.model.query import Query
from cotally.server.node.rounds import SCHEMA as ROUNDS_SCHEMA
from cotally.server.node.rounds import Sealed
from cotally.server.node.service import NodeService
from cotally.server.rpc.logs import Log
from cotally.server.store.database import open_database
from cotally.v1 import query_pb2, round_pb2
from tests.protocol.lab import Lab
from tests.protocol.site import US, Site, rounds_of_today

QUESTION = query_pb2.Query(
    table="people", statistics=[query_pb2.Statistic(alias="n", kind=query_pb2.STATISTIC_KIND_COUNT_ROWS)],
    privacy=query_pb2.PrivacyClause(rho="0.02", confidence="0.95", mechanism=query_pb2.MECHANISM_GAUSSIAN))


class Door:
    """What a node sends, and how long it slept before it did."""

    def __init__(self) -> None:
        self.slept = 0.0
        self.sent: list[tuple[float, round_pb2.Commitment]] = []

    async def sleep(self, seconds: float) -> None:
        self.slept += seconds

    async def commit(self, commitment: round_pb2.Commitment) -> None:
        self.sent.append((self.slept, commitment))


def now_ms() -> int:
    return time.time_ns() // 10**6


class Watching:
    """An engine that looks about when it is asked to read, and gives up."""

    def __init__(self, engine: Measures, look: Callable[[], int]) -> None:
        self._engine = engine
        self._look = look
        self.seen: list[int] = []

    def open(self, table: Table) -> None:
        self._engine.open(table)

    def measure(self, query: Query, table: Table, plan: Plan, salt: bytes) -> list[int]:
        self.seen.append(self._look())
        raise EngineError("seen enough")


def spent_on_disk(lab: Lab) -> int:
    """What a program that starts now would find in north's ledger."""
    ledger = Ledger(open_database(lab.folder / US / "ledger.db", LEDGER_SCHEMA, ROUNDS_SCHEMA), US)
    return int(ledger.status()[0].spent_pico_loss)


def test_the_price_is_on_disk_before_a_record_is_read(folder: Path) -> None:
    lab = rounds_of_today(folder / "lab")
    watching: list[Watching] = []

    def watch(engine: Measures) -> Measures:
        watching.append(Watching(engine, lambda: spent_on_disk(lab)))
        return watching[-1]

    site = Site(lab, folder / "site", b"pid,age,income,sex,city,seen\n1,30,100,0,,2024-01-01\n", watch)
    assert site.ask(QUESTION).refused is not None
    price = lab.federation.price(QUESTION).plan.pico_loss
    assert [seen for each in watching for seen in each.seen] == [price]


def test_a_stored_commitment_is_sent_again_no_earlier_than_d(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = rounds_of_today(folder)
    lab.now = now_ms() + 60_000  # D is far off, however slow this machine is
    announcement = lab.announce(lab.envelope(QUESTION))
    stored = lab.commit(US, announcement)
    node: Any = NodeService.__new__(NodeService)
    node._session, node._measuring, node._log = lab.nodes[US].session, None, Log("node", US)
    door = Door()
    monkeypatch.setattr(asyncio, "sleep", door.sleep)
    asyncio.run(node._take_part(announcement, door))
    [(slept, commitment)] = door.sent
    assert commitment == stored
    assert slept >= (announcement.body.announced_ms + announcement.body.plan.answer_ms - now_ms()) / 1000 > 0


@pytest.mark.parametrize("shown", [repr, str, lambda sealed: f"{SimpleNamespace(sealed=sealed)}"])
def test_the_secret_part_of_a_commitment_does_not_print(shown: Callable[[object], str]) -> None:
    sealed = Sealed(b"wxyzzy salt", b"wxyzzy ciphertexts", round_pb2.PlaintextProof(commitment=b"wxyzzy"))
    assert "wxyzzy" not in shown(sealed)
