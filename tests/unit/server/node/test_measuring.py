"""A node draws its noise as its operator chose."""

import io
import json
import os
from types import SimpleNamespace
from typing import Any

import pytest

from cotally.server.crypto import backend
from cotally.server.dp.noise import Noise
from cotally.server.model.pace import Pace
from cotally.server.node import measuring
from cotally.server.rpc.logs import Level, Log
from cotally.v1 import round_pb2


class Drawn(Exception):
    """Stops the measurement once noise was asked for."""


@pytest.mark.parametrize("chosen", list(Noise))
def test_the_operators_choice_reaches_the_noise(chosen: Noise, monkeypatch: pytest.MonkeyPatch) -> None:
    def add_noise(values: list[int], plan: object, noise: Noise) -> list[int]:
        raise Drawn(noise)

    monkeypatch.setattr(measuring, "add_noise", add_noise)
    monkeypatch.setattr(measuring, "Encryptor", lambda *_: None)
    federation: Any = SimpleNamespace(key=None, catalog_digest=b"", rules=None)
    engine: Any = SimpleNamespace(measure=lambda *_: [1, 2])
    node = measuring.Measuring(federation, engine, os.urandom, Log("node", "north", least=Level.OFF), chosen)
    priced: Any = SimpleNamespace(query=None, table=None, plan=SimpleNamespace(packing=None))
    clear = round_pb2.CommitmentBody()
    with pytest.raises(Drawn) as drawn:
        node.seal(priced, clear)
    assert drawn.value.args == (chosen,)


@pytest.mark.parametrize("pace, arithmetic, noise, says", [
    (Pace.KERNEL, "ifma", Noise.EXACT, None), (Pace.PORTABLE, "gmpy2", Noise.OPENDP, None),
    (Pace.KERNEL, "gmpy2", Noise.EXACT, "without the compiled kernel"),
    (Pace.KERNEL, "ifma", Noise.OPENDP, 'noise = "exact"')])
def test_the_operator_is_told_where_a_node_is_slower_than_its_federation_says(
    pace: Pace, arithmetic: str, noise: Noise, says: str | None, monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(measuring, "Encryptor", lambda *_: None)
    monkeypatch.setattr(backend, "name", lambda: arithmetic)
    federation: Any = SimpleNamespace(
        key=None, rules=SimpleNamespace(answer_pace=pace), catalog=SimpleNamespace(tables=[]))
    engine: Any = None
    said = io.StringIO()
    node = measuring.Measuring(federation, engine, os.urandom, Log("node", "north", stream=said), noise)
    node.rehearse(engine)
    if says is None:
        assert said.getvalue() == ""
    else:
        line = json.loads(said.getvalue())
        assert line["event"] == "slower_than_promised"
        assert says in line["message"]


def test_the_engines_time_is_told_to_the_operator_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def seal(_: object, exact: list[int], *__: object) -> str:
        return f"sealed {exact}"

    monkeypatch.setattr(measuring, "Encryptor", lambda *_: None)
    monkeypatch.setattr(measuring.Measuring, "_seal", seal)
    federation: Any = SimpleNamespace(key=None, catalog_digest=b"", rules=None)
    engine: Any = SimpleNamespace(measure=lambda *_: [1, 2])
    priced: Any = SimpleNamespace(query=None, table=None, plan=None)
    said = io.StringIO()
    node = measuring.Measuring(federation, engine, os.urandom, Log("node", "north", stream=said))
    sealed: Any = node.seal(priced, round_pb2.CommitmentBody(round=b"\x0a"))
    assert sealed == "sealed [1, 2]"
    line = json.loads(said.getvalue())
    assert (line["event"], line["round"]) == ("measured", "0a")
    assert 0 <= line["milliseconds"] < 5000
