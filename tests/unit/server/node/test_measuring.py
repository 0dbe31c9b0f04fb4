"""A node draws its noise as its operator chose."""

import os
from types import SimpleNamespace
from typing import Any

import pytest

from cotally.server.dp.noise import Noise
from cotally.server.node import measuring


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
    node = measuring.Measuring(federation, engine, os.urandom, chosen)
    priced: Any = SimpleNamespace(query=None, table=None, plan=SimpleNamespace(packing=None))
    clear: Any = None
    with pytest.raises(Drawn) as drawn:
        node.seal(priced, clear)
    assert drawn.value.args == (chosen,)
