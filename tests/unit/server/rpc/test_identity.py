"""Who may call, over real TLS: each planted certificate is refused at the stage that should refuse it."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import grpc.aio
import pytest

from cotally.server.ops import pki
from cotally.server.rpc.channel import connect
from cotally.server.rpc.credentials import Credentials
from cotally.server.rpc.refusals import from_error, refused_by_peer
from cotally.v1 import node_pb2_grpc, roster_pb2, work_pb2
from cotally.v1.refusals import Refusal, Refused
from tests.unit.loopback import LONG_AGO, Federation, Straw, coordinator


@pytest.fixture
def federation(tmp_path: Path) -> Federation:
    return Federation.create(tmp_path / "fed")


async def _commit(address: str, credentials: Credentials) -> tuple[Refused, bool] | None:
    async with connect(address, credentials) as channel:
        try:
            await node_pb2_grpc.NodesStub(channel).Commit(work_pb2.CommitRequest(), timeout=5)
        except grpc.aio.AioRpcError as error:
            return from_error(error, address), refused_by_peer(error)
    return None


def attempt(federation: Federation, credentials: Credentials) -> tuple[Refused, bool] | None:
    async def once() -> tuple[Refused, bool] | None:
        async with coordinator(federation, Straw(federation.charter)) as address:
            return await _commit(address, credentials)
    return asyncio.run(once())


def test_a_node_is_let_in(federation: Federation) -> None:
    assert attempt(federation, federation.load("north")) is None


@pytest.mark.parametrize("name", ["k1", "ann"])
def test_another_role_is_not_allowed(federation: Federation, name: str) -> None:
    outcome = attempt(federation, federation.load(name))
    assert outcome is not None and outcome[1]
    assert outcome[0].refusal == Refusal.NOT_ALLOWED
    assert name in outcome[0].message and "this call is for a node" in outcome[0].message


def test_a_certificate_of_the_ca_that_the_roster_does_not_know(federation: Federation) -> None:
    federation.issue("mallory", pki.Role.NODE)
    outcome = attempt(federation, federation.load("mallory"))
    assert outcome is not None and outcome[1]
    assert outcome[0].refusal == Refusal.CREDENTIALS
    assert outcome[0].message == "the certificate of 'mallory' maps to no entry of the roster of test"


def test_a_name_of_the_roster_on_another_key(federation: Federation, tmp_path: Path) -> None:
    posing = pki.issue_files(federation.authority, tmp_path / "posing", "north", pki.Role.NODE)
    federation.files["north"] = posing
    outcome = attempt(federation, federation.load("north"))
    assert outcome is not None and outcome[1] and outcome[0].refusal == Refusal.CREDENTIALS


def test_a_key_listed_twice_is_nobody(federation: Federation) -> None:
    key = federation.files["north"].tls_key
    federation.charter.roster.members.add(name="twin", role=roster_pb2.ROLE_NODE, tls_key=key)
    outcome = attempt(federation, federation.load("north"))
    assert outcome is not None and outcome[0].refusal == Refusal.CREDENTIALS


@pytest.mark.parametrize("planted", ["expired", "foreign", "server"])
def test_tls_itself_keeps_these_out(federation: Federation, tmp_path: Path, planted: str) -> None:
    if planted == "expired":
        federation.enrol("old", pki.Role.NODE, LONG_AGO)
        credentials = federation.load_unchecked("old")
    elif planted == "foreign":
        other = Federation.create(tmp_path / "other")
        federation.charter.roster.members[1].tls_key = other.files["north"].tls_key
        credentials = other.load_unchecked("north", ca=federation.ca)
    else:
        # its key in the roster as a node's: only the usage is wrong
        federation.charter.roster.members[1].tls_key = federation.files["coordinator"].tls_key
        credentials = federation.load_unchecked("coordinator")
        object.__setattr__(credentials, "certificate", federation.load("north").certificate)
    outcome = attempt(federation, credentials)
    assert outcome is not None and not outcome[1]
    assert outcome[0].refusal == Refusal.UNREACHABLE and "hung up" in outcome[0].message


@pytest.mark.parametrize("moment, text", [
    (datetime(2099, 1, 1, tzinfo=UTC), "the certificate of 'north' expired on"),
    (datetime(2020, 1, 1, tzinfo=UTC), "the certificate of 'north' is not valid before"),
])
def test_a_certificate_that_expires_on_an_open_channel(
    federation: Federation, moment: datetime, text: str,
) -> None:
    async def before_and_after() -> Refused:
        straw = Straw(federation.charter)
        async with (
            coordinator(federation, straw) as address,
            connect(address, federation.load("north")) as channel,
        ):
            stub = node_pb2_grpc.NodesStub(channel)
            await stub.Commit(work_pb2.CommitRequest(), timeout=5)
            straw.clock = lambda: moment
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await stub.Commit(work_pb2.CommitRequest(), timeout=5)
            return from_error(caught.value, address)
    refused = asyncio.run(before_and_after())
    assert refused.refusal == Refusal.CREDENTIALS and text in refused.message


def test_a_coordinator_of_another_ca_is_not_believed(federation: Federation, tmp_path: Path) -> None:
    other = Federation.create(tmp_path / "other")
    outcome = attempt(federation, other.load("north"))
    assert outcome is not None and not outcome[1]
    assert outcome[0].refusal == Refusal.CREDENTIALS and "signed by another CA" in outcome[0].message


@pytest.mark.parametrize("planted, text", [
    ("expired", "has expired"), ("node", "not issued for a coordinator"),
])
def test_a_coordinator_with_a_wrong_certificate(federation: Federation, planted: str, text: str) -> None:
    if planted == "expired":
        federation.issue("late", pki.Role.COORDINATOR, LONG_AGO)
        shown = federation.load_unchecked("late")
    else:
        shown = federation.load_unchecked("k1")
        object.__setattr__(shown, "certificate", federation.load("coordinator").certificate)

    async def dial() -> tuple[Refused, bool] | None:
        async with coordinator(federation, Straw(federation.charter), shown=lambda: shown) as address:
            return await _commit(address, federation.load("north"))
    outcome = asyncio.run(dial())
    assert outcome is not None
    assert outcome[0].refusal == Refusal.CREDENTIALS and text in outcome[0].message
