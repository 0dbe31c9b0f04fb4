"""Amounts of privacy loss as people read them."""

import pytest

from cotally.server.model.account import Account


@pytest.mark.parametrize(("pico", "number"), [(0, "0"), (1, "0.000000000001"), (10**13, "10")])
def test_an_amount_is_exact(pico: int, number: str) -> None:
    assert Account.RHO.text(pico) == f"{number} rho"
    assert Account.EPSILON.text(pico) == f"{number} epsilon"


def test_a_population_counts_in_rho_unless_it_is_named() -> None:
    assert Account.of("wards", {"wards"}) is Account.EPSILON
    assert Account.of("residents", {"wards"}) is Account.RHO
