"""The coordinator stops in mid-round: client and round go on, and it is paid for once."""

import signal
import time

import pytest

from cotally.client.release import Release
from tests.system.asking import Step, ask, charges, leaves, log_of, price
from tests.system.holdings import COUNT, DEPARTMENTS
from tests.system.running import Running

slow = pytest.mark.slow


@pytest.mark.parametrize("step", [
    "STEP_ANNOUNCED", "STEP_WITNESSED", pytest.param("STEP_FROZEN", marks=slow),
    pytest.param("STEP_COMMITTED", marks=slow), pytest.param("STEP_REVEALED", marks=slow),
    pytest.param("STEP_DECRYPTED", marks=slow)])
def test_a_killed_coordinator_goes_on_where_it_was(federation: Running, step: str) -> None:
    def restart(_: str) -> None:
        federation.kill("coordinator")
        federation.start("coordinator")

    with federation.connect() as con:
        before, cost = federation.spent(), price(con)
        release = ask(con, Step.Value(step), restart)
        assert not release.missing
        assert con.release(release.id).to_dict() == release.to_dict()
    federation.heal()
    assert charges(before, federation.spent()) == dict.fromkeys(DEPARTMENTS, cost)
    _logged_once(federation, release)


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=slow)])
def test_an_orderly_stop_is_no_worse(federation: Running, number: signal.Signals) -> None:
    codes = []

    def restart(_: str) -> None:
        process = federation.processes["coordinator"]
        process.send_signal(number)
        codes.append(process.wait(30))
        federation.start("coordinator")

    with federation.connect() as con:
        release = ask(con, Step.STEP_ANNOUNCED, restart)
    assert not release.missing
    assert codes == [0 if number is signal.SIGTERM else 130]
    _logged_once(federation, release)


@slow
def test_a_coordinator_that_is_away_for_longer_than_the_deadline(federation: Running) -> None:
    """Commitments that were made while it was away still count: their price is spent."""
    def restart_late(_: str) -> None:
        federation.kill("coordinator")
        time.sleep(6)  # the deadline is 4 s after the announcement
        federation.start("coordinator")

    with federation.connect() as con:
        release = ask(con, Step.STEP_COMMITTED, restart_late)
    assert not release.missing


@slow
def test_members_outlive_their_coordinator(federation: Running) -> None:
    pids = {name: federation.pid(name) for name in [*federation.nodes, *federation.holders]}
    federation.kill("coordinator")
    federation.start("coordinator")
    federation.heal()
    with federation.connect() as con:
        assert not con.sql(COUNT).run().missing
    assert all(federation.runs(name) and federation.pid(name) == pid for name, pid in pids.items())


def _logged_once(federation: Running, release: Release) -> None:
    entries, round_ = log_of(federation), bytes.fromhex(release.id)
    kinds = ("announcement", "roster", "transcript", "release", "dead")
    assert [len(leaves(entries, kind, round_)) for kind in kinds] == [1, 1, 1, 1, 0]
