"""An engine that is down is refused by name, before a price; one that breaks down looks like a slow one."""

import asyncio
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cotally.server.engines.engine import EngineError
from cotally.server.engines.holding import Holding
from cotally.server.engines.source import File, PostgresTable, Source
from cotally.server.node.measuring import Measuring
from cotally.server.node.service import NodeService
from cotally.v1.refusals import Misconfigured, Refusal, Refused
from tests.unit.server.engines.plans import AGE, table

D_MS = 200


class Broken:
    """An engine that raises *error* wherever it is asked."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def open(self, held: object) -> None:
        raise self._error


@pytest.mark.parametrize(("error", "refusal", "said"), [
    (EngineError("PostgreSQL stopped with OperationalError"), Refusal.UNREACHABLE, "does not answer"),
    (Misconfigured("snapshot x was replaced, secret.csv"), Refusal.NOT_ALLOWED, "not the announced one"),
])
def test_what_is_in_the_way_is_refused_by_name_and_tells_no_more(
    error: Exception, refusal: Refusal, said: str
) -> None:
    measuring = Measuring.__new__(Measuring)
    measuring._engine = Broken(error)  # type: ignore[assignment]
    with pytest.raises(Refused, match=f"people.*{said}|{said}.*people|people") as refused:
        measuring.reach(table([AGE]))
    assert refused.value.refusal is refusal
    assert said in refused.value.message and "secret" not in refused.value.message


def test_a_join_of_two_engines_is_refused_by_both_names() -> None:
    people = table([AGE])
    visits = replace(people, name="visits")
    sources: dict[str, Source] = {"people": File(Path("people.csv")),
                                  "visits": PostgresTable("postgresql://db/x", "a", "visits")}
    measuring = Measuring.__new__(Measuring)
    measuring._engine = Holding(Path("nowhere"), sources)
    with pytest.raises(Refused, match="people and visits lie in different engines") as refused:
        measuring.reach(replace(visits, parts=(visits, people)))
    assert refused.value.refusal is Refusal.UNSUPPORTED


class Seal:
    def __init__(self, outcome: object, seconds: float) -> None:
        self._outcome, self._seconds = outcome, seconds

    def seal(self, priced: object, clear: object) -> object:
        time.sleep(self._seconds)
        if isinstance(self._outcome, Exception):
            raise self._outcome
        return self._outcome


def measured(outcome: object, seconds: float = 0.0) -> tuple[float, object]:
    """How long a node took to give up, or to be ready, and with what."""
    service: Any = NodeService.__new__(NodeService)
    service._session = SimpleNamespace(name="north")
    measuring = Seal(outcome, seconds)
    service._log = SimpleNamespace(warning=lambda *a, **k: None, exception=lambda *a, **k: None)
    plan = SimpleNamespace(answer_ms=D_MS)
    decision: Any = SimpleNamespace(
        announcement=SimpleNamespace(body=SimpleNamespace(plan=plan)), round=b"r", priced=None)

    async def run() -> object:
        try:
            return await service._measured(measuring, decision, None, time.monotonic())
        except Refused as refused:
            return refused

    began = time.monotonic()
    ended = asyncio.run(run())
    return time.monotonic() - began, ended


@pytest.mark.parametrize("error", [
    EngineError("DuckDB stopped with OutOfMemoryException"), MemoryError(), ValueError("a record's value")])
def test_breaking_down_over_a_record_looks_like_being_too_slow(error: Exception) -> None:
    waited, broken = measured(error)
    _, slow = measured("sealed", seconds=D_MS / 1000 + 0.2)
    assert isinstance(broken, Refused) and isinstance(slow, Refused)
    assert (broken.refusal, broken.message) == (slow.refusal, slow.message)
    assert waited >= D_MS / 1000


def test_what_the_plan_alone_decides_is_said_at_once() -> None:
    waited, refused = measured(Refused(Refusal.UNSUPPORTED, "sums do not fit"))
    assert isinstance(refused, Refused) and refused.refusal is Refusal.UNSUPPORTED
    assert waited < D_MS / 1000


def test_a_measurement_that_is_ready_is_returned() -> None:
    assert measured("sealed")[1] == "sealed"
