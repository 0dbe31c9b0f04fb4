"""A key holder dies before or after its partial decryption: any t of n open a release, and only t."""

import pytest

from cotally.v1.refusals import EXIT_CODE, Refusal
from tests.system.asking import Step, ask, charges, price, refused
from tests.system.holdings import COUNT, DEPARTMENTS
from tests.system.running import Running


def answered(federation: Running, name: str) -> int:
    """How often a key holder has decrypted."""
    return len(federation.said(name, "decrypted"))


def test_another_answers_for_one_that_dies_before_its_partial(federation: Running) -> None:
    first, second, third = federation.holders
    with federation.connect() as con:
        before, cost = federation.spent(), price(con)

        def die(_: str) -> None:
            federation.kill(first)
            federation.resume(second)

        # The first choice moves on by one from round to round: of two rounds, one at least asks `first`.
        for _ in range(2):
            federation.pause(first, second)  # their cosignatures are not needed, and they cannot be too early
            ask(con, Step.STEP_WITNESSED, die)
            federation.start(first)
    assert charges(before, federation.spent()) == dict.fromkeys(DEPARTMENTS, 2 * cost)
    assert answered(federation, third) >= 2


def test_a_partial_outlives_its_holder(federation: Running) -> None:
    with federation.connect() as con:
        before, cost = federation.spent(), price(con)
        release = ask(con, Step.STEP_DECRYPTED, lambda name: federation.kill(name))
        assert con.release(release.id).to_dict() == release.to_dict()
    assert charges(before, federation.spent()) == dict.fromkeys(DEPARTMENTS, cost)


@pytest.mark.slow
def test_another_answers_for_one_that_hangs(federation: Running) -> None:
    hanging = federation.holders[0]
    with federation.connect() as con:
        for _ in range(2):
            federation.pause(hanging)
            con.sql(COUNT).run()
            federation.resume(hanging)


def test_with_too_few_key_holders_nothing_is_spent(federation: Running) -> None:
    federation.kill(*federation.holders[:2])
    before = federation.spent()
    with federation.connect() as con:
        why = refused(con)
    assert (why.refusal, EXIT_CODE[why.refusal]) == (Refusal.TOO_FEW_KEY_HOLDERS, 6)
    assert federation.spent() == before
