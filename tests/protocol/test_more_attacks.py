"""More planted attacks: what a department refuses by itself, were all the others hostile or asleep."""

from collections.abc import Callable
from pathlib import Path

import pytest

from cotally.server.coordinator.session import Round
from cotally.server.ledger.ledger import Ledger
from cotally.server.node.rounds import Sealed, State
from cotally.server.protocol import reveal as reveals
from cotally.server.protocol.commitment import commit, seal
from cotally.server.protocol.frozen import freeze
from cotally.server.wire.signed import sign
from cotally.v1 import log_pb2, query_pb2, roster_pb2, round_pb2, work_pb2
from cotally.v1.refusals import Refusal
from tests.protocol.lab import Lab
from tests.protocol.planting import four, refused_as, resigned

# A department that spends


def test_a_round_that_a_department_could_not_pay_ends_like_any_other(lab: Lab) -> None:
    """Its reservation was refused: when the round ends, there is nothing to commit, and nothing breaks."""
    session, ledger = lab.nodes["tax"].session, lab.nodes["tax"].ledger
    decision = session.decide(lab.announce(), lab.now)
    ledger.set_budget("residents", 1)
    refused_as(Refusal.BUDGET_SPENT, lambda: session.reserve(decision))
    record = session._rounds.get(decision.round)
    assert record is not None and record.state is State.DONE
    session.follow(log_pb2.LogEntry(dead=log_pb2.DeadLeaf(round=decision.round, reason="BUDGET_SPENT")))
    [status] = ledger.status()
    assert status.spent_pico_loss == 0
    refused_as(Refusal.OUT_OF_ORDER, lambda: session.resume(decision.round), "refused this round")


def test_opening_a_round_and_paying_for_it_are_one(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """A crash in between leaves neither: no round without its price, and no price without its round."""
    session = lab.nodes["tax"].session
    announcement = lab.announce()
    decision = session.decide(announcement, lab.now)
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(Ledger, "_append", interrupted)
        session.reserve(decision)
    restarted = lab.department("tax")
    assert restarted.session.resume(decision.round) is None
    assert restarted.ledger.status()[0].spent_pico_loss == 0
    restarted.session.reserve(restarted.session.decide(announcement, lab.now))
    assert restarted.ledger.status()[0].spent_pico_loss == decision.priced.plan.pico_loss
    refused_as(Refusal.OUT_OF_ORDER, lambda: restarted.session.resume(decision.round), "takes no part")


def interrupted(*_: object) -> None:
    raise KeyboardInterrupt


def test_a_round_that_ended_while_its_data_was_measured_stores_nothing(lab: Lab) -> None:
    session = lab.nodes["tax"].session
    decision = session.decide(lab.announce(), lab.now)
    clear = session.reserve(decision)
    session.follow(log_pb2.LogEntry(dead=log_pb2.DeadLeaf(round=decision.round, reason="WITHHELD")))
    sealed = Sealed(bytes(32), b"ciphertexts", round_pb2.PlaintextProof())
    refused_as(Refusal.OUT_OF_ORDER, lambda: session.commit(clear, sealed), "over")
    record = session._rounds.get(decision.round)
    assert record is not None and record.state is State.DONE and record.sealed is None


def test_a_second_measurement_never_replaces_the_first(lab: Lab) -> None:
    session = lab.nodes["tax"].session
    announcement = lab.announce()
    commitment = lab.commit("tax", announcement)
    again = Sealed(bytes(32), b"a fresh draw of noise", round_pb2.PlaintextProof())
    refused_as(Refusal.OUT_OF_ORDER, lambda: session.commit(commitment.body, again), "measured before")
    record = session.resume(commitment.body.round)
    assert record is not None and record.commitment == commitment


def test_departments_that_drop_out_do_not_lower_what_an_operator_accepts(folder: Path) -> None:
    """The catalog asks for three; this operator answers only among four, and four were announced."""
    lab = four(folder)
    session = lab.nodes["tax"].session
    session._accept_minimum = 4
    announcement = lab.announce()
    commitments = {name: lab.commit(name, announcement) for name in lab.nodes}
    del commitments["south"]
    three = freeze(commitments["tax"].body.round, commitments.values(), lab.keys["coordinator"])
    refused_as(Refusal.TOO_FEW_DEPARTMENTS, lambda: session.reveal(three, lab.now),
               "tax takes part only among 4")
    assert lab.nodes["north"].session.reveal(three, lab.now).body.node == "north"


def test_nobody_spends_for_a_round_with_a_department_whose_ledger_forks(lab: Lab) -> None:
    """Key holders refuse every round of such a department; those who joined it would only pay."""
    lab.play()
    forked = round_pb2.LedgerEntry(node="tax", length=1, kind=round_pb2.LEDGER_KIND_RESERVE,
                                   population="residents", round=b"r" * 32, pico_loss=1)
    lab.log(log_pb2.LogEntry(roster=log_pb2.RosterLeaf(
        round=b"r" * 32, frozen=bytes(32), ledgers=[log_pb2.NodeLinks(node="tax", links=[forked])])))
    lab.witness()
    announcement = lab.announce()
    for name in lab.nodes:
        before = lab.nodes[name].ledger.length
        refused_as(Refusal.EQUIVOCATION, lambda name=name: lab.commit(name, announcement),  # type: ignore[misc]
                   "fork of the ledger of tax")
        assert lab.nodes[name].ledger.length == before


def test_a_department_that_is_no_participant_does_not_answer(folder: Path) -> None:
    lab = four(folder)
    announcement = lab.announce(participants=["health", "north", "tax"])
    refused_as(Refusal.NOT_ALLOWED, lambda: lab.commit("south", announcement), "no participant")


def test_a_grant_without_canonical_form_is_refused(lab: Lab) -> None:
    session = lab.nodes["tax"].session
    odd = lab.grant("tax", "ada")
    odd.body.purposes.append("e\u0301tude")  # not NFC: two spellings would have one meaning
    session.permissions.grants = [odd]
    refused_as(Refusal.MALFORMED, lambda: lab.commit("tax", lab.announce()), "not canonical")


def test_nothing_is_revealed_in_an_unknown_round(lab: Lab) -> None:
    unknown = freeze(b"r" * 32, [], lab.keys["coordinator"])
    assert lab.nodes["tax"].session.resume(b"r" * 32) is None
    refused_as(Refusal.OUT_OF_ORDER, lambda: lab.nodes["tax"].session.reveal(unknown, lab.now),
               "nothing to reveal")


def test_a_department_does_not_answer_when_the_log_admits_no_more(folder: Path) -> None:
    """What others spent counts, although this department's own ledger is fresh."""
    lab = Lab(folder, budgets=[roster_pb2.FilterBudget(population="residents", pico_loss=7 * 10**11)])
    lab.log(log_pb2.LogEntry(transcript=log_pb2.TranscriptLeaf(
        round=b"r" * 32, population="residents", pico_loss=4 * 10**11, analyst="eve")))
    lab.witness()
    refused_as(Refusal.BUDGET_SPENT, lambda: lab.commit("tax", lab.announce()), "population residents")


def test_an_analysts_own_filter_is_not_paid_by_others(folder: Path) -> None:
    lab = Lab(folder, budgets=[roster_pb2.FilterBudget(population="residents", analyst="ada",
                                                       pico_loss=7 * 10**11)])
    lab.log(log_pb2.LogEntry(transcript=log_pb2.TranscriptLeaf(
        round=b"r" * 32, population="residents", pico_loss=4 * 10**11, analyst="eve")))
    lab.witness()
    lab.play()
    refused_as(Refusal.BUDGET_SPENT, lambda: lab.commit("tax", lab.announce()), "analyst ada")


# Questions


ENVELOPES: dict[str, tuple[Refusal, Callable[[query_pb2.Envelope], object]]] = {
    "of another federation": (Refusal.NOT_ALLOWED, lambda e: setattr(e, "federation", "zoo")),
    "of another roster": (Refusal.NOT_ALLOWED, lambda e: setattr(e, "roster", bytes(32))),
    "without an id": (Refusal.MALFORMED, lambda e: setattr(e, "query_id", b"")),
    "with a long id": (Refusal.MALFORMED, lambda e: setattr(e, "query_id", bytes(17))),
    "of nobody": (Refusal.CREDENTIALS, lambda e: setattr(e, "analyst", "zoo")),
    "of a department": (Refusal.CREDENTIALS, lambda e: setattr(e, "analyst", "tax")),
    "for a purpose that was not granted": (Refusal.NOT_ALLOWED, lambda e: setattr(e, "purpose", "marketing")),
    "that had expired": (Refusal.EXPIRED, lambda e: setattr(e, "expires_ms", 0)),
}


@pytest.mark.parametrize("what", ENVELOPES)
def test_a_question_that_its_analyst_signed_wrongly_is_refused(lab: Lab, what: str) -> None:
    refusal, alter = ENVELOPES[what]

    def ask(body: round_pb2.Announcement) -> None:
        alter(body.envelope.body)
        body.envelope.signature = sign(lab.keys["ada"], "envelope", body.envelope.body)

    announcement = resigned(lab, ask)
    refused_as(refusal, lambda: lab.commit("tax", announcement))


def test_a_department_is_no_analyst_whatever_it_signs(lab: Lab) -> None:
    session = lab.nodes["tax"].session
    session.permissions.grants = [lab.grant("tax", "north")]
    announcement = lab.announce(lab.envelope(analyst="north"))
    refused_as(Refusal.CREDENTIALS, lambda: session.decide(announcement, lab.now), "'north' is no analyst")


def test_a_grants_end_counts_at_the_node_whatever_the_announcement_says(lab: Lab) -> None:
    session = lab.nodes["tax"].session
    announcement = lab.announce()
    short = lab.grant("tax", "ada")
    short.body.not_after_ms = lab.now
    short.signature = sign(lab.keys["tax"], "grant", short.body)
    session.permissions.grants = [short]
    assert session.decide(announcement, lab.now).grant == short
    refused_as(Refusal.EXPIRED, lambda: session.decide(announcement, lab.now + 1), "has expired")


def test_a_question_that_expires_before_a_node_decides_is_refused(lab: Lab) -> None:
    def soon(body: round_pb2.Announcement) -> None:
        body.envelope.body.expires_ms = lab.now + 10
        body.envelope.signature = sign(lab.keys["ada"], "envelope", body.envelope.body)

    announcement, session = resigned(lab, soon), lab.nodes["tax"].session
    assert session.decide(announcement, lab.now + 10)
    refused_as(Refusal.EXPIRED, lambda: session.decide(announcement, lab.now + 11))


TIMES: dict[str, Callable[[round_pb2.Announcement], object]] = {
    "a freeze before D": lambda b: setattr(b, "deadline_ms", b.announced_ms + b.plan.answer_ms - 1),
    "a freeze in the past": lambda b: setattr(b, "deadline_ms", -(2**63)),
    "an end before the beginning": lambda b: setattr(b, "expires_ms", b.announced_ms),
    "an end in the past": lambda b: setattr(b, "expires_ms", -(2**63)),
    "an announcement before time began": lambda b: setattr(b, "announced_ms", -(2**63)),
}


@pytest.mark.parametrize("what", TIMES)
def test_an_announcement_with_impossible_times_is_refused(lab: Lab, what: str) -> None:
    announcement = resigned(lab, TIMES[what])
    refused_as(Refusal.PLAN_MISMATCH, lambda: lab.commit("tax", announcement))


# Rosters that no honest node reveals to


def frozen_with(lab: Lab, alter: Callable[[list[round_pb2.Commitment]], object]
                ) -> round_pb2.SignedFrozenRoster:
    """A roster of everybody, altered by the coordinator, who then signs it."""
    announcement = lab.announce()
    commitments = [lab.commit(name, announcement) for name in lab.nodes]
    body = round_pb2.FrozenRoster(round=commitments[0].body.round)
    alter(commitments)
    body.commitments.extend(commitments)
    return round_pb2.SignedFrozenRoster(body=body, signature=sign(lab.keys["coordinator"], "frozen", body))


def unsigned(commitments: list[round_pb2.Commitment]) -> None:
    commitments[0].signature = bytes(64)


def unpaid(lab: Lab, commitments: list[round_pb2.Commitment]) -> None:
    body = commitments[0].body
    body.links[-1].pico_loss = 1
    commitments[0].signature = sign(lab.keys["health"], "commitment", body)


def paid_from_elsewhere(lab: Lab, commitments: list[round_pb2.Commitment]) -> None:
    commitments[0].body.links[-1].population = "cattle"
    commitments[0].signature = sign(lab.keys["health"], "commitment", commitments[0].body)


def given_back(lab: Lab, commitments: list[round_pb2.Commitment]) -> None:
    commitments[0].body.links[-1].kind = round_pb2.LEDGER_KIND_VOID
    commitments[0].signature = sign(lab.keys["health"], "commitment", commitments[0].body)


def sealing_nothing(lab: Lab, commitments: list[round_pb2.Commitment]) -> None:
    commitments[0].body.sealed = b""
    commitments[0].signature = sign(lab.keys["health"], "commitment", commitments[0].body)


def of_another_plan(lab: Lab, commitments: list[round_pb2.Commitment]) -> None:
    commitments[0].body.plan = bytes(32)
    commitments[0].signature = sign(lab.keys["health"], "commitment", commitments[0].body)


def with_fewer_ciphertexts(lab: Lab, commitments: list[round_pb2.Commitment]) -> None:
    commitments[0].body.ciphertexts = 0
    commitments[0].signature = sign(lab.keys["health"], "commitment", commitments[0].body)


def under_anothers_grant(lab: Lab, commitments: list[round_pb2.Commitment]) -> None:
    commitments[0].body.grant.CopyFrom(lab.grant("health", "eve"))
    commitments[0].signature = sign(lab.keys["health"], "commitment", commitments[0].body)


ROSTERS: dict[str, tuple[Refusal, Callable[[Lab, list[round_pb2.Commitment]], object]]] = {
    "a commitment that nobody signed": (Refusal.CREDENTIALS, lambda lab, c: unsigned(c)),
    "a commitment that reserves another price": (Refusal.PLAN_MISMATCH, unpaid),
    "a commitment that pays from another population": (Refusal.PLAN_MISMATCH, paid_from_elsewhere),
    "a commitment whose reservation is void": (Refusal.PLAN_MISMATCH, given_back),
    "a commitment that seals nothing": (Refusal.MALFORMED, sealing_nothing),
    "a commitment to another plan": (Refusal.PLAN_MISMATCH, of_another_plan),
    "a commitment to no ciphertexts": (Refusal.PLAN_MISMATCH, with_fewer_ciphertexts),
    "a commitment under another analyst's grant": (Refusal.NOT_ALLOWED, under_anothers_grant),
    "a department twice": (Refusal.MALFORMED, lambda lab, c: c.append(c[-1])),
    "departments out of order": (Refusal.MALFORMED, lambda lab, c: c.reverse()),
}


@pytest.mark.parametrize("what", ROSTERS)
def test_an_altered_roster_is_revealed_to_by_nobody_and_decrypted_by_nobody(lab: Lab, what: str) -> None:
    refusal, alter = ROSTERS[what]
    frozen = frozen_with(lab, lambda commitments: alter(lab, commitments))
    refused_as(refusal, lambda: lab.nodes["tax"].session.reveal(frozen, lab.now))
    record = lab.nodes["tax"].session.resume(frozen.body.round)
    assert record is not None and record.frozen is None
    lab.log(log_pb2.LogEntry(roster=reveals.roster_leaf(frozen)))
    evidence = work_pb2.Evidence(announcement=record.announcement, frozen=frozen, checkpoint=lab.witness())
    refused_as(refusal, lambda: lab.decrypt("holder-1", evidence))


def test_a_roster_with_another_commitment_of_ours_is_not_revealed_to(lab: Lab) -> None:
    """Whoever stole a signing key still cannot make its node open anything else than what it stored."""
    def replaced(commitments: list[round_pb2.Commitment]) -> None:
        commitments[2].body.sealed = b"s" * 32
        commitments[2].signature = sign(lab.keys["tax"], "commitment", commitments[2].body)

    frozen = frozen_with(lab, replaced)
    refused_as(Refusal.EQUIVOCATION, lambda: lab.nodes["tax"].session.reveal(frozen, lab.now),
               "does not hold")


def test_a_roster_that_the_coordinator_did_not_sign_is_not_revealed_to(lab: Lab) -> None:
    frozen = frozen_with(lab, lambda commitments: None)
    forged = round_pb2.SignedFrozenRoster(body=frozen.body,
                                          signature=sign(lab.keys["eve"], "frozen", frozen.body))
    refused_as(Refusal.CREDENTIALS, lambda: lab.nodes["tax"].session.reveal(forged, lab.now))


def test_a_copied_commitment_stops_the_key_holders_too(lab: Lab) -> None:
    def copied(commitments: list[round_pb2.Commitment]) -> None:
        commitments[2].body.sealed = commitments[1].body.sealed
        commitments[2].signature = sign(lab.keys["tax"], "commitment", commitments[2].body)

    frozen = frozen_with(lab, copied)
    record = lab.nodes["tax"].session.resume(frozen.body.round)
    assert record is not None
    evidence = work_pb2.Evidence(announcement=record.announcement, frozen=frozen)
    refused_as(Refusal.EQUIVOCATION, lambda: lab.decrypt("holder-1", evidence), "tax copied")


def test_ledger_links_of_another_department_do_not_pay(lab: Lab) -> None:
    announcement = lab.announce()
    session = lab.nodes["tax"].session
    decision = session.decide(announcement, lab.now)
    clear = session.reserve(decision)
    for link in clear.links:
        link.node = "north"
    proof = round_pb2.PlaintextProof()
    forged = commit(clear, seal(clear, b"s" * 32, b"", proof), lab.keys["tax"])
    refused_as(Refusal.PLAN_MISMATCH, lambda: Round(lab.federation, announcement).commit(forged))
