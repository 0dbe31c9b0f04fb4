"""The analyst's channel against a real TLS server: what goes wrong names what to mend."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import grpc
import pytest

from cotally.client import connection
from cotally.client.channel import open_channel, refusals, to_refused
from cotally.client.connection import Connection
from cotally.client.frames import Joiner, join
from cotally.client.profile import Profile
from cotally.server.ops import pki
from cotally.server.rpc.credentials import Credentials
from cotally.server.rpc.frames import split
from cotally.server.rpc.hello import make_hello
from cotally.v1 import analyst_pb2, node_pb2_grpc, query_pb2, round_pb2, work_pb2
from cotally.v1.refusals import EXIT_CODE, Misconfigured, Refusal, Refused
from tests.unit.loopback import LONG_AGO, Federation, Straw, coordinator


@pytest.fixture
def federation(tmp_path: Path) -> Federation:
    return Federation.create(tmp_path / "fed")


@contextmanager
def serving(
    federation: Federation, straw: Straw | None = None, shown: Callable[[], Credentials] | None = None,
) -> Iterator[str]:
    """The straw coordinator in a thread with a loop of its own, for a client that blocks."""
    ready = threading.Event()
    told: list[Any] = []

    async def main() -> None:
        async with coordinator(federation, straw or Straw(federation.charter), shown=shown) as address:
            stop = asyncio.Event()
            told.extend([address, asyncio.get_running_loop(), stop])
            ready.set()
            await stop.wait()
    thread = threading.Thread(target=asyncio.run, args=(main(),))
    thread.start()
    assert ready.wait(10)
    try:
        yield told[0]
    finally:
        told[1].call_soon_threadsafe(told[2].set)
        thread.join(10)


def profile(
    federation: Federation, name: str = "ann", address: str = "127.0.0.1:1", ca: Path | None = None,
) -> Profile:
    files = federation.files[name]
    return Profile(
        path=federation.folder / "profile.toml", name=name, coordinator=address, ca=ca or federation.ca,
        certificate=files.certificate, key=files.key, signing_key=files.key, roster=bytes(32),
        purposes=("statistics",))


def commit(whose: Profile) -> Refused | None:
    try:
        with open_channel(whose) as channel, refusals(whose.coordinator):
            node_pb2_grpc.NodesStub(channel).Commit(work_pb2.CommitRequest(), timeout=5)
    except Refused as refused:
        return refused
    return None


def test_a_good_profile_gets_through_and_hears_refusals(federation: Federation) -> None:
    straw = Straw(federation.charter)
    with serving(federation, straw) as address:
        assert commit(profile(federation, "north", address)) is None
        straw.error = Refused(Refusal.BUDGET_SPENT, "north has 3 left")
        refused = commit(profile(federation, "north", address))
        assert refused is not None
        assert (refused.refusal, refused.message) == (Refusal.BUDGET_SPENT, "north has 3 left")
        straw.error = ValueError("pid 4711")
        refused = commit(profile(federation, "north", address))
        assert refused is not None
        assert refused.refusal == Refusal.INTERNAL and "4711" not in refused.message
        assert address in refused.message
        refused = commit(profile(federation, "ann", address))
        assert refused is not None and refused.refusal == Refusal.NOT_ALLOWED


def local(federation: Federation, tmp_path: Path, planted: str) -> Profile:
    if planted == "expired":
        federation.issue("old", pki.Role.ANALYST, LONG_AGO)
        return profile(federation, "old")
    if planted == "early":
        later = datetime(2031, 1, 1, tzinfo=UTC)
        federation.issue("early", pki.Role.ANALYST, pki.Validity(later, later.replace(year=2032)))
        return profile(federation, "early")
    if planted == "foreign":
        return profile(federation, ca=Federation.create(tmp_path / "other").ca)
    return profile(federation, "coordinator")


@pytest.mark.parametrize("planted, text", [
    ("expired", "old.pem expired on 2021-01-01 00:00 UTC; ask the federation's CA for a new certificate"),
    ("early", "early.pem is not valid before 2031-01-01"),
    ("foreign", "ann.pem was signed by another CA than"),
    ("server", "coordinator.pem was not issued for an analyst"),
])
def test_wrong_certificates_are_found_before_dialling(
    federation: Federation, tmp_path: Path, planted: str, text: str,
) -> None:
    with pytest.raises(Refused) as caught:
        open_channel(local(federation, tmp_path, planted))
    assert EXIT_CODE[caught.value.refusal] == 8 and text in caught.value.message


@pytest.mark.parametrize("which, text", [
    ("missing", "ann.pem: there is no such certificate file"),
    ("junk", "ann.pem: this is not a PEM certificate"),
    ("lax", "ann.key: others can read this private key"), ("pair", "does not belong to the certificate"),
    ("nokey", "ann.key: there is no such private key file"),
])
def test_broken_files_are_the_profiles_matter(federation: Federation, which: str, text: str) -> None:
    whose = profile(federation)
    match which:
        case "missing":
            whose.certificate.unlink()
        case "junk":
            whose.certificate.write_text("hello")
        case "lax":
            whose.key.chmod(0o644)
        case "pair":
            whose.key.write_bytes(federation.files["north"].key.read_bytes())
        case _:
            whose.key.unlink()
    with pytest.raises(Misconfigured) as caught:
        open_channel(whose)
    assert text in caught.value.message


@pytest.mark.parametrize("planted, text", [
    ("foreign", "was signed by another CA than the profile's `ca`"),
    ("expired", "has expired; tell its operator"),
    ("node", "was not issued for a coordinator"),
])
def test_a_coordinator_that_is_not_one(
    federation: Federation, tmp_path: Path, planted: str, text: str,
) -> None:
    if planted == "foreign":
        shown = Federation.create(tmp_path / "other").load("coordinator")
    elif planted == "expired":
        federation.issue("late", pki.Role.COORDINATOR, LONG_AGO)
        shown = federation.load_unchecked("late")
    else:
        shown = federation.load_unchecked("k1")
        object.__setattr__(shown, "certificate", federation.load("coordinator").certificate)
    with serving(federation, shown=lambda: shown) as address:
        refused = commit(profile(federation, address=address))
    assert refused is not None and EXIT_CODE[refused.refusal] == 8 and text in refused.message


def test_nobody_there(federation: Federation) -> None:
    refused = commit(profile(federation, address="127.0.0.1:1"))
    assert refused is not None and EXIT_CODE[refused.refusal] == 7
    assert refused.message == "nothing listens at 127.0.0.1:1; is the coordinator running?"
    refused = commit(profile(federation, address="nowhere.invalid:1"))
    assert refused is not None and EXIT_CODE[refused.refusal] == 7
    assert "nowhere.invalid:1 is unknown here" in refused.message


def test_a_silent_coordinator_times_out(federation: Federation) -> None:
    request = work_pb2.ListenRequest(hello=make_hello(federation.charter, "north"))
    with (
        serving(federation) as address,
        open_channel(profile(federation, "north", address)) as channel,
        pytest.raises(Refused) as caught, refusals(address),
    ):
        list(node_pb2_grpc.NodesStub(channel).Listen(request, timeout=0.3))
    assert caught.value.refusal == Refusal.UNREACHABLE and "did not answer in time" in caught.value.message


def test_an_error_without_anything_is_internal() -> None:
    class Bare(grpc.RpcError):
        def code(self) -> grpc.StatusCode:
            return grpc.StatusCode.UNKNOWN

        def details(self) -> None:
            return None
    assert to_refused(Bare(), "c:1").refusal == Refusal.INTERNAL


def test_five_megabytes_join() -> None:
    message = round_pb2.Reveal(body=round_pb2.RevealBody(ciphertexts=b"\x07" * (5 << 20)))
    assert join(split(message), round_pb2.Reveal) == message
    with pytest.raises(Refused, match="ended early"):
        join(list(split(message))[:-1], round_pb2.Reveal)
    with pytest.raises(Refused) as caught:
        join(split(message), round_pb2.Reveal, limit=1 << 20)
    assert caught.value.refusal == Refusal.OVERLOADED


@pytest.mark.parametrize("frame", [
    work_pb2.Frame(), work_pb2.Frame(part=b"\xff\xff", last=True),
    work_pb2.Frame(part=b"x" * (256 * 1024 + 1)),
])
def test_strange_frames(frame: work_pb2.Frame) -> None:
    with pytest.raises(Refused) as caught:
        Joiner(round_pb2.Reveal).feed(frame)
    assert caught.value.refusal == Refusal.MALFORMED


@pytest.mark.parametrize("announced", [True, False])
def test_a_coordinator_that_dies_in_a_round_leaves_word_of_it(
    monkeypatch: pytest.MonkeyPatch, announced: bool,
) -> None:
    class Gone(grpc.RpcError):
        def code(self) -> grpc.StatusCode:
            return grpc.StatusCode.UNAVAILABLE

        def details(self) -> str:
            return "Connection refused"

    def attempt(_: object, watch: Callable[[analyst_pb2.Progress], None]) -> None:
        if announced:
            watch(analyst_pb2.Progress(round=b"\x07" * 32))
        raise Gone

    asking = Connection.__new__(Connection)
    monkeypatch.setattr(asking, "profile", SimpleNamespace(coordinator="c:1"), raising=False)
    monkeypatch.setattr(asking, "_attempt", attempt)
    monkeypatch.setattr(connection, "RECONNECT_SECONDS", -1.0)
    steps: list[analyst_pb2.Progress] = []
    with pytest.raises(Refused, match="its price may be spent") as caught:
        asking._ask(query_pb2.SignedEnvelope(), steps.append)
    assert caught.value.refusal is Refusal.UNREACHABLE and len(steps) == announced
    assert (f"cotally release show {'07' * 32}" in caught.value.message) == announced
    assert "asking again gets that for nothing" in caught.value.message
