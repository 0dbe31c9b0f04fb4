"""An equal question gets the stored release: departments pay nothing, a new analyst pays it himself."""

from typing import Any

from cotally.v1.refusals import Refusal
from tests.system.asking import charges, log_of
from tests.system.running import Running, eventually

FIRST = "SELECT sex, COUNT(*) AS n, AVG(age) AS a FROM people WHERE age >= 30 AND income < 900 GROUP BY sex"
AGAIN = ("SELECT AVG(age) AS mean, sex, COUNT(*) FROM people WHERE NOT NOT income < 900 AND age >= 30 "
         "GROUP BY sex")
CLAUSE = " WITH PRIVACY (rho = 0.011)"


def asked(federation: Running, sql: str, analyst: str = "analyst") -> dict[str, Any]:
    ran = federation.query(sql, "-o", "json", analyst=analyst)
    assert ran.status == 0, ran
    return dict(ran.json)


def test_an_equal_question_costs_the_departments_nothing(federation: Running) -> None:
    first = asked(federation, FIRST + CLAUSE)
    before, length = federation.spent(), len(log_of(federation))
    again = asked(federation, AGAIN + CLAUSE.replace("0.011", "0.0110"))
    assert (first["replayed"], again["replayed"]) == (False, True)
    for name in ("release_id", "query_fingerprint"):
        assert again[name] == first[name]
    assert federation.spent() == before
    assert len(log_of(federation)) <= length + 1  # the end of the first round, at most
    assert [[row["sex"], row["count"], row["mean"], row["mean_low"]] for row in again["rows"]] == [
        [row["sex"], row["n"], row["a"], row["a_low"]] for row in first["rows"]]
    assert list(again["rows"][0])[:2] == ["sex", "mean"]


def test_another_analyst_pays_its_price_on_his_own_filter_and_gets_it_only_then(federation: Running) -> None:
    first = asked(federation, FIRST + CLAUSE.replace("0.011", "0.012"))
    before = federation.spent()
    theirs = asked(federation, FIRST + CLAUSE.replace("0.011", "0.012"), "reader")
    assert theirs["replayed"] and theirs["rows"] == first["rows"]
    assert federation.spent() == before  # of the departments, the population and the first analyst
    leaf = [e.replay for e in log_of(federation) if e.WhichOneof("leaf") == "replay"][-1]
    assert (leaf.round.hex(), leaf.analyst, leaf.pico_loss) == (first["release_id"], "reader", 12_000_000_000)
    assert len(leaf.grants) == len(first["departments"])
    dearer = FIRST + CLAUSE.replace("0.011", "0.013")
    asked(federation, dearer)
    ran = federation.query(dearer, "-o", "json", analyst="reader")  # 0.015 - 0.012 are left to him
    assert ran.refusal == Refusal.BUDGET_SPENT


def test_who_wants_new_noise_pays_for_it(federation: Running) -> None:
    first = asked(federation, FIRST + CLAUSE)
    before = federation.spent()
    fresh = asked(federation, FIRST + CLAUSE.replace(")", ", replay = false)"))
    assert not fresh["replayed"] and fresh["release_id"] != first["release_id"]
    assert set(charges(before, federation.spent()).values()) == {11_000_000_000}


def test_a_replay_outlives_the_coordinator(federation: Running) -> None:
    first = asked(federation, FIRST + CLAUSE)
    federation.kill("coordinator")
    federation.start("coordinator")
    federation.heal()
    eventually(lambda: federation.query("SELECT COUNT(*) FROM people WITH PRIVACY (rho = 0.01)", "--dry-run",
                                        "-o", "json").status == 0, "the departments are back")
    again = asked(federation, FIRST + CLAUSE)
    assert again["replayed"] and again["release_id"] == first["release_id"]
