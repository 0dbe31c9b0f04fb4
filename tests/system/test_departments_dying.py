"""A department dies at every point of a round: what was opened stays spent, nobody else loses anything."""

import subprocess
from collections.abc import Iterator

import pytest

from cotally.server.ledger import ledger as ledgers
from cotally.server.store.database import open_database
from cotally.v1 import round_pb2
from cotally.v1.refusals import Refusal
from tests.system.asking import Step, ask, charges, leaves, log_of, price
from tests.system.holdings import COUNT, DEPARTMENTS
from tests.system.running import Ran, Running, command, eventually

VICTIM, SLOW = "north", "south"


def ledger(federation: Running, name: str) -> ledgers.Ledger:
    """A department's ledger, as its file has it now."""
    state = federation.roles[name].state
    return ledgers.Ledger(open_database(state / "ledger.db", ledgers.SCHEMA), name)


def last_kind(federation: Running, name: str) -> str:
    """The kind of the newest entry of a department's ledger."""
    book = ledger(federation, name)
    with book._engine.connect() as connection:
        (entry,) = book._read(connection, book.length, book.length)
    return round_pb2.LedgerKind.Name(entry.kind).removeprefix("LEDGER_KIND_")


def spent(federation: Running, name: str) -> int:
    """What a department's own ledger says that it spent."""
    return sum(s.spent_pico_loss for s in ledger(federation, name).status())


def test_one_that_never_hears_of_the_round_is_missing_and_pays_nothing(federation: Running) -> None:
    with federation.connect() as con:
        before, cost = federation.spent(), price(con)
        federation.pause(VICTIM)
        release = ask(con, Step.STEP_ANNOUNCED, lambda _: federation.kill(VICTIM))
    assert (release.missing, set(release.departments)) == ((VICTIM,), set(DEPARTMENTS) - {VICTIM})
    federation.start(VICTIM)
    assert charges(before, federation.spent()) == dict.fromkeys(release.departments, cost)


def test_one_that_dies_between_spending_and_committing_has_spent(federation: Running) -> None:
    own = spent(federation, VICTIM)

    def kill_when_it_has_spent(_: str) -> None:
        eventually(lambda: spent(federation, VICTIM) > own, f"{VICTIM} reserves the price")
        federation.kill(VICTIM)

    with federation.connect() as con:
        before, cost = federation.spent(), price(con)
        release = ask(con, Step.STEP_ANNOUNCED, kill_when_it_has_spent)
        assert release.missing == (VICTIM,)
        federation.start(VICTIM)
        assert charges(before, federation.spent()) == dict.fromkeys(DEPARTMENTS, cost)
        assert not con.sql(COUNT).run().missing  # and the lost round does not stand in its way


def test_one_that_dies_after_it_committed_and_comes_back_reveals(federation: Running) -> None:
    def die_before_the_freeze(_: str) -> None:
        federation.kill(VICTIM)
        federation.resume(SLOW)  # whose commitment alone is awaited
        federation.start(VICTIM)

    with federation.connect() as con:
        before, cost = federation.spent(), price(con)
        federation.pause(SLOW)
        release = ask(con, Step.STEP_COMMITTED, die_before_the_freeze, VICTIM)
    assert not release.missing
    assert charges(before, federation.spent()) == dict.fromkeys(DEPARTMENTS, cost)


@pytest.fixture
def pardoning(federation: Running) -> Iterator[Running]:
    """The federation; its coordinator is restarted afterwards, which forgets suspensions."""
    yield federation
    federation.stop("coordinator")


def test_one_that_withholds_is_suspended_and_the_void_round_is_refunded(pardoning: Running) -> None:
    federation = pardoning
    with federation.connect() as con:
        before = federation.spent()
        committed = len(federation.said(VICTIM, "committed"))
        federation.pause(SLOW)
        asking = subprocess.Popen(command("query", COUNT, "-o", "json"), text=True, stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                  env={"COTALLY_PROFILE": str(federation.profile())})
        try:
            eventually(lambda: len(federation.said(VICTIM, "committed")) > committed, f"{VICTIM} commits")
            federation.kill(VICTIM)
            federation.resume(SLOW)
            out, err = asking.communicate(timeout=60)
        finally:
            asking.kill()
        ran = Ran(asking.returncode, out, err)
        assert (ran.status, ran.out, ran.refusal) == (6, "", Refusal.WITHHELD)
        assert VICTIM in ran.message and SLOW not in ran.message
        federation.start(VICTIM)
        eventually(lambda: not charges(before, federation.spent()), "key holders swear it closed")
        dead = [e.dead for e in log_of(federation) if e.WhichOneof("leaf") == "dead"][-1]
        assert (dead.reason, list(dead.departments)) == (Refusal.WITHHELD, [VICTIM])
        eventually(lambda: last_kind(federation, VICTIM) == "VOID", "its ledger learns of the end")
        assert len(leaves(log_of(federation), "void", dead.round)) == 1
        assert con.sql(COUNT).run().missing == (VICTIM,)


def test_one_that_dies_after_its_reveal_is_not_needed_any_more(federation: Running) -> None:
    with federation.connect() as con:
        before, cost = federation.spent(), price(con)
        release = ask(con, Step.STEP_REVEALED, lambda _: federation.kill(VICTIM), VICTIM)
        assert not release.missing
        federation.start(VICTIM)
        assert charges(before, federation.spent()) == dict.fromkeys(DEPARTMENTS, cost)
        eventually(lambda: last_kind(federation, VICTIM) == "COMMIT", "its ledger learns of the release")
        assert len(leaves(log_of(federation), "transcript", bytes.fromhex(release.id))) == 1


@pytest.mark.slow
def test_a_paused_department_is_left_out_and_comes_back_by_itself(federation: Running) -> None:
    with federation.connect() as con:
        federation.pause(VICTIM)
        assert con.sql(COUNT).run().missing == (VICTIM,)
        federation.resume(VICTIM)
        eventually(lambda: not con.sql(COUNT).run().missing, f"{VICTIM} takes part again")
