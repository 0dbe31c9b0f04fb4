"""Who takes part and who can pay: refused before anything is spent, or spent exactly once."""

import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from cotally.client.release import Release
from cotally.v1.refusals import EXIT_CODE, Refusal, Refused
from tests.system.asking import charges, log_of, price, refused
from tests.system.holdings import BUDGET_RHO, COUNT, DEPARTMENTS, MINIMUM
from tests.system.running import Running

LARGE = BUDGET_RHO - 2  # rho of a question that fits a budget once
VICTIM = DEPARTMENTS[0]
ONCE = f"SELECT COUNT(*) AS n FROM hollow WITH PRIVACY (rho = {LARGE})"


def test_with_too_few_departments_nothing_is_spent(federation: Running) -> None:
    away = DEPARTMENTS[: len(DEPARTMENTS) - MINIMUM + 1]
    federation.kill(*away)
    before = federation.spent()
    ran = federation.query(COUNT, "-o", "json")
    assert (ran.status, ran.out, ran.refusal) == (6, "", Refusal.TOO_FEW_DEPARTMENTS)
    assert all(name in ran.message for name in away)
    assert federation.spent() == before


def test_a_price_above_every_budget_is_refused_and_spends_nothing(federation: Running) -> None:
    before = federation.spent()
    ran = federation.query(COUNT.replace("rho = 0.01", f"rho = {BUDGET_RHO + 1}"), "-o", "json")
    assert (ran.status, ran.out, ran.refusal) == (5, "", Refusal.BUDGET_SPENT)
    assert federation.spent() == before


def test_an_analysts_own_budget_ends(federation: Running) -> None:
    first = federation.query(COUNT, "-o", "json", analyst="poor")
    assert first.status == 0
    before = federation.spent("poor")
    second = federation.query(COUNT, "-o", "json", analyst="poor")
    assert (second.status, second.refusal) == (5, Refusal.BUDGET_SPENT)
    assert "poor" in second.message
    assert federation.spent("poor") == before
    assert federation.query(COUNT, "-o", "json").status == 0  # which is nobody else's affair


def test_a_dry_run_spends_nothing(federation: Running) -> None:
    before = federation.spent()
    ran = federation.query(COUNT, "--dry-run", "-o", "json")
    assert (ran.status, ran.json["release_id"]) == (0, None)
    assert set(ran.json["expected_error"]) == {"n"}
    assert "rows" not in ran.json
    assert federation.spent() == before


def test_a_purpose_that_was_not_granted_is_refused(federation: Running) -> None:
    before = federation.spent()
    ran = federation.query(COUNT, "--purpose", "curiosity", "-o", "json")
    assert (ran.status, ran.out, ran.refusal) == (4, "", Refusal.NOT_ALLOWED)
    assert federation.spent() == before


def test_questions_at_once_are_all_answered(federation: Running) -> None:
    with federation.connect() as con:
        before, cost = federation.spent(), price(con)
        with ThreadPoolExecutor(4) as pool:
            releases = list(pool.map(lambda _: con.sql(COUNT).run(), range(4)))
    assert len({r.id for r in releases}) == 4
    assert not any(r.missing for r in releases)
    assert charges(before, federation.spent()) == dict.fromkeys(DEPARTMENTS, 4 * cost)


@pytest.mark.parametrize("analyst, sql, population", [
    ("analyst", ONCE, "ghosts"), ("hasty", COUNT, "residents")], ids=["a department's", "an analyst's"])
def test_two_questions_at_once_cannot_spend_one_rest_twice(
    federation: Running, analyst: str, sql: str, population: str,
) -> None:
    """Whichever budget is enough for one: the other question is refused before it costs anybody anything."""
    def run(_: int) -> Release | Refused:
        try:
            return con.sql(sql).run()
        except Refused as why:
            return why

    with federation.connect(analyst) as con:
        before, cost = federation.spent(), price(con, sql)
        with ThreadPoolExecutor(2) as pool:
            outcomes = list(pool.map(run, range(2)))
    (why,) = [o for o in outcomes if isinstance(o, Refused)]
    assert (why.refusal, EXIT_CODE[why.refusal]) == (Refusal.BUDGET_SPENT, 5)
    assert charges(before, federation.spent(), population) == dict.fromkeys(DEPARTMENTS, cost)
    assert all(federation.runs(name) for name in DEPARTMENTS)


@pytest.fixture
def aged(federation: Running) -> Iterator[Callable[[str], None]]:
    """Replaces files of the victim's state by copies from before one more round; undone afterwards."""
    state = federation.roles[VICTIM].state
    older, newer = state.parent / "older", state.parent / "newer"
    federation.stop(VICTIM)
    shutil.copytree(state, older)
    federation.start(VICTIM)
    with federation.connect() as con:
        assert not con.sql(COUNT).run().missing
    federation.stop(VICTIM)
    shutil.copytree(state, newer)

    def restore(files: str) -> None:
        for file in state.glob(files):
            file.unlink()
        for file in older.glob(files):
            shutil.copy2(file, state)
        federation.start(VICTIM)

    yield restore
    federation.stop(VICTIM)
    shutil.rmtree(state)
    newer.rename(state)
    shutil.rmtree(older)
    federation.start(VICTIM)
    with federation.connect() as con:
        assert not con.sql(COUNT).run().missing


@pytest.mark.parametrize("files", ["ledger.db*", pytest.param("*.db*", marks=pytest.mark.slow)])
def test_a_ledger_restored_from_an_older_copy_takes_no_part(
    federation: Running, aged: Callable[[str], None], files: str,
) -> None:
    """Nor does the whole state of yesterday: the log tells what it has forgotten."""
    aged(files)
    declined = len(federation.said(VICTIM, "declined", refusal=Refusal.STEPPED_BACK))
    with federation.connect() as con:
        assert con.sql(COUNT).run().missing == (VICTIM,)
    says = federation.said(VICTIM, "declined", refusal=Refusal.STEPPED_BACK)
    assert len(says) == declined + 1
    assert "backup" in says[-1]["message"]
    log_of(federation)


@pytest.mark.slow
def test_with_enough_budget_and_departments_too_few_witnesses_are_named(federation: Running) -> None:
    federation.kill(DEPARTMENTS[0], *federation.holders[:1])  # 5 of 7 are left, which are enough
    with federation.connect() as con:
        assert con.sql(COUNT).run().missing == DEPARTMENTS[:1]
        federation.kill(federation.holders[1])
        assert refused(con).refusal is Refusal.TOO_FEW_KEY_HOLDERS
