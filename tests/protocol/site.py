"""A department whose node runs over a file, in the lab: all the way from announcement to answer, replayable.

North's node is the real one, from `node.toml`'s data to what it sends; its colleagues are honest and hold
nothing. Everybody's noise comes from a seed, so that two runs differ only where a record made them differ.
"""

import asyncio
import io
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from cotally.client.release import Release
from cotally.client.scope import effective
from cotally.client.verify.bundle import Verified
from cotally.server.coordinator.session import Round
from cotally.server.crypto.packing import pack
from cotally.server.dp.noise import Noise
from cotally.server.engines.engine import Measures
from cotally.server.engines.holding import Holding
from cotally.server.engines.source import File
from cotally.server.model.plan import Plan
from cotally.server.node import main, measuring, service
from cotally.server.node.measuring import Measuring
from cotally.server.node.service import NodeService
from cotally.server.protocol.reveal import roster_leaf
from cotally.server.rpc.dialling import Desk
from cotally.server.rpc.logs import Log
from cotally.server.rpc.refusals import from_detail
from cotally.server.wire.signed import sign
from cotally.v1 import catalog_pb2, log_pb2, query_pb2, round_pb2, work_pb2
from cotally.v1.refusals import Refused
from tests.honesty.noise import SEED, share
from tests.protocol import lab as laboratory
from tests.protocol.lab import Lab

US = "north"
DAY_MS = 86_400_000


def catalog(departments: Sequence[str] = laboratory.DEPARTMENTS) -> catalog_pb2.Catalog:
    """People with one column of every type, and their visits."""
    people = catalog_pb2.Table(
        name="people", population="residents", unit_column="pid", overlap=1, rows_per_person=1,
        groups_per_person=1, expected_people=1000, max_people=20, min_departments=3, vintage="1",
        holders=sorted(departments), columns=[
            catalog_pb2.Column(name="age", type=catalog_pb2.COLUMN_TYPE_INTEGER, lower="0", upper="100",
                               nullable=False),
            catalog_pb2.Column(name="income", type=catalog_pb2.COLUMN_TYPE_FLOAT, lower="0", upper="1000",
                               resolution="1", nullable=True),
            catalog_pb2.Column(name="sex", type=catalog_pb2.COLUMN_TYPE_CATEGORY, codes=["0", "1"],
                               nullable=True),
            catalog_pb2.Column(name="city", type=catalog_pb2.COLUMN_TYPE_CATEGORY, codes=["京", "é"],
                               other=True, nullable=True),
            catalog_pb2.Column(name="seen", type=catalog_pb2.COLUMN_TYPE_DATE, lower="2024-01-01",
                               upper="2025-12-31", nullable=True)])
    visits = catalog_pb2.Table()
    visits.CopyFrom(people)
    visits.name = "visits"
    del visits.columns[2:]
    return catalog_pb2.Catalog(federation="lab", epoch=1, tables=[people, visits])


class SiteLab(Lab):
    """A lab of today, whose grants cover both tables."""

    def grant(self, department: str, analyst: str) -> query_pb2.SignedGrant:
        now = time.time_ns() // 10**6
        body = query_pb2.Grant(
            federation="lab", founding=self.federation.founding, department=department, analyst=analyst,
            purposes=["statistics"], tables=["people", "visits"],
            not_before_ms=now - DAY_MS, not_after_ms=now + DAY_MS)
        return query_pb2.SignedGrant(body=body, signature=sign(self.keys[department], "grant", body))


def replayed(name: str) -> Callable[[Sequence[int], Plan, Noise], list[int]]:
    """The mechanism of `dp.measure`, with the noise of department *name* from the seed."""
    def measure(values: Sequence[int], plan: Plan, noise: Noise = Noise.EXACT) -> list[int]:
        source = np.random.Generator(np.random.PCG64([SEED, *name.encode()]))
        noised: list[int] = []
        for block in plan.blocks:
            cells = values[block.offset : block.offset + block.cells]
            clamped = [min(max(value, block.low), block.high) for value in cells]
            drawn = share(block, plan.mechanism, block.cells, source).tolist()
            noised += [value + each for value, each in zip(clamped, drawn, strict=True)]
        return noised
    return measure


@dataclass
class Line:
    """What a node sends to the coordinator; nobody answers."""

    commitments: list[round_pb2.Commitment] = field(default_factory=list)
    declined: list[work_pb2.DeclineRequest] = field(default_factory=list)

    async def commit(self, commitment: round_pb2.Commitment) -> None:
        """Step 6."""
        self.commitments.append(commitment)

    async def decline(self, request: work_pb2.DeclineRequest) -> None:
        """A refusal."""
        self.declined.append(request)


@dataclass(frozen=True)
class Answered:
    """What one question came to: for the analyst, and for north's operator alone."""

    json: dict[str, Any]     # what `cotally query -o json` prints; empty where north did not take part
    refused: Refused | None  # what north told the coordinator instead
    seconds: float           # from announcement to north's message
    d: float                 # by the plan
    log: list[dict[str, Any]]

    @property
    def told(self) -> list[str]:
        """Sentences about north's snapshot."""
        return [line["message"] for line in self.log if line["event"] == "snapshot_note"]

    @property
    def text(self) -> str:
        """Byte by byte what the analyst gets."""
        return json.dumps(self.json, ensure_ascii=False)


def rounds_of_today(folder: Path, of: Callable[..., catalog_pb2.Catalog] = catalog) -> SiteLab:
    """A lab over that catalog."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(laboratory, "catalog", of)
        return SiteLab(folder)


class Site:
    """North's node over *people*, bytes of a CSV file.

    Its time D is far off while it measures, so that no loaded machine drops it out, and at hand when it
    waits to answer. A *trouble* takes the place of its engine, and then D is what the plan says.
    """

    def __init__(self, lab: Lab, folder: Path, people: bytes,
                 trouble: Callable[[Measures], Measures] | None = None) -> None:
        folder.mkdir(parents=True)
        lab.now = time.time_ns() // 10**6
        self.lab = lab
        self.state = folder / "state"
        self.files = {name: folder / f"{name}.csv" for name in ("people", "visits")}
        self.files["people"].write_bytes(people)
        self.files["visits"].write_bytes(b"pid,age,income\n1,2,3\n")
        self._said = io.StringIO()
        self._log = Log("node", US, stream=self._said)
        self._trouble = trouble

    def holding(self) -> Holding:
        """The engines of north's tables, their vintage taken as at the node's start."""
        holding = Holding(self.state, {name: File(path) for name, path in self.files.items()})
        settings: Any = SimpleNamespace(
            data=self.files, common=SimpleNamespace(path=Path("node.toml")))
        us: Any = SimpleNamespace(federation=self.lab.federation, member=SimpleNamespace(name=US))
        main._snapshots(holding, settings, us, self._log)
        return holding

    def _engine(self, holding: Holding) -> Measures:
        return holding if self._trouble is None else self._trouble(holding)

    @property
    def log(self) -> list[dict[str, Any]]:
        """What north's operator read so far."""
        return [json.loads(line) for line in self._said.getvalue().splitlines()]

    def ask(self, query: query_pb2.Query, holding: Holding | None = None) -> Answered:
        """Play a round of *query*."""
        measured = Measuring(self.lab.federation, self._engine(holding or self.holding()), bytes, self._log)
        announcement = self.lab.announce(self.lab.envelope(query))
        line = Line()
        began, waits = time.monotonic(), [3600.0, 0.0]  # while measuring; before answering
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(measuring, "add_noise", replayed(US))
            if self._trouble is None:
                patch.setattr(service, "_until_answer", lambda *_: waits.pop(0))
            asyncio.run(self._take_part(measured, announcement, line))
        seconds = time.monotonic() - began
        d = announcement.body.plan.answer_ms / 1000
        if line.declined:
            return Answered({}, from_detail(line.declined[0].refusal), seconds, d, self.log)
        assert not waits, "north answers at D and no earlier"
        return Answered(self._released(query, announcement, line.commitments[0]), None, seconds, d, self.log)

    async def _take_part(self, measured: Measuring, announcement: round_pb2.SignedAnnouncement,
                         line: Line) -> None:
        node: Any = NodeService.__new__(NodeService)
        node._session, node._measuring = self.lab.nodes[US].session, measured
        node._tables, node._log, node._sent = frozenset(self.files), self._log, SimpleNamespace(head=bytes)
        desk = Desk(line.decline, list, "nowhere:1", self._log)
        desk.start(b"round", lambda: node._take_part(announcement, line))
        await asyncio.gather(*desk._tasks.values())

    def _released(self, query: query_pb2.Query, announcement: round_pb2.SignedAnnouncement,
                  ours: round_pb2.Commitment) -> dict[str, Any]:
        lab, round_ = self.lab, Round(self.lab.federation, announcement)
        plan = lab.federation.price(query).plan
        for name in lab.nodes:
            round_.commit(ours if name == US else lab.commit(
                name, announcement,
                pack(replayed(name)([0] * plan.coordinates, plan, Noise.EXACT), plan.packing)))
        frozen = round_.freeze(lab.now, lab.keys["coordinator"])
        lab.log(log_pb2.LogEntry(roster=roster_leaf(frozen)))
        for node in lab.nodes.values():
            round_.reveal(node.session.reveal(frozen, lab.now))
        evidence = lab.evidence(round_)
        for name in ("holder-1", "holder-2"):
            round_.partial(lab.decrypt(name, evidence))
        released = round_.release(lab.now, lab.keys["coordinator"]).body
        release = Release(Verified(
            round=bytes(32), plan=announcement.body.plan, query=query,
            table=effective(query, lab.charter.catalog), departments=tuple(round_.members), missing=(),
            totals=tuple(released.totals), delta="0.00001", checks=(), bundle=log_pb2.Bundle()))
        return release.to_dict()
