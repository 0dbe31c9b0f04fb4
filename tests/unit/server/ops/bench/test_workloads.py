"""The suites' programs at a tiny size, with peers that do nothing: every row comes, and ours is right."""

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import engine, noise
from benchmarks.crypto import __main__ as crypto
from benchmarks.crypto import add, decrypt, encrypt, key, partial, setting
from benchmarks.program import Workload, work_through
from cotally.server.crypto.full_key import PrivateKey
from cotally.server.crypto.packing import unpack
from cotally.server.model.encryption import Encryption
from cotally.server.ops.bench.rows import ROWS, Missing, Row

ROOT = Path(__file__).parents[5]
TINY = setting.Setting(bits=2048, values=40, rounds=1, departments=30)


class Idle:
    """A peer that has nothing to do."""

    def __getattr__(self, name: str) -> Any:
        return lambda *_: []


@pytest.fixture
def idle_peers(monkeypatch: pytest.MonkeyPatch) -> None:
    for peer in ("_phe", "_heu", "_pypaillier"):
        monkeypatch.setattr(setting, peer, lambda _: Idle())


def said(capfd: pytest.CaptureFixture[str]) -> dict[str, dict[str, Any]]:
    return {each["row"]: each for each in map(json.loads, capfd.readouterr().out.splitlines())}


def check_suite(rows: dict[str, dict[str, Any]], suite: str) -> None:
    assert next(iter(rows)) == "machine"
    assert set(ROWS[suite]) <= set(rows)
    for name, row in rows.items():
        if "missing" in row:  # a server, or a package of 450 MB
            assert name.startswith(("postgres_", "spark_")), name
            continue
        assert {"ratio", "seconds", "mebibytes", "share", "count", "facts"} & set(row), name
        if "ratio" in row:
            assert 0 <= row["low"] <= row["ratio"] <= row["high"]


@pytest.mark.slow
@pytest.mark.usefixtures("idle_peers")
def test_crypto_prints_every_row(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partial, "PEER_VALUES", 2)
    rest = {"benchmarks.crypto.threads", "benchmarks.crypto.floor"}  # these ask for a certain machine
    workloads: list[Workload[setting.Setting]] = [
        each for module in crypto.MODULES if module.__name__ not in rest for each in module.WORKLOADS]
    assert work_through(workloads, TINY, bits=2048) == 0
    rows = said(capfd)
    assert set(ROWS["crypto"]) - set(rows) == {"threads_2_vs_1"}
    check_suite(rows | {"threads_2_vs_1": {"count": 0}}, "crypto")


def test_what_is_timed_computes_what_it_says() -> None:
    public, whole, packing = key.public(2048, Encryption.DJN), PrivateKey(*key.primes(2048)), TINY.packing()
    made: Any = encrypt.ours(TINY, Encryption.SHORT).run()
    first = TINY.vector(1)
    assert (unpack(whole.decrypt(made.ciphertexts, public), packing, 1) == first).all()
    opened = decrypt._decrypting(TINY)(decrypt._encrypted(TINY))
    assert (unpack(opened, packing, 1) == first).all()
    for departments in (2, add.DEPARTMENTS):
        total = add.total(public.ring, add._vectors(TINY, departments))
        sums = sum(add.values_of(TINY, department) for department in range(departments))
        assert (unpack(whole.decrypt(total, public), add.packing_of(TINY), departments) == sums).all()


def test_a_vector_fills_the_slots_that_64_bits_would_have() -> None:
    full = setting.Setting(bits=3072, values=10_000, rounds=1, departments=1)
    assert (full.packing().plaintext_bits, full.packing().ciphertexts) == (47 * 62, 213)
    vector = full.vector(1)
    assert vector.dtype == np.int64
    assert np.abs(vector).max() > 2**58


def test_noise_prints_every_row(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("SCALES", (4,)), ("PEER_VALUES", 32)):
        monkeypatch.setattr(noise, name, value)
    workloads = [noise._workload("laplace", noise.laplace, lambda *_: lambda: None),
                 noise._workload("gaussian", noise.gaussian, lambda *_: lambda: None)]
    assert work_through(workloads, noise.Setting(values=500, rounds=1)) == 0
    rows = said(capfd)
    threads = {name: row for name, row in rows.items() if "threads" in name}
    assert all("missing" not in row or "one processor" in row["missing"] for row in threads.values())
    check_suite({name: row for name, row in rows.items() if name not in threads}, "noise")


def test_engine_prints_every_row(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert work_through(engine.WORKLOADS, engine.Setting(rows=2_000, rounds=1, folder=tmp_path)) == 0
    check_suite(said(capfd), "engine")


def _raises(error: Exception) -> Workload[None]:
    def measure(_: None) -> Iterable[Row]:
        yield Row(row="first", count=1)
        raise error

    return Workload(("first", "second"), measure)


def test_a_missing_peer_costs_only_its_rows_and_no_failure(capfd: pytest.CaptureFixture[str]) -> None:
    working: Workload[None] = Workload(("third",), lambda _: [Row(row="third", count=3)])
    assert work_through([_raises(Missing("no peer")), working], None) == 0
    rows = said(capfd)
    assert rows["first"] == {"row": "first", "count": 1}
    assert rows["second"] == {"row": "second", "missing": "no peer"}
    assert rows["third"] == {"row": "third", "count": 3}


def test_a_workload_that_breaks_fails_the_run_after_the_others(capfd: pytest.CaptureFixture[str]) -> None:
    working: Workload[None] = Workload(("third",), lambda _: [Row(row="third", count=3)])
    assert work_through([_raises(ZeroDivisionError("oh")), working], None) == 1
    rows = said(capfd)
    assert rows["second"]["missing"] == "its workload broke: ZeroDivisionError: oh"
    assert "third" in rows


@pytest.mark.parametrize("module, name", [("phe", "phe"), ("heu", "heu"), ("paillier", "pypaillier")])
def test_peers_that_are_not_installed_are_missing(
    module: str, name: str, monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(__import__("sys").modules, module, None)
    getattr(setting, f"_{name}").cache_clear()
    with pytest.raises(Missing, match="not installed"):
        getattr(TINY, name)()


def test_what_is_shipped_imports_no_peer() -> None:
    shipped = [path for root in ("proto", "server", "client") for path in (ROOT / root).rglob("*.py")]
    assert len(shipped) > 100
    peers = re.compile(r"^\s*(import|from) (phe|heu|paillier)\b", re.M)
    assert [path.name for path in shipped if peers.search(path.read_text("utf-8"))] == []
    assert peers.search((ROOT / "benchmarks" / "peers" / "phe.py").read_text("utf-8"))
