"""Three questions of two analysts, asked through whatever happens, and a last one when all is quiet again.

Between them budgets are renewed, and a department and the operator take something back.
"""

import asyncio
from dataclasses import dataclass, field
from typing import Final

import grpc

from cotally.client.channel import to_refused
from cotally.client.frames import Joiner as ClientJoiner
from cotally.client.release import Release
from cotally.v1 import analyst_pb2, analyst_pb2_grpc, audit_pb2, audit_pb2_grpc, log_pb2, query_pb2, work_pb2
from cotally.v1.refusals import Refusal, Refused

from .founding import ANALYSTS, Founded, income_by_sex
from .processes import Sweep
from .wire import line

QUESTIONS: Final = (("ada", "0.01"), ("ada", "0.02"), ("eve", "0.01"))  # the last may be a stored release
LAST: Final = ("ada", "0.03")
_AGAIN_S: Final = 0.5     # as the SDK dials again
_LAID_S: Final = 2.0      # until what was laid in a folder is found there
_QUIET_S: Final = 30.0    # on the clock: closed rounds are voided, and everybody hears of everything
_WELL_S: Final = 1_200.0  # on the clock, until which a last question must be answered


@dataclass(frozen=True)
class Acknowledged:
    """What an analyst holds: a bundle that the client verified."""

    analyst: str
    envelope: query_pb2.SignedEnvelope
    bundle: log_pb2.Bundle
    shown: dict[str, object]

    @property
    def round(self) -> bytes:
        """The round's id."""
        return self.bundle.transcript.round


@dataclass
class Outcome:
    """How a script ended, for `invariants`."""

    acknowledged: list[Acknowledged] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    again: list[Acknowledged] = field(default_factory=list)  # each release, fetched at the end
    entries: list[log_pb2.LogEntry] = field(default_factory=list)
    checkpoint: log_pb2.WitnessedCheckpoint = field(default_factory=log_pb2.WitnessedCheckpoint)
    writes: dict[str, int] = field(default_factory=dict)  # durable ones of each role before the quiet
    filters: dict[str, list[analyst_pb2.FilterStatus]] = field(default_factory=dict)  # by analyst


async def play(sweep: Sweep) -> Outcome:
    """Start everybody, ask everything, and look at what is there at the end."""
    founded, outcome = sweep.founded, Outcome()
    sweep.start()
    for number, (analyst, rho) in enumerate(QUESTIONS):
        await _healthy(sweep)
        if number == 1:
            founded.renew()
            founded.revoke("north", analysts=[query_pb2.RevokedAnalyst(analyst="eve", purpose="gossip")])
            founded.revoke("coordinator", members=["mallory"])
            await asyncio.sleep(_LAID_S)
        try:
            outcome.acknowledged.append(await _asked(sweep, analyst, rho, bytes([number]) * 16))
        except Refused as refused:
            outcome.refused.append(refused)
    outcome.writes = {name: len(process.writes) for name, process in sweep.processes.items()}
    sweep.faults.clear()
    await asyncio.sleep(_QUIET_S)
    outcome.acknowledged.append(await _answered(sweep))
    await asyncio.sleep(_QUIET_S)
    for known in outcome.acknowledged:
        stub = analyst_pb2_grpc.AnalystsStub(line(sweep.wire, known.analyst))
        frames = [f async for f in stub.Fetch(analyst_pb2.FetchRequest(round=known.round))]
        joiner = ClientJoiner(log_pb2.Bundle)
        [bundle] = [b for b in map(joiner.feed, frames) if b is not None]
        outcome.again.append(_verified(founded, known.analyst, known.envelope, bundle))
        if bundle.announcement.body.envelope == known.envelope:  # else a stored release; the question expires
            bundle = await _bundle(sweep, known.analyst, known.envelope)
        outcome.again.append(_verified(founded, known.analyst, known.envelope, bundle))
    await _look(sweep, outcome)
    await asyncio.sleep(_QUIET_S)  # until the log's last entries are everywhere
    return outcome


async def _healthy(sweep: Sweep) -> None:
    """Wait until every role is there, as an analyst waits who sees who is connected."""
    others = {*sweep.founded.roles} - {"coordinator"}
    for _ in range(200):
        if sweep.wire.server is not None:
            stub = analyst_pb2_grpc.AnalystsStub(line(sweep.wire, "ada"))
            try:
                hello = work_pb2.Hello(version=1, roster=sweep.founded.pin, name="ada")
                answer = await stub.Welcome(analyst_pb2.WelcomeRequest(hello=hello))
                if others <= set(answer.connected):
                    return
            except grpc.RpcError:
                pass
        await asyncio.sleep(_AGAIN_S)
    raise AssertionError("the federation does not come together again")


async def _asked(sweep: Sweep, analyst: str, rho: str, query_id: bytes) -> Acknowledged:
    """Ask one question and stay with it, as the SDK does; Refused where it is refused by name."""
    founded = sweep.founded
    envelope = founded.envelope(analyst, query_id, income_by_sex(rho), sweep.loop.time_ns() // 10**6)
    return _verified(founded, analyst, envelope, await _bundle(sweep, analyst, envelope))


async def _bundle(sweep: Sweep, analyst: str, envelope: query_pb2.SignedEnvelope) -> log_pb2.Bundle:
    stub = analyst_pb2_grpc.AnalystsStub(line(sweep.wire, analyst))
    for _ in range(200):
        joiner = ClientJoiner(log_pb2.Bundle)
        try:
            async for answer in stub.Ask(analyst_pb2.AskRequest(envelope=envelope)):
                if answer.HasField("bundle") and (bundle := joiner.feed(answer.bundle)) is not None:
                    return bundle
        except grpc.RpcError as error:
            if error.code() is not grpc.StatusCode.UNAVAILABLE:
                raise to_refused(error, "memory") from None
        await asyncio.sleep(_AGAIN_S)
    raise AssertionError("the coordinator does not come back")


def _verified(founded: Founded, analyst: str, envelope: query_pb2.SignedEnvelope, bundle: log_pb2.Bundle,
              ) -> Acknowledged:
    if bundle.announcement.body.envelope == envelope:
        release = Release.of(bundle, founded.pin)
    else:
        release = Release.replay(bundle, founded.pin, envelope.body.query)
    return Acknowledged(analyst, envelope, bundle, release.to_dict())


async def _answered(sweep: Sweep) -> Acknowledged:
    """The last question: with every role well again it is answered, at the latest after a suspension."""
    until, number = sweep.loop.time() + _WELL_S, 100
    while True:
        await _healthy(sweep)
        number += 1
        try:
            return await _asked(sweep, *LAST, query_id=bytes([number]) * 16)
        except Refused as refused:
            assert sweep.loop.time() < until and number < 250, f"no question is answered any more: {refused}"
            assert refused.refusal is not Refusal.INTERNAL, refused
        await asyncio.sleep(20)


async def _look(sweep: Sweep, outcome: Outcome) -> None:
    """Fetch the whole log, its checkpoint and the filters."""
    audit = audit_pb2_grpc.AuditStub(line(sweep.wire, "ada"))
    outcome.checkpoint = (await audit.LatestCheckpoint(audit_pb2.LatestCheckpointRequest())).checkpoint
    size = int(outcome.checkpoint.checkpoint.text.split("\n")[1])
    joiner = ClientJoiner(work_pb2.Growth)
    async for frame in audit.Entries(audit_pb2.EntriesRequest(first=0, size=size)):
        growth = joiner.feed(frame)
        if growth is not None:
            outcome.entries += growth.entries
    for analyst in ANALYSTS:
        stub = analyst_pb2_grpc.AnalystsStub(line(sweep.wire, analyst))
        outcome.filters[analyst] = list((await stub.Budget(analyst_pb2.BudgetRequest())).filters)
