"""Real processes under real SIGKILLs and failing system calls, in the middle of SQLite's own writes."""

import os
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from tests.system.asking import log_of
from tests.system.holdings import DEPARTMENTS, write_holdings
from tests.system.running import Running, eventually

from .real import Asked, Strike, ask_under, federation, holding_canary, library, together

ROLES: Final = ("coordinator", "north", "keyholder-1")
KINDS: Final = ("before", "after", "io", "full")
QUICK: Final = 1
EARLY: Final = 40  # durable calls that every role makes, of which a quick test need not be told
SLOW: Final = 60
TRIES: Final = 4
RESTART_S: Final = 10.0
CHOSEN: Final = os.environ.get("COTALLY_CRASH_SEED")


@dataclass
class Site:
    """A federation, the library that strikes, and how many durable calls each role makes in the script."""

    running: Running
    fault: Path
    trace: Path
    calls: dict[str, int]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Four departments, of which three are enough, and 2 of 3 key holders."""
    folder = tmp_path_factory.mktemp("crash")
    fault = library(folder)
    with federation(write_holdings(folder / "spec"), folder / "federation") as running:
        yield Site(running, fault, folder / "trace", {})


def _calls(site: Site, role: str) -> int:
    """How many durable calls *role* makes from its start to the end of the script."""
    if role not in site.calls:
        site.calls[role] = ask_under(site.running, Strike(role, 0, "none"), site.fault, site.trace).calls
    return site.calls[role]


def _seeds() -> list[object]:
    if CHOSEN:
        return [int(CHOSEN)]
    return [seed if seed < QUICK else pytest.param(seed, marks=pytest.mark.slow) for seed in range(SLOW)]


@pytest.mark.parametrize("seed", _seeds())
def test_a_struck_role_loses_nothing(site: Site, seed: int) -> None:
    rng, role = random.Random(seed), ROLES[seed % len(ROLES)]
    reach = EARLY if seed < QUICK else _calls(site, role)
    for _ in range(TRIES):
        strike = Strike(role, rng.randrange(reach), rng.choice(KINDS))
        before, began = site.running.spent(), len(log_of(site.running))
        asked = ask_under(site.running, strike, site.fault, site.trace)
        if asked.calls > strike.index:
            break
        reach = asked.calls  # how many there are differs: of the key holders, who is asked to decrypt
    else:
        pytest.fail(f"{strike} never came")
    try:
        _check(site.running, asked, before, began)
    except AssertionError as error:
        raise AssertionError(f"seed {seed}, {strike}: {error}") from error


def _check(running: Running, asked: Asked, before: dict[tuple[str, str, str], int], began: int) -> None:
    assert all(seconds < RESTART_S for seconds in asked.restarts), asked.restarts
    assert len(asked.releases) + len(asked.refused) == 3
    together(running)
    with running.connect() as con:
        for release in asked.releases:
            again = con.release(release.id)
            assert again.to_dict() | {"replayed": 0} == release.to_dict() | {"replayed": 0}
    entries = log_of(running)
    released = {e.release.round.hex() for e in entries if e.WhichOneof("leaf") == "release"}
    assert released >= {release.id for release in asked.releases}

    # Every ledger pays each release once, and at most the one round in flight beside.
    fresh = {e.release.round.hex() for e in entries[began:] if e.WhichOneof("leaf") == "release"}
    eventually(lambda: _lost(running, before, fresh) in (0, 1), "ledgers hold what was released", 20)
    assert holding_canary(running.root) == []


def _lost(running: Running, before: dict[tuple[str, str, str], int], fresh: set[str]) -> float:
    """The most that a department paid beyond its *fresh* releases, in prices; all cost the same."""
    spent, lost = running.spent(), 0.0
    price = min((after - before[key] for key, after in spent.items()
                 if key[0] == "population" and after > before[key]), default=1)
    with running.connect() as con:
        for name in DEPARTMENTS:
            paid = spent["department", name, "residents"] - before["department", name, "residents"]
            owed = sum(name in con.release(round_).departments for round_ in fresh)
            lost = max(lost, abs(paid / 10**10 - owed)) if price else lost
    return lost
