"""A dead round gives its price back by the sworn word of all key holders, and never otherwise."""

import copy
from collections.abc import Callable
from fractions import Fraction

import pytest

from cotally.server.audit.voids import void_leaf
from cotally.server.keyholder.decryptions import Decryptions
from cotally.server.protocol.announcement import round_id
from cotally.server.wire.signed import sign
from cotally.v1 import log_pb2, round_pb2
from cotally.v1.refusals import Refusal, Refused
from tests.protocol.lab import BUDGET, Lab, count_by_sex
from tests.protocol.planting import committed, refused_as


def spent(lab: Lab, name: str = "tax") -> int:
    return lab.nodes[name].ledger.status()[0].spent_pico_loss


def tell(lab: Lab, *entries: log_pb2.LogEntry) -> None:
    """Log entries, and let everybody fold and follow them."""
    for entry in entries:
        lab.log(entry)
    lab.witness()
    for node in lab.nodes.values():
        for entry in entries:
            node.session.follow(entry)


def died(lab: Lab) -> bytes:
    """A round in which everybody committed and revealed, and that the log declares dead."""
    round_ = committed(lab)
    tell(lab, log_pb2.LogEntry(dead=log_pb2.DeadLeaf(round=round_.id, reason="WITHHELD")))
    return round_.id


def statements(lab: Lab, round_: bytes) -> list[round_pb2.VoidStatement]:
    return [holder.session.void(round_) for holder in lab.holders.values()]


def test_the_price_comes_back_once_and_the_ledgers_still_chain(lab: Lab) -> None:
    round_ = died(lab)
    price = spent(lab)
    assert price > 0
    leaf = log_pb2.LogEntry(void=void_leaf(round_, statements(lab, round_)))
    tell(lab, leaf)
    tell(lab, leaf)
    assert [spent(lab, name) for name in lab.nodes] == [0, 0, 0]
    played = lab.play()  # whose links hold the refunds
    for name in ("holder-1", "holder-2"):
        played.round.partial(lab.decrypt(name, played.evidence))
    assert spent(lab) == played.round.priced.plan.pico_loss == price


def test_a_dead_round_alone_gives_nothing_back(lab: Lab) -> None:
    round_ = died(lab)
    price = spent(lab)
    lab.nodes["tax"].session.void(round_)  # whoever asks
    lab.nodes["tax"].session.settle()
    assert spent(lab) == price > 0


def test_the_word_of_all_but_one_is_not_believed(lab: Lab) -> None:
    round_ = died(lab)
    leaf = void_leaf(round_, statements(lab, round_)[:2])
    lab.log(log_pb2.LogEntry(void=leaf))
    refused_as(Refusal.CREDENTIALS, lab.witness, "all 3 key holders")


def test_a_void_round_is_never_decrypted(lab: Lab) -> None:
    played = lab.play()
    round_ = played.round.id
    examined = lab.holders["holder-1"].session.examine(played.evidence)  # before the round is declared dead
    tell(lab, log_pb2.LogEntry(dead=log_pb2.DeadLeaf(round=round_, reason="INTERNAL")))
    lab.holders["holder-1"].session.void(round_)
    refused_as(Refusal.OUT_OF_ORDER, lambda: lab.holders["holder-1"].session.decrypt(examined), "void")
    restarted = Decryptions(lab.folder / "holder-1" / "decryptions.db")
    refused_as(Refusal.OUT_OF_ORDER, lambda: restarted.record(round_, b"q", b"t"), "void")


def test_a_decrypted_round_is_never_void(lab: Lab) -> None:
    """Recording comes before the key share is used, so a crash in between counts as decrypted."""
    played = lab.play()
    round_ = played.round.id
    lab.decrypt("holder-1", played.evidence)
    tell(lab, log_pb2.LogEntry(dead=log_pb2.DeadLeaf(round=round_, reason="INTERNAL")))
    refused_as(Refusal.OUT_OF_ORDER, lambda: lab.holders["holder-1"].session.void(round_), "decrypted")
    lab.holders["holder-2"].session.void(round_)


def test_a_key_holder_swears_only_of_what_the_log_declares_dead(lab: Lab) -> None:
    played = lab.play()
    refused_as(Refusal.NOT_WITNESSED, lambda: lab.holders["holder-1"].session.void(played.round.id), "dead")
    lab.decrypt("holder-1", played.evidence)


def test_a_ledger_that_takes_back_before_the_log_says_so_is_forked_for_everybody(lab: Lab) -> None:
    round_ = died(lab)
    lab.nodes["tax"].ledger.void(round_, Fraction(1))  # a dishonest department
    refused_as(Refusal.NOT_ALLOWED, lambda: _examined(lab), "not void in the log")


def _examined(lab: Lab) -> None:
    announcement = lab.announce()
    commitment = lab.commit("tax", announcement)
    lab.holders["holder-1"].session.follower.check_links(
        "tax", commitment.body.links, commitment.body.round, "residents", 500_000_000_000)


@pytest.mark.parametrize(("refunds", "back"), [(Fraction(1), 4), (Fraction(1, 2), 2), (Fraction(0), 0)])
def test_a_department_caps_what_it_ever_takes_back(lab: Lab, refunds: Fraction, back: int) -> None:
    """Rounds of a quarter of the budget: of 6 that are voided, so many come back; the rest stay spent."""
    node = lab.nodes["tax"]
    node.session._refunds = refunds
    for number in range(6):
        round_ = bytes([number + 1]) * 32
        try:
            node.ledger.reserve(round_, "residents", BUDGET // 4)
        except Refused:
            break
        lab.log(log_pb2.LogEntry(dead=log_pb2.DeadLeaf(round=round_, reason="INTERNAL")))
        lab.witness()
        tell(lab, log_pb2.LogEntry(void=void_leaf(round_, statements(lab, round_))))
    assert node.ledger.open_rounds() == []
    assert node.ledger._book.refunded("residents") == back * BUDGET // 4
    kinds = [r.kind.name for r in node.ledger._book.rounds.values()]
    assert kinds.count("VOID") == back


def test_a_refund_that_a_crash_kept_back_is_taken_at_the_next_start(lab: Lab) -> None:
    round_ = died(lab)
    lab.log(log_pb2.LogEntry(void=void_leaf(round_, statements(lab, round_))))
    lab.witness()  # folded and stored, and then the process was killed
    node = lab.department("tax")
    assert node.ledger.status()[0].spent_pico_loss > 0
    node.session.settle()
    assert node.ledger.status()[0].spent_pico_loss == 0


def test_a_round_that_is_void_before_it_is_asked_takes_no_part(lab: Lab) -> None:
    announcement = lab.announce()
    name = round_id(announcement)
    tell(lab, log_pb2.LogEntry(dead=log_pb2.DeadLeaf(round=name, reason="INTERNAL")))
    refused_as(Refusal.OUT_OF_ORDER, lambda: lab.commit("tax", announcement), "dead")
    assert spent(lab) == 0


def _changed(change: Callable[[round_pb2.VoidStatement], object]) -> Callable[[Lab], None]:
    def act(lab: Lab) -> None:
        round_ = died(lab)
        found = statements(lab, round_)
        found[1] = copy.deepcopy(found[1])
        change(found[1])
        lab.log(log_pb2.LogEntry(void=log_pb2.VoidLeaf(round=round_, statements=found)))
        lab.witness()
    return act


@pytest.mark.parametrize("change", [
    lambda s: setattr(s, "signature", bytes(64)),
    lambda s: setattr(s.body, "round", bytes(32)),
    lambda s: setattr(s.body, "key_holder", "holder-1"),
    lambda s: setattr(s.body, "key_holder", "tax"),
    lambda s: setattr(s.body, "federation", "other"),
])
def test_a_false_statement_is_refused(lab: Lab, change: Callable[[round_pb2.VoidStatement], object]) -> None:
    with pytest.raises(Refused):
        _changed(change)(lab)


# Grants with a budget, and stored releases

def test_a_grants_budget_stops_the_department_that_signed_it(lab: Lab) -> None:
    grant = lab.grant("tax", "ada")
    grant.body.budgets.add(population="residents", purpose="statistics", pico_loss=600_000_000_000)
    grant.signature = sign(lab.keys["tax"], "grant", grant.body)
    lab.nodes["tax"].session.permissions.grants = [grant]
    played = lab.play(lab.envelope(count_by_sex("0.5")))
    assert played.round.combine().granted_pico_loss == 600_000_000_000
    lab.decrypt("holder-1", played.evidence)
    before = spent(lab)
    refused_as(Refusal.BUDGET_SPENT, lambda: lab.commit("tax", lab.announce()), "purpose 'statistics'")
    assert spent(lab) == before
    lab.commit("north", lab.announce())


def test_a_department_lets_another_analyst_have_a_release_only_under_its_grant(lab: Lab) -> None:
    played = lab.play()
    node = lab.nodes["tax"].session
    round_, asked = played.round.id, lab.envelope(analyst="eve")
    refused_as(Refusal.NOT_ALLOWED, lambda: node.permit(asked, round_, lab.now), "granted nothing")
    node.permissions.grants = [lab.grant("tax", "eve")]
    assert node.permit(asked, round_, lab.now) == node.permissions.grants[0]
    other = lab.envelope(count_by_sex("0.25"), analyst="eve")
    refused_as(Refusal.NOT_ALLOWED, lambda: node.permit(other, round_, lab.now), "another question")
    refused_as(Refusal.OUT_OF_ORDER, lambda: node.permit(asked, bytes(32), lab.now), "not in this round")
    refused_as(Refusal.EXPIRED, lambda: node.permit(asked, round_, lab.now + 10**6), "expired")
    forged = lab.envelope(analyst="eve", signer="ada")
    refused_as(Refusal.CREDENTIALS, lambda: node.permit(forged, round_, lab.now))
