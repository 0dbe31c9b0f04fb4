"""The replayable source draws what nodes would draw from the same bytes, and nodes cannot be given it."""

import ast
import inspect
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from cotally.server.dp import exact
from cotally.server.dp.measure import measure
from cotally.server.dp.noise import Noise
from cotally.server.model.query import Mechanism
from tests.honesty import noise
from tests.honesty.test_joint_error import STATISTICS, planned, query

SERVER = Path(exact.__file__).parents[1]
SOURCES = {path: ast.parse(path.read_text()) for path in SERVER.rglob("*.py")}


@pytest.mark.parametrize("mechanism", Mechanism)
def test_draws_are_those_of_a_node(mechanism: Mechanism, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = planned(query(*STATISTICS, mechanism=mechanism), 5, 3)
    values = list(range(plan.coordinates))
    bytes_of = np.random.default_rng(7).bytes
    monkeypatch.setattr(exact, "os", SimpleNamespace(urandom=bytes_of, cpu_count=lambda: 1))
    source = np.random.default_rng(7)
    shares = [noise.share(block, mechanism, block.cells, source) for block in plan.blocks]
    caps = [(block.low, block.high) for block in plan.blocks for _ in range(block.cells)]
    clamped = [min(max(value, low), high) for value, (low, high) in zip(values, caps, strict=True)]
    assert measure(values, plan, Noise.EXACT) == (np.array(clamped) + np.concatenate(shares)).tolist()


def test_the_same_seed_gives_the_same_noise() -> None:
    plan = planned(query(*STATISTICS, mechanism=Mechanism.GAUSSIAN), 5, 3)
    first, again, other = (noise.summed(plan, 5, 3, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert (first == again).all() and (first != other).any()


def test_shares_have_the_planned_spread() -> None:
    plan = planned(query(STATISTICS[0], mechanism=Mechanism.GAUSSIAN), 5, 3)
    drawn = noise.summed(plan, 5, 50_000, np.random.default_rng(3))
    wanted = float(5 * plan.blocks[0].scale.fraction() ** 2)
    assert float(drawn.var()) == pytest.approx(wanted, rel=0.04)
    assert float(drawn.var()) != pytest.approx(wanted * 4 / 5, rel=0.04)


def test_production_takes_its_bytes_from_the_operating_system_alone() -> None:
    """Nobody outside the sampler's file calls it with bytes, and no parameter on the way names a source."""
    assert list(inspect.signature(measure).parameters) == ["values", "plan", "noise"]
    assert list(inspect.signature(exact.draw).parameters) == ["law", "count", "threads"]
    users = {path.name for path, tree in SOURCES.items() for node in ast.walk(tree)
             if (isinstance(node, ast.Name) and node.id == "Sampler")
             or (isinstance(node, ast.Attribute) and node.attr in ("Sampler", "sampler"))}
    assert users == {"exact.py"}
    given = [ast.unparse(call.args[1]) for call in ast.walk(SOURCES[SERVER / "dp" / "exact.py"])
             if isinstance(call, ast.Call) and ast.unparse(call.func) == "source.draw"]
    assert given == ["os.urandom"]
