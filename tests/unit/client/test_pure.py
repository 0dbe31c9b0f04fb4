"""A population that counts in pure epsilon, from the question to what people read of budgets."""

import json
from collections.abc import Callable
from decimal import Decimal

import pytest

from cotally.client import builder as b
from cotally.client.audit.facts import Links
from cotally.client.audit.ledgers import Ledger
from cotally.client.budget import Filter
from cotally.client.builder import TableQuery
from cotally.client.cli.accounts import print_accounts, print_after
from cotally.client.expect import expected_errors
from cotally.client.explain import Explanation
from cotally.client.privacy import Account
from cotally.client.scope import effective
from cotally.client.sql.parse import parse
from cotally.client.study import Study
from cotally.v1.catalog_pb2 import Catalog
from cotally.v1.query_pb2 import MECHANISM_GAUSSIAN, MECHANISM_LAPLACE
from cotally.v1.refusals import Refusal, Refused
from cotally.v1.round_pb2 import LEDGER_KIND_BUDGET, LEDGER_KIND_RESERVE
from tests.fixtures.answered import answered, planned
from tests.unit.client import test_same_message

HEAD = "SELECT COUNT(*) AS n FROM people "
PICO = 10**12


def catalog() -> Catalog:
    """The usual one, whose residents count in epsilon."""
    made = Catalog()
    made.CopyFrom(test_same_message.CATALOG)
    for table in made.tables:
        table.pure = table.population == "residents"
    return made


PURE = catalog()


def explained(text: str, left: int = PICO) -> Explanation:
    """What the servers' plan of *text* is told as, where every filter has *left*."""
    query = parse(text, PURE).query
    account = Account.of("residents", PURE, "0.000001")
    filters = (Filter("population", "residents", "residents", PICO, PICO - left, account.delta),
               Filter("analyst", "ann", "residents", None, 7, account.delta))
    plan = planned(query, PURE)
    return Explanation(query, plan, effective(query, PURE), ("a", "b"), (),
                       expected_errors(plan, query, PURE), None, filters, account)


# Questions


@pytest.mark.parametrize("stated, mechanism", [
    ("", MECHANISM_LAPLACE), (", mechanism = 'laplace'", MECHANISM_LAPLACE),
])
def test_a_pure_table_is_asked_under_laplace_noise(stated: str, mechanism: int) -> None:
    query = parse(f"{HEAD} WITH PRIVACY (epsilon = 1{stated})", PURE).query
    assert query.privacy.mechanism == mechanism
    usual = parse(f"{HEAD} WITH PRIVACY (epsilon = 1)", test_same_message.CATALOG).query
    assert usual.privacy.mechanism == MECHANISM_GAUSSIAN
    fluent = TableQuery("people").agg(n=b.count()).with_privacy(epsilon=1).question(PURE).query
    assert fluent == query
    assert parse(f"{HEAD} WITH PRIVACY (error = 50)", PURE).query.privacy.mechanism == MECHANISM_LAPLACE


@pytest.mark.parametrize("clause, fix", [
    ("epsilon = 1, mechanism = 'gaussian'", "population residents is pure: state mechanism = 'laplace'"),
    ("rho = 1", "population residents is pure: state epsilon instead of rho"),
    ("rho = 1, mechanism = 'laplace'", "state epsilon instead of rho"),
])
def test_what_has_no_pure_epsilon_is_refused_with_the_fix(clause: str, fix: str) -> None:
    with pytest.raises(Refused, match="line 1, column") as refused:
        parse(f"{HEAD} WITH PRIVACY ({clause})", PURE)
    assert refused.value.refusal is Refusal.BAD_PRIVACY and fix in refused.value.message
    assert parse(f"{HEAD} WITH PRIVACY ({clause})", test_same_message.CATALOG)


# Amounts


def test_an_account_is_what_the_catalog_says_of_the_population() -> None:
    pure, usual = Account.of("residents", PURE, "0.000001"), Account.of("cattle", PURE, "0.000001")
    assert (pure, usual) == (Account("0"), Account("0.000001"))
    assert pure.rho(PICO // 2) is None and pure.epsilon(PICO // 2) == Decimal("0.5")
    assert usual.rho(PICO // 2) == "0.5" and usual.epsilon(PICO // 2) > 5
    assert pure.epsilon(PICO // 2 + 1) == Decimal("0.500000000001"), "exact: it adds up"


def test_a_filter_is_told_in_epsilon_at_delta_0() -> None:
    told = Filter("population", "residents", "residents", 3 * PICO, PICO // 2, "0", PICO // 4).to_dict()
    assert [told[f"{what}_epsilon"] for what in ("budget", "spent", "reserved", "left", "cumulative")] == [
        3.0, 0.5, 0.25, 2.25, 0.75]
    assert told["delta"] == 0.0 and not any(v for k, v in told.items() if k.endswith("_rho"))


def test_a_price_is_told_in_epsilon_alone() -> None:
    explanation = explained(f"{HEAD} WITH PRIVACY (epsilon = 0.3)")
    privacy = explanation.privacy
    assert (privacy["rho"], privacy["epsilon"], privacy["delta"]) == (None, 0.3, 0.0)
    assert "epsilon 0.3 (pure); laplace noise" in repr(explanation)
    assert "epsilon 0.7" in repr(explanation) and "rho" not in repr(explanation)
    (population, _) = explanation.effects()
    assert population["fits"] and population["after_epsilon"] == 0.7 and population["after_rho"] is None
    dear = explained(f"{HEAD} WITH PRIVACY (epsilon = 0.3)", left=PICO // 10)
    assert not dear.affordable and "too little: epsilon 0.1 is left" in repr(dear)


def test_a_release_states_its_pure_epsilon() -> None:
    query = parse(f"{HEAD} WITH PRIVACY (epsilon = 0.3)", PURE).query
    release = answered(query, PURE, [[1000]])
    assert (release.privacy["epsilon"], release.privacy["delta"], release.privacy["rho"]) == (0.3, 0.0, None)
    assert "epsilon 0.3 (laplace)" in release.caption


def test_a_study_adds_epsilon_up() -> None:
    texts = [f"{HEAD} WITH PRIVACY (epsilon = {amount})" for amount in ("0.5", "0.6", "0.5")]
    study = Study.of([(text, explained(text)) for text in texts])
    assert [each.fits for each in study.questions] == [True, False, True]
    told = json.loads(json.dumps(study.to_dict(), allow_nan=False))
    (population,) = told["populations"]
    assert (population["rho"], population["epsilon"], population["delta"]) == (None, 1.6, 0.0)
    assert [each["cumulative_epsilon"] for each in told["questions"]] == [0.5, 0.5, 1.0]
    assert "together epsilon 1.6 of residents" in repr(study) and "rho" not in repr(study)


@pytest.mark.parametrize("show", [print_accounts, print_after])
def test_tables_never_add_rho_to_it(
    show: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    pure = explained(f"{HEAD} WITH PRIVACY (epsilon = 0.3)").effects()
    show(pure)
    out = capsys.readouterr().out
    if show is print_accounts:
        assert "residents is pure: epsilon adds up, and delta is 0" in out and "ρ" not in out
    else:
        assert "–" in out and "0.7" in out


@pytest.mark.parametrize("delta, unit", [("0", "epsilon"), ("0.000001", "rho")])
def test_a_ledger_beyond_its_budget_is_named_in_what_it_counts(delta: str, unit: str) -> None:
    steps = ((LEDGER_KIND_BUDGET, "residents", b"", PICO), (LEDGER_KIND_RESERVE, "residents", b"r", 3 * PICO))
    with pytest.raises(Refused, match=f"reserves 3 {unit} beyond its budget of 1 {unit} for 'residents'"):
        Ledger("east", lambda population: Account(delta)).follow(
            Links("east", 1, b"", bytes(64), steps, ""), (), {})
