"""Who takes part and who can pay: refused before anything is spent, or spent exactly once."""

import shutil
from concurrent.futures import ThreadPoolExecutor

from cotally.client.release import Release
from cotally.v1.refusals import EXIT_CODE, Refusal, Refused
from tests.system.asking import charges, log_of, price, refused
from tests.system.holdings import BUDGET_RHO, COUNT, DEPARTMENTS, MINIMUM
from tests.system.running import Running

LARGE = BUDGET_RHO - 2  # rho of a question that fits a budget once
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


def test_two_questions_at_once_cannot_spend_one_rest_twice(federation: Running) -> None:
    def run(_: int) -> Release | Refused:
        try:
            return con.sql(ONCE).run()
        except Refused as why:
            return why

    with federation.connect() as con:
        before, cost = federation.spent(), price(con, ONCE)
        with ThreadPoolExecutor(2) as pool:
            outcomes = list(pool.map(run, range(2)))
    (why,) = [o for o in outcomes if isinstance(o, Refused)]
    assert (why.refusal, EXIT_CODE[why.refusal]) == (Refusal.BUDGET_SPENT, 5)
    assert charges(before, federation.spent(), "ghosts") == dict.fromkeys(DEPARTMENTS, cost)
    assert all(federation.runs(name) for name in DEPARTMENTS)


def test_a_ledger_restored_from_an_older_copy_takes_no_part(federation: Running) -> None:
    victim = DEPARTMENTS[0]
    state = federation.roles[victim].state
    older, newer = state.parent / "older", state.parent / "newer"
    federation.stop(victim)
    shutil.copytree(state, older)
    federation.start(victim)
    with federation.connect() as con:
        assert not con.sql(COUNT).run().missing
        federation.stop(victim)
        shutil.copytree(state, newer)
        for file in state.glob("ledger.db*"):
            file.unlink()
        for file in older.glob("ledger.db*"):
            shutil.copy2(file, state)
        federation.start(victim)
        assert con.sql(COUNT).run().missing == (victim,)
        (declined,) = federation.said(victim, "declined", refusal=Refusal.STEPPED_BACK)
        assert victim in declined["message"]
        # The whole state of yesterday does not help either: the log tells what it has forgotten.
        federation.stop(victim)
        shutil.rmtree(state)
        shutil.copytree(older, state)
        federation.start(victim)
        assert con.sql(COUNT).run().missing == (victim,)
        assert len(federation.said(victim, "declined", refusal=Refusal.STEPPED_BACK)) == 2
        federation.stop(victim)
        shutil.rmtree(state)
        newer.rename(state)
        federation.start(victim)
        assert not con.sql(COUNT).run().missing
    shutil.rmtree(older)
    log_of(federation)


def test_with_enough_budget_and_departments_too_few_witnesses_are_named(federation: Running) -> None:
    federation.kill(DEPARTMENTS[0], *federation.holders[:1])  # 5 of 7 are left, which are enough
    with federation.connect() as con:
        assert con.sql(COUNT).run().missing == DEPARTMENTS[:1]
        federation.kill(federation.holders[1])
        assert refused(con).refusal is Refusal.TOO_FEW_KEY_HOLDERS
