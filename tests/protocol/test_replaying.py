"""A stored release answers equal questions only: about the same data and departments, where it is paid."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from cotally.server.coordinator import replaying
from cotally.server.coordinator.admission import Gate
from cotally.server.coordinator.board import Board, Line
from cotally.server.coordinator.in_force import InForce
from cotally.server.coordinator.public import AnalystService
from cotally.server.coordinator.replaying import Replays
from cotally.server.coordinator.rounds import Rounds
from cotally.server.coordinator.session import Round
from cotally.server.coordinator.witnessing import Witnessing
from cotally.server.protocol.reveal import roster_leaf
from cotally.server.rpc.logs import Log
from cotally.server.wire.federation import Priced
from cotally.server.wire.signed import sign
from cotally.v1 import analyst_pb2, log_pb2, query_pb2, roster_pb2, work_pb2
from cotally.v1.canonical import digest
from cotally.v1.refusals import Refusal, Refused
from tests.protocol.lab import Lab, count_by_sex
from tests.protocol.planting import four, refused_as

LOG = Log("coordinator", "coordinator")


class Shelf:
    """A coordinator that holds one release: of `count_by_sex`, asked by ada of three departments."""

    def __init__(self, lab: Lab, members: tuple[str, ...] = ("health", "north", "tax")) -> None:
        self.lab = lab
        self.board = Board(lab.federation.roster)
        self.rounds = Rounds(lab.folder / "coordinator.db")
        follower = lab.follower()
        in_force = InForce(lab.federation)
        self.witnessing = Witnessing(lab.federation, lab.audit, follower, self.board, lab.keys["coordinator"])
        self.gate = Gate(in_force, follower, self.board)
        self.replays = Replays(in_force, self.board, self.gate, self.rounds, lab.audit, self.witnessing, LOG,
                               lambda: lab.now)
        self.analysts = AnalystService.__new__(AnalystService)
        self.analysts._in_force, self.analysts._gate, self.analysts._rounds = in_force, self.gate, self.rounds
        self.lines = {name: self.join(name) for name in members}
        self.round = self._release(list(members))

    def join(self, name: str) -> Line:
        member = self.lab.federation.member(name, roster_pb2.ROLE_NODE)
        return self.board.join(member, self.lab.audit.size, self.lab.federation.roster)

    def _release(self, members: list[str]) -> bytes:
        lab = self.lab
        announcement = lab.announce(lab.envelope(count_by_sex()), members)
        round_ = Round(lab.federation, announcement)
        self.rounds.open(round_)
        for name in members:
            round_.commit(lab.commit(name, announcement))
        frozen = round_.freeze(lab.now, lab.keys["coordinator"])
        lab.log(log_pb2.LogEntry(roster=roster_leaf(frozen)))
        for name in members:
            round_.reveal(lab.nodes[name].session.reveal(frozen, lab.now))
        evidence = lab.evidence(round_)
        for holder in ("holder-1", "holder-2"):
            round_.partial(lab.decrypt(holder, evidence))
        bundle = log_pb2.Bundle(charter=lab.charter, announcement=announcement, frozen=frozen,
                                release=round_.release(lab.now, lab.keys["coordinator"]))
        self.rounds.release(round_.id, bundle)
        return round_.id

    def find(self, envelope: query_pb2.SignedEnvelope) -> bytes | None:
        return asyncio.run(self.replays.find(envelope))

    def logged_replays(self) -> int:
        entries = self.lab.audit.entries(0, self.lab.audit.size)
        return sum(entry.HasField("replay") for entry in entries)


@pytest.fixture
def shelf(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Shelf:
    monkeypatch.setattr(replaying, "PATIENCE_S", 0.05)
    return Shelf(lab)


def test_who_asked_gets_it_again_unless_he_wants_new_noise(shelf: Shelf) -> None:
    assert shelf.find(shelf.lab.envelope(count_by_sex())) == shelf.round
    fresh = shelf.lab.envelope(count_by_sex())
    fresh.body.fresh = True
    assert shelf.find(fresh) is None
    assert shelf.find(shelf.lab.envelope(count_by_sex("0.25"))) is None


def test_a_quote_names_the_release_that_the_analyst_paid_for(shelf: Shelf) -> None:
    replays = shelf.replays
    assert replays.paid(count_by_sex(), "ada", "statistics") == shelf.round
    assert replays.paid(count_by_sex(), "eve", "statistics") is None
    assert replays.paid(count_by_sex(), "ada", "research") is None
    assert replays.paid(count_by_sex("0.25"), "ada", "statistics") is None


def test_another_analyst_gets_nothing_without_the_departments_grants(shelf: Shelf) -> None:
    asked = shelf.lab.envelope(count_by_sex(), analyst="eve")
    assert shelf.find(asked) is None, "no department answered"
    assert shelf.logged_replays() == 0
    for name in shelf.lines:
        refused_as(Refusal.NOT_ALLOWED,
                   lambda name=name: shelf.lab.nodes[name].session.permit(  # type: ignore[misc]
                       asked, shelf.round, shelf.lab.now))


def test_a_reader_who_cannot_pay_is_permitted_by_nobody(folder: Path) -> None:
    lab = Lab(folder, budgets=[roster_pb2.FilterBudget(population="residents", analyst="eve", pico_loss=1)])
    shelf, session = Shelf(lab), lab.nodes["tax"].session
    session.permissions.grants = [lab.grant("tax", "eve")]
    asked = lab.envelope(count_by_sex(), analyst="eve")
    refused_as(Refusal.BUDGET_SPENT, lambda: session.permit(asked, shelf.round, lab.now), "analyst eve")


def test_a_refusal_of_one_department_is_enough(shelf: Shelf) -> None:
    asked = shelf.lab.envelope(count_by_sex(), analyst="eve")

    async def run() -> bytes | None:
        finding = asyncio.create_task(shelf.replays.find(asked))
        await asyncio.sleep(0)
        while not shelf.replays._asked:
            await asyncio.sleep(0.001)
        for name in ("health", "north"):
            member = shelf.lab.federation.member(name, roster_pb2.ROLE_NODE)
            shelf.replays.permit(member, work_pb2.PermitRequest(
                query_id=asked.body.query_id, grant=shelf.lab.grant(name, "eve")))
        shelf.replays.decline("tax", asked.body.query_id, Refused(Refusal.NOT_ALLOWED, "tax grants nothing"))
        return await finding

    assert asyncio.run(run()) is None
    assert shelf.logged_replays() == 0


def permitted(shelf: Shelf, meanwhile: Callable[[], object] = bool) -> bytes | None:
    """What eve gets where every department shows its grant, and *meanwhile* happens before the last does."""
    asked = shelf.lab.envelope(count_by_sex(), analyst="eve")

    async def run() -> bytes | None:
        finding = asyncio.create_task(shelf.replays.find(asked))
        while not shelf.replays._asked:
            await asyncio.sleep(0.001)
        for name in shelf.lines:
            if name == "tax":
                meanwhile()
            shelf.replays.permit(shelf.lab.federation.member(name, roster_pb2.ROLE_NODE),
                                 work_pb2.PermitRequest(query_id=asked.body.query_id,
                                                        grant=shelf.lab.grant(name, "eve")))
        return await finding
    return asyncio.run(run())


def test_the_grants_stand_in_the_log_ahead_of_the_replay_that_rests_on_them(shelf: Shelf) -> None:
    assert permitted(shelf) == shelf.round
    log = shelf.lab.audit.entries(0, shelf.lab.audit.size)
    [(at, leaf)] = [(at, entry.replay) for at, entry in enumerate(log) if entry.HasField("replay")]
    shown = {entry.grant.grant: (entry.grant.department, entry.grant.analyst)
             for entry in log[:at] if entry.HasField("grant")}
    assert [shown[grant] for grant in leaf.grants] == [(name, "eve") for name in shelf.lines]


@pytest.mark.parametrize("issuer", ["health", "tax", "coordinator"])
def test_what_is_taken_back_before_the_last_department_answers_stops_the_replay(
    shelf: Shelf, issuer: str,
) -> None:
    """Health has shown its grant by then, and does not know of the operator's list."""
    body = query_pb2.Revocation(federation="lab", founding=shelf.lab.federation.founding, issuer=issuer,
                                serial=1, issued_ms=1, next_update_ms=2)
    if issuer == "coordinator":
        body.members.append("eve")
    else:
        body.grants.append(digest("grant", shelf.lab.grant(issuer, "eve").body))
    signed = query_pb2.SignedRevocation(body=body, signature=sign(shelf.lab.keys[issuer], "revocation", body))
    leaf = log_pb2.LogEntry(revocation=log_pb2.RevocationLeaf(revocation=signed))
    assert permitted(shelf, lambda: shelf.lab.log(leaf)) is None
    assert shelf.logged_replays() == 0


def test_a_department_that_was_not_in_it_makes_a_new_round(folder: Path) -> None:
    """A release of three beside one of the same three and a fourth tells the fourth's part: it is paid."""
    shelf = Shelf(four(folder))
    assert shelf.find(shelf.lab.envelope(count_by_sex())) == shelf.round
    shelf.join("south")
    assert shelf.find(shelf.lab.envelope(count_by_sex())) is None


@pytest.mark.parametrize("field", ["vintage", "catalog"])
def test_a_release_of_other_data_is_no_answer(shelf: Shelf, field: str) -> None:
    """Two vintages that differ by one person are two questions, and both are paid."""
    stored = shelf.rounds.outcome(shelf.round)
    assert isinstance(stored, log_pb2.Bundle)
    setattr(stored.announcement.body, field, "0" if field == "vintage" else bytes(32))
    shelf.rounds.release(shelf.round, stored)
    assert shelf.find(shelf.lab.envelope(count_by_sex())) is None


def quoted(shelf: Shelf, analyst: str) -> bytes:
    """The release that the coordinator's price for the stored question names."""
    service, query = shelf.analysts, count_by_sex()

    async def price(_: str, query: query_pb2.Query) -> Priced:
        return shelf.lab.federation.price(query)

    async def run() -> analyst_pb2.QuoteResponse:
        with pytest.MonkeyPatch.context() as patch:
            for name, stand_in in (
                    ("_caller", lambda _: shelf.lab.federation.member(analyst, roster_pb2.ROLE_ANALYST)),
                    ("_pricing", SimpleNamespace(price=price)), ("_board", shelf.board),
                    ("_conductor", SimpleNamespace(live=list, replays=shelf.replays))):
                patch.setattr(service, name, stand_in, raising=False)
            request = analyst_pb2.QuoteRequest(query=query, purpose="statistics")
            return await service.Quote(request, None)  # type: ignore[arg-type]

    return asyncio.run(run()).release


def test_a_price_names_the_release_to_who_paid_for_it_alone(shelf: Shelf) -> None:
    assert (quoted(shelf, "ada"), quoted(shelf, "eve")) == (shelf.round, b"")


# Another analyst's jobs


def fetched(shelf: Shelf, analyst: str, round_: bytes) -> list[work_pb2.Frame]:
    """What the coordinator sends *analyst* who asks for that release."""
    service = shelf.analysts
    member = shelf.lab.federation.member(analyst, roster_pb2.ROLE_ANALYST)

    async def run() -> list[work_pb2.Frame]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(service, "_caller", lambda _: member)
            request = analyst_pb2.FetchRequest(round=round_)
            return [frame async for frame in service.Fetch(request, None)]  # type: ignore[arg-type]

    return asyncio.run(run())


def test_a_release_is_for_who_paid_and_others_do_not_learn_that_it_is_there(shelf: Shelf) -> None:
    assert fetched(shelf, "ada", shelf.round)
    refused_as(Refusal.UNKNOWN_NAME, lambda: fetched(shelf, "eve", shelf.round), "^eve has no such release$")
    refused_as(Refusal.UNKNOWN_NAME, lambda: fetched(shelf, "eve", bytes(32)), "^eve has no such release$")


def test_nobody_asks_in_anothers_name(shelf: Shelf) -> None:
    service = shelf.analysts
    eve = shelf.lab.federation.member("eve", roster_pb2.ROLE_ANALYST)

    async def run() -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(service, "_caller", lambda _: eve)
            request = analyst_pb2.AskRequest(envelope=shelf.lab.envelope(count_by_sex(), analyst="ada"))
            async for _ in service.Ask(request, None):  # type: ignore[arg-type]
                pass

    refused_as(Refusal.CREDENTIALS, lambda: asyncio.run(run()), "another analyst")
