"""A bundle about a population that counts in pure epsilon is believed at its epsilon, and at nothing else."""

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest
from google.protobuf.message import Message

from cotally.client.release import Release
from cotally.client.verify.bundle import verify
from cotally.client.verify.claims import PICO, scale_of
from cotally.v1 import query_pb2, round_pb2
from cotally.v1.refusals import Refusal, Refused
from tests.fixtures.bundle import Round, question

Alter = Callable[[Any], object]


def charged(plan: round_pb2.Plan) -> None:
    """Its epsilon, block by block, as the planner has it."""
    for block in plan.blocks:
        block.pico_loss = math.ceil(Fraction(block.l1) / scale_of(block) * PICO)
    plan.pico_loss = sum(block.pico_loss for block in plan.blocks)


def pure(plan: Alter, catalog: Alter = lambda body: None) -> Callable[[str, Message], None]:
    """Return a tamper that makes the population pure, and then what *plan* and *catalog* make of it."""
    def plant(stage: str, body: Any) -> None:
        if stage == "catalog":
            body.tables[0].pure = True
            catalog(body)
        if stage == "plan":
            plan(body)
    return plant


def asked(mechanism: int = query_pb2.MECHANISM_LAPLACE) -> Round:
    return Round(query=question(mechanism))


def test_a_release_is_believed_at_its_epsilon() -> None:
    release = Release.of(*asked().bundle(pure(charged)))
    assert (release.privacy["epsilon"], release.privacy["delta"], release.privacy["rho"]) == (0.8, 0.0, None)


def dearer(plan: round_pb2.Plan) -> None:
    """All of it one pico-epsilon too much, in the ledgers too."""
    charged(plan)
    plan.blocks[0].pico_loss += 1
    plan.pico_loss += 1


def cheaper(plan: round_pb2.Plan) -> None:
    charged(plan)
    plan.pico_loss -= 1


def overstated(plan: round_pb2.Plan) -> None:
    charged(plan)
    plan.epsilon = "0.9"


@pytest.mark.parametrize("plan, says", [
    (lambda plan: None, "the plan's price is not its epsilon"),  # e^2/2, what it costs elsewhere
    (dearer, "the plan's price is not its epsilon"),
    (cheaper, "the plan's price is not its epsilon"),
    (overstated, "states another epsilon than it charges"),
], ids=["as rho", "dearer", "cheaper", "overstated"])
def test_a_price_in_another_account_is_refused(plan: Alter, says: str) -> None:
    with pytest.raises(Refused, match=says) as refused:
        verify(*asked().bundle(pure(plan)))
    assert refused.value.refusal is Refusal.PLAN_MISMATCH


def test_gaussian_noise_is_refused() -> None:
    with pytest.raises(Refused, match="'residents' is pure, and the plan's noise is not Laplace") as refused:
        verify(*asked(query_pb2.MECHANISM_GAUSSIAN).bundle(pure(lambda plan: None)))
    assert refused.value.refusal is Refusal.BAD_PRIVACY


def test_a_catalog_whose_population_counts_in_two_things_is_refused() -> None:
    def disagreeing(catalog: Any) -> None:
        other = catalog.tables.add()
        other.CopyFrom(catalog.tables[0])
        other.name, other.pure = "visits", False

    with pytest.raises(Refused, match="tables of 'residents' disagree on whether the population is pure"):
        verify(*asked().bundle(pure(charged, disagreeing)))
