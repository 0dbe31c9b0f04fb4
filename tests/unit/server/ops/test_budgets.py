"""A budget is worth what each population counts in, and never more."""

from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cotally.server.dp.accounting import rho_from_epsilon
from cotally.server.model.account import PICO, Account
from cotally.server.ops import site
from cotally.server.ops.budgets import Budget
from cotally.server.ops.findings import Verdict
from cotally.v1.refusals import Misconfigured
from tests.unit.server.planner.examples import people

DELTA = Fraction(1, 10**6)
PURE = frozenset({"wards"})


def test_epsilon_means_itself_or_what_delta_makes_of_it() -> None:
    budget = Budget(Account.EPSILON, Fraction(3, 2), "--epsilon")
    assert budget.pico_loss("wards", PURE, DELTA) == 15 * 10**11
    assert budget.pico_loss("residents", PURE, DELTA) == rho_from_epsilon(Fraction(3, 2), DELTA)
    third = Budget(Account.EPSILON, Fraction(1, 3), "--epsilon")
    assert third.pico_loss("wards", PURE, DELTA) == PICO // 3


def test_rho_is_for_populations_that_count_in_it() -> None:
    budget = Budget(Account.RHO, Fraction(1, 4), "budget.wards")
    assert budget.pico_loss("residents", PURE, DELTA) == PICO // 4
    with pytest.raises(Misconfigured, match=r"budget\.wards is in rho, but population 'wards' is pure"):
        budget.pico_loss("wards", PURE, DELTA)


@pytest.mark.parametrize("unit", list(Account))
@pytest.mark.parametrize("amount, says", [(Fraction(0), "above 0"), (Fraction(1, 10**13), "too small")])
def test_a_budget_that_buys_nothing_is_refused(unit: Account, amount: Fraction, says: str) -> None:
    with pytest.raises(Misconfigured, match=f"--x .*{says}"):
        Budget(unit, amount, "--x").pico_loss("residents", PURE, DELTA)


def test_node_check_names_a_budget_in_rho_of_a_pure_population(tmp_path: Path) -> None:
    said: Any = SimpleNamespace(budgets={"residents": Fraction(1)}, budgets_rho={"wards": Fraction(1)})
    held = [people(), people(name="beds", population="wards", pure=True)]
    found, *_ = site.budgets(said, held, tmp_path / "node.toml")
    assert (found.verdict, "budget.wards is in rho" in found.detail) == (Verdict.FAIL, True)
    said.budgets, said.budgets_rho = {"wards": Fraction(1)}, {"residents": Fraction(1)}
    assert [each.verdict for each in site.budgets(said, held, tmp_path / "node.toml")] == [Verdict.OK]
