import asyncio
import json
from io import StringIO
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest

from cotally.server.rpc.channel import connect
from cotally.server.rpc.hello import make_hello
from cotally.server.rpc.logs import Level, Log
from cotally.server.rpc.refusals import (
    STATUS,
    from_detail,
    from_error,
    refused_by_peer,
    to_detail,
    transport_refusal,
)
from cotally.v1 import node_pb2_grpc, refusal_pb2, work_pb2
from cotally.v1.refusals import Refusal, Refused
from tests.unit.loopback import Federation, Straw, coordinator


@pytest.fixture(scope="module")
def federation(tmp_path_factory: pytest.TempPathFactory) -> Federation:
    return Federation.create(tmp_path_factory.mktemp("fed"))


def test_table_enum_and_contract_name_the_same_refusals() -> None:
    contract = {name.removeprefix("REFUSAL_") for name in dict(refusal_pb2.Refusal.items())} - {"UNSPECIFIED"}
    assert set(STATUS) == set(Refusal) and {str(r) for r in Refusal} == contract
    assert grpc.StatusCode.OK not in STATUS.values()


@pytest.mark.parametrize("refusal", list(Refusal))
def test_details_come_back(refusal: Refusal) -> None:
    back = from_detail(to_detail(Refused(refusal, "why")))
    assert (back.refusal, back.message) == (refusal, "why")


def test_a_number_of_the_future_is_internal() -> None:
    detail = refusal_pb2.RefusalDetail.FromString(b"\x08\xe7\x07")
    assert from_detail(detail).refusal == Refusal.INTERNAL


async def _commit(federation: Federation, error: Exception, log: Log) -> grpc.aio.AioRpcError:
    straw = Straw(federation.charter)
    straw.error = error
    async with (
        coordinator(federation, straw, log) as address,
        connect(address, federation.load("north")) as channel,
    ):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await node_pb2_grpc.NodesStub(channel).Commit(work_pb2.CommitRequest(), timeout=5)
    return caught.value


@pytest.mark.parametrize("refusal", [Refusal.BUDGET_SPENT, Refusal.OUT_OF_ORDER, Refusal.PROTOCOL_VERSION])
def test_a_refusal_crosses_with_its_sentence(federation: Federation, refusal: Refusal) -> None:
    out = StringIO()
    planted = Refused(refusal, "naïve: north has 3 left")
    error = asyncio.run(_commit(federation, planted, Log("c", "c", stream=out)))
    assert error.code() == STATUS[refusal] and refused_by_peer(error)
    back = from_error(error, "x:1")
    assert (back.refusal, back.message) == (refusal, "naïve: north has 3 left")
    (line,) = [json.loads(x) for x in out.getvalue().splitlines() if '"refused"' in x]
    assert line["refusal"] == refusal and line["method"] == "Commit"


SECRET = "pid 4711 earns 123456"


def _everything(error: grpc.aio.AioRpcError) -> str:
    return f"{error.details()} {error.debug_error_string()} {list(error.trailing_metadata())}"


@pytest.mark.parametrize("error", [ValueError(SECRET), KeyError(SECRET), RuntimeError(SECRET)])
def test_the_text_of_an_exception_stays_here(federation: Federation, error: Exception) -> None:
    out = StringIO()
    caught = asyncio.run(_commit(federation, error, Log("coordinator", "c", stream=out)))
    assert caught.code() == grpc.StatusCode.INTERNAL and caught.details() == ""
    assert "4711" not in _everything(caught) and "4711" not in out.getvalue()
    (line,) = [json.loads(x) for x in out.getvalue().splitlines() if "internal_error" in x]
    assert line["exception"] == type(error).__name__ and line["method"] == "Commit"
    assert any(place.startswith("loopback.py:") and place.endswith(":Commit") for place in line["where"])


def test_streams_hide_it_too(federation: Federation) -> None:
    async def listen() -> grpc.aio.AioRpcError:
        straw = Straw(federation.charter)
        straw.post = [work_pb2.NodeWork(growth=work_pb2.Growth(first=1))]
        straw.error = ValueError(SECRET)
        async with (
            coordinator(federation, straw) as address,
            connect(address, federation.load("north")) as channel,
        ):
            request = work_pb2.ListenRequest(hello=make_hello(federation.charter, "north"))
            call: Any = node_pb2_grpc.NodesStub(channel).Listen(request, timeout=5)
            assert (await call.read()).last
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await call.read()
            return caught.value
    error = asyncio.run(listen())
    assert error.code() == grpc.StatusCode.INTERNAL and "4711" not in _everything(error)


def test_an_answer_that_cannot_be_encoded_is_internal_without_text(federation: Federation) -> None:
    async def cosign() -> grpc.aio.AioRpcError:
        async with (
            coordinator(federation, Straw(federation.charter)) as address,
            connect(address, federation.load("north")) as channel,
        ):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await node_pb2_grpc.NodesStub(channel).Cosign(work_pb2.CosignRequest(), timeout=5)
            return caught.value
    error = asyncio.run(cosign())
    assert error.code() == grpc.StatusCode.INTERNAL and error.details() == ""


async def _raw(federation: Federation, method: str, data: bytes) -> grpc.aio.AioRpcError:
    async with (
        coordinator(federation, Straw(federation.charter)) as address,
        connect(address, federation.load("north")) as channel,
    ):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            call: Any = channel.unary_unary(f"/cotally.v1.Nodes/{method}")
            await call(data, timeout=5)
    return caught.value


@pytest.mark.parametrize("method, data, refusal", [
    ("Commit", b"\xff\xff\xff", Refusal.MALFORMED),
    ("Reveal", b"\xff\xff\xff", Refusal.MALFORMED),
    ("Commit", b"x" * (3 << 20), Refusal.OVERLOADED),
    ("Confess", b"", Refusal.PROTOCOL_VERSION),
])
def test_broken_huge_and_unknown_requests(
    federation: Federation, method: str, data: bytes, refusal: Refusal,
) -> None:
    error = asyncio.run(_raw(federation, method, data))
    assert from_error(error, "x:1").refusal == refusal
    assert "Traceback" not in _everything(error) and "DecodeError" not in _everything(error)


def test_a_long_sentence_is_cut(federation: Federation) -> None:
    error = asyncio.run(_commit(federation, Refused(Refusal.MALFORMED, "é" * 50_000), _quiet()))
    assert from_error(error, "x:1").message == "é" * 1000


def test_a_stream_that_the_caller_cancels_stops_its_handler(federation: Federation) -> None:
    out = StringIO()

    async def cancel() -> None:
        straw = Straw(federation.charter)
        async with (
            coordinator(federation, straw, Log("c", "c", stream=out)) as address,
            connect(address, federation.load("north")) as channel,
        ):
            request = work_pb2.ListenRequest(hello=make_hello(federation.charter, "north"))
            call: Any = node_pb2_grpc.NodesStub(channel).Listen(request)
            await call.initial_metadata()
            call.cancel()
            await asyncio.wait_for(straw.cancelled.wait(), 5)
    asyncio.run(cancel())
    assert "error" not in out.getvalue()


@pytest.mark.parametrize("code, details, refusal, text", [
    (grpc.StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded", Refusal.UNREACHABLE, "c:1 did not answer in"),
    (grpc.StatusCode.UNAVAILABLE, "Connection reset by peer", Refusal.UNREACHABLE, "c:1 cannot be reached"),
    (grpc.StatusCode.UNKNOWN, SECRET, Refusal.INTERNAL, "c:1 failed"),
    (grpc.StatusCode.INTERNAL, "certificate has expired", Refusal.INTERNAL, "c:1 failed"),
])
def test_what_the_transport_says(code: grpc.StatusCode, details: str, refusal: Refusal, text: str) -> None:
    refused = transport_refusal(code, details, "c:1")
    assert refused.refusal == refusal and text in refused.message and SECRET not in refused.message


def _quiet() -> Log:
    return Log("c", "c", stream=StringIO(), least=Level.OFF)


def test_nothing_there_names_the_address(federation: Federation, tmp_path: Path) -> None:
    async def dial(address: str) -> Refused:
        async with connect(address, federation.load("north")) as channel:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await node_pb2_grpc.NodesStub(channel).Commit(work_pb2.CommitRequest(), timeout=5)
            return from_error(caught.value, address)
    refused = asyncio.run(dial("127.0.0.1:1"))
    assert refused.refusal == Refusal.UNREACHABLE and refused.message == "nothing listens at 127.0.0.1:1"
