"""Honest histories: what a round does when everybody follows the protocol, and when somebody stops."""

from collections.abc import Callable
from pathlib import Path

import pytest

from cotally.server.coordinator.session import Round
from cotally.v1 import log_pb2, query_pb2, roster_pb2
from cotally.v1.refusals import Refusal, Refused
from tests.protocol.lab import BUDGET, Lab, count_by_sex


def test_a_round_adds_the_departments_numbers(lab: Lab) -> None:
    for node, exact in zip(lab.nodes.values(), ([3, 4], [10, 20], [100, 0]), strict=True):
        node.exact = exact
    played = lab.play()
    for name in ("holder-1", "holder-3"):
        played.round.partial(lab.decrypt(name, played.evidence))
    release = played.round.release(lab.now, lab.keys["coordinator"])
    refinement = played.round.priced.plan.blocks[0].refinement
    assert [t / refinement for t in release.body.totals] == [113, 24]
    assert list(release.body.departments) == ["health", "north", "tax"]


@pytest.mark.parametrize("encryption", [roster_pb2.ENCRYPTION_SHORT, roster_pb2.ENCRYPTION_TEXTBOOK])
def test_every_mode_of_encryption_gives_the_same_totals(
        folder: Path, encryption: "roster_pb2.Encryption.ValueType") -> None:
    lab = Lab(folder, encryption=encryption)
    assert lab.federation.key.encryption == lab.federation.rules.encryption == int(encryption)
    lab.nodes["north"].exact = [5, 6]
    played = lab.play()
    for name in ("holder-1", "holder-2"):
        played.round.partial(lab.decrypt(name, played.evidence))
    refinement = played.round.priced.plan.blocks[0].refinement
    totals = played.round.release(lab.now, lab.keys["coordinator"]).body.totals
    assert list(totals) == [5 * refinement, 6 * refinement]


def test_a_node_that_encrypts_in_another_mode_is_refused(folder: Path) -> None:
    lab = Lab(folder, encryption=roster_pb2.ENCRYPTION_TEXTBOOK)
    short = Lab(folder / "short", encryption=roster_pb2.ENCRYPTION_SHORT)
    lab.encryptor = short.encryptor
    with pytest.raises(Refused) as refused:
        lab.play()
    assert refused.value.refusal is Refusal.BAD_PROOF


@pytest.mark.parametrize("holders", [("holder-1", "holder-2"), ("holder-2", "holder-3")])
def test_any_two_key_holders_open_the_same_totals(lab: Lab, holders: tuple[str, str]) -> None:
    lab.nodes["tax"].exact = [7, 9]
    played = lab.play()
    for name in holders:
        played.round.partial(lab.decrypt(name, played.evidence))
    refinement = played.round.priced.plan.blocks[0].refinement
    totals = played.round.release(lab.now, lab.keys["coordinator"]).body.totals
    assert list(totals) == [7 * refinement, 9 * refinement]


def test_one_key_holder_opens_nothing(lab: Lab) -> None:
    played = lab.play()
    played.round.partial(lab.decrypt("holder-1", played.evidence))
    with pytest.raises(Refused) as refused:
        played.round.release(lab.now, lab.keys["coordinator"])
    assert refused.value.refusal is Refusal.OUT_OF_ORDER


def test_every_message_may_arrive_twice(lab: Lab) -> None:
    announcement = lab.announce()
    round_ = Round(lab.federation, announcement)
    for name in lab.nodes:
        commitment = lab.commit(name, announcement)
        round_.commit(commitment)
        round_.commit(commitment)
    frozen = round_.freeze(lab.now, lab.keys["coordinator"])
    assert round_.freeze(lab.now + 1, lab.keys["coordinator"]) == frozen
    for node in lab.nodes.values():
        assert node.session.reveal(frozen, lab.now) == node.session.reveal(frozen, lab.now)
        round_.reveal(node.session.reveal(frozen, lab.now))
        round_.reveal(node.session.reveal(frozen, lab.now))
    assert round_.combine() == round_.combine()


def test_the_roster_does_not_freeze_while_commitments_are_awaited(lab: Lab) -> None:
    announcement = lab.announce()
    round_ = Round(lab.federation, announcement)
    round_.commit(lab.commit("tax", announcement))
    with pytest.raises(Refused) as refused:
        round_.freeze(announcement.body.deadline_ms - 1, lab.keys["coordinator"])
    assert refused.value.refusal is Refusal.OUT_OF_ORDER


def test_too_few_commitments_at_the_deadline_end_the_round_and_name_who_was_silent(lab: Lab) -> None:
    announcement = lab.announce()
    round_ = Round(lab.federation, announcement)
    round_.commit(lab.commit("tax", announcement))
    round_.commit(lab.commit("north", announcement))
    with pytest.raises(Refused, match="no answer in time from health") as refused:
        round_.freeze(announcement.body.deadline_ms, lab.keys["coordinator"])
    assert refused.value.refusal is Refusal.TOO_FEW_DEPARTMENTS


def test_departments_that_are_all_late_are_too_few(lab: Lab) -> None:
    announcement = lab.announce()
    round_ = Round(lab.federation, announcement)
    for name in lab.nodes:
        round_.decline(name, Refused(Refusal.OUT_OF_ORDER, f"{name} was not ready in time"))
    with pytest.raises(Refused, match="was not ready in time") as refused:
        round_.freeze(announcement.body.deadline_ms, lab.keys["coordinator"])
    assert refused.value.refusal is Refusal.TOO_FEW_DEPARTMENTS


def test_a_withheld_reveal_leaves_a_dead_round_that_stays_spent(lab: Lab) -> None:
    announcement = lab.announce()
    round_ = Round(lab.federation, announcement)
    for name in lab.nodes:
        round_.commit(lab.commit(name, announcement))
    frozen = round_.freeze(lab.now, lab.keys["coordinator"])
    for name in ("health", "north"):
        round_.reveal(lab.nodes[name].session.reveal(frozen, lab.now))
    assert round_.withheld == ["tax"]
    with pytest.raises(Refused):
        round_.combine()
    lab.nodes["health"].session.close(round_.id)
    [status] = lab.nodes["health"].ledger.status()
    assert status.spent_pico_loss == round_.priced.plan.pico_loss


def test_a_department_spends_before_it_measures_and_never_more_than_its_budget(lab: Lab) -> None:
    spent = 0
    with pytest.raises(Refused) as refused:
        while True:
            lab.commit("tax", lab.announce(lab.envelope(count_by_sex("0.5"))))
            [status] = lab.nodes["tax"].ledger.status()
            assert status.spent_pico_loss > spent
            spent = status.spent_pico_loss
    assert refused.value.refusal is Refusal.BUDGET_SPENT
    assert BUDGET - 5 * 10**11 < spent <= BUDGET


def test_a_node_that_was_interrupted_while_measuring_never_measures_again(lab: Lab) -> None:
    announcement = lab.announce()
    session = lab.nodes["tax"].session
    session.reserve(session.decide(announcement, lab.now))
    restarted = lab.department("tax").session
    with pytest.raises(Refused) as refused:
        restarted.resume(session.decide(announcement, lab.now).round)
    assert refused.value.refusal is Refusal.OUT_OF_ORDER


def test_a_node_that_was_restarted_resends_what_it_stored(lab: Lab) -> None:
    announcement = lab.announce()
    commitment = lab.commit("tax", announcement)
    record = lab.department("tax").session.resume(commitment.body.round)
    assert record is not None and record.commitment == commitment


def test_the_population_filter_admits_rounds_until_it_is_spent(folder: Path) -> None:
    budget = roster_pb2.FilterBudget(population="residents", pico_loss=7 * 10**11)
    lab = Lab(folder, budgets=[budget])
    first, second = lab.play(), None
    assert lab.decrypt("holder-1", first.evidence)
    with pytest.raises(Refused) as refused:
        second = lab.play()
    assert refused.value.refusal is Refusal.BUDGET_SPENT
    assert second is None


def test_the_first_question_of_a_cancelled_grant_is_refused(lab: Lab) -> None:
    envelope = lab.envelope(analyst="eve")
    with pytest.raises(Refused, match="granted nothing to 'eve'") as refused:
        lab.commit("tax", lab.announce(envelope))
    assert refused.value.refusal is Refusal.NOT_ALLOWED


def test_an_unknown_statistic_of_the_message_is_malformed(lab: Lab) -> None:
    query = count_by_sex()
    query.statistics[0].kind = query_pb2.STATISTIC_KIND_UNSPECIFIED
    with pytest.raises(Refused) as refused:
        lab.federation.price(query)
    assert refused.value.refusal is Refusal.MALFORMED


@pytest.mark.parametrize("end", [
    lambda round_: log_pb2.LogEntry(release=log_pb2.ReleaseLeaf(round=round_, release=bytes(32))),
    lambda round_: log_pb2.LogEntry(dead=log_pb2.DeadLeaf(round=round_, reason="WITHHELD")),
])
def test_a_node_that_sees_the_end_of_a_round_in_the_log_deletes_its_secrets(
    lab: Lab, end: Callable[[bytes], log_pb2.LogEntry]
) -> None:
    played = lab.play()
    session = lab.nodes["tax"].session
    session.follow(end(played.round.id))
    session.follow(end(played.round.id))
    record = session.resume(played.round.id)
    assert record is not None and record.sealed is None
    assert played.round.frozen is not None
    with pytest.raises(Refused) as refused:
        session.reveal(played.round.frozen, lab.now)
    assert refused.value.refusal is Refusal.OUT_OF_ORDER


def test_a_node_that_declines_and_then_commits_after_all_is_counted_once(lab: Lab) -> None:
    announcement = lab.announce()
    round_ = Round(lab.federation, announcement)
    round_.decline("tax", Refused(Refusal.OUT_OF_ORDER, "not ready"))
    round_.commit(lab.commit("tax", announcement))
    round_.commit(lab.commit("north", announcement))
    assert not round_.everybody_answered
    round_.commit(lab.commit("health", announcement))
    assert round_.everybody_answered
