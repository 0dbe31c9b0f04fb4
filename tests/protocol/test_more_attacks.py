"""More planted attacks: what each party refuses by itself, were all the others hostile or asleep.

`test_attacks.py` plants one attack at a time among honest parties. Here the coordinator and up to c
departments work together, and the party under test is the last one that stands in their way.
"""

import copy
from collections.abc import Callable, Sequence
from pathlib import Path

import gmpy2
import pytest

from cotally.server.audit.checkpoint import cosign_bytes, text
from cotally.server.coordinator.session import Round
from cotally.server.crypto import ciphertexts
from cotally.server.crypto.signing import SigningKey
from cotally.server.keyholder.decryptions import Decryptions
from cotally.server.keyholder.session import KeyHolderSession
from cotally.server.node.rounds import Sealed, State
from cotally.server.protocol import reveal as reveals
from cotally.server.protocol.commitment import commit, seal
from cotally.server.protocol.decryption import decrypt_part
from cotally.server.protocol.frozen import freeze
from cotally.server.wire.signed import sign
from cotally.v1 import log_pb2, query_pb2, roster_pb2, round_pb2, work_pb2
from cotally.v1.refusals import Refusal, Refused
from tests.protocol.lab import Lab, Played, count_by_sex
from tests.protocol.test_attacks import committed, four, hostile, less_noise, refused_as, relog, resigned

# A department that spends


def test_a_round_that_a_department_could_not_pay_ends_like_any_other(lab: Lab) -> None:
    """Its reservation was refused: when the round ends, there is nothing to commit, and nothing breaks."""
    session, ledger = lab.nodes["tax"].session, lab.nodes["tax"].ledger
    decision = session.decide(lab.announce(), lab.now)
    ledger.set_budget("residents", 1)
    refused_as(Refusal.BUDGET_SPENT, lambda: session.reserve(decision))
    session.follow(log_pb2.LogEntry(dead=log_pb2.DeadLeaf(round=decision.round, reason="BUDGET_SPENT")))
    [status] = ledger.status()
    assert status.spent_pico_rho == 0
    refused_as(Refusal.OUT_OF_ORDER, lambda: session.resume(decision.round), "refused this round")


def test_a_crash_between_opening_a_round_and_paying_for_it_breaks_nothing(lab: Lab) -> None:
    session = lab.nodes["tax"].session
    decision = session.decide(lab.announce(), lab.now)
    session._rounds.open(decision.round, decision.announcement)
    restarted = lab.department("tax").session
    restarted.follow(log_pb2.LogEntry(dead=log_pb2.DeadLeaf(round=decision.round, reason="WITHHELD")))
    refused_as(Refusal.OUT_OF_ORDER, lambda: restarted.resume(decision.round), "takes no part")


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
    refused_as(Refusal.TOO_FEW_DEPARTMENTS, lambda: session.reveal(three), "tax takes part only among 4")
    assert lab.nodes["north"].session.reveal(three).body.node == "north"


def test_nobody_spends_for_a_round_with_a_department_whose_ledger_forks(lab: Lab) -> None:
    """Key holders refuse every round of such a department; those who joined it would only pay."""
    lab.play()
    forked = round_pb2.LedgerEntry(node="tax", length=1, kind=round_pb2.LEDGER_KIND_RESERVE,
                                   population="residents", round=b"r" * 32, pico_rho=1)
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


def test_nothing_is_revealed_in_an_unknown_round(lab: Lab) -> None:
    unknown = freeze(b"r" * 32, [], lab.keys["coordinator"])
    refused_as(Refusal.OUT_OF_ORDER, lambda: lab.nodes["tax"].session.reveal(unknown), "nothing to reveal")


def test_a_department_does_not_answer_when_the_log_admits_no_more(folder: Path) -> None:
    """What others spent counts, although this department's own ledger is fresh."""
    lab = Lab(folder, budgets=[roster_pb2.FilterBudget(population="residents", pico_rho=7 * 10**11)])
    lab.log(log_pb2.LogEntry(transcript=log_pb2.TranscriptLeaf(
        round=b"r" * 32, population="residents", pico_rho=4 * 10**11, analyst="eve")))
    lab.witness()
    refused_as(Refusal.BUDGET_SPENT, lambda: lab.commit("tax", lab.announce()), "population residents")


def test_an_analysts_own_filter_is_not_paid_by_others(folder: Path) -> None:
    lab = Lab(folder, budgets=[roster_pb2.FilterBudget(population="residents", analyst="ada",
                                                       pico_rho=7 * 10**11)])
    lab.log(log_pb2.LogEntry(transcript=log_pb2.TranscriptLeaf(
        round=b"r" * 32, population="residents", pico_rho=4 * 10**11, analyst="eve")))
    lab.witness()
    lab.play()
    refused_as(Refusal.BUDGET_SPENT, lambda: lab.commit("tax", lab.announce()), "analyst ada")


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
    body.links[-1].pico_rho = 1
    commitments[0].signature = sign(lab.keys["health"], "commitment", body)


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
    refused_as(refusal, lambda: lab.nodes["tax"].session.reveal(frozen))
    record = lab.nodes["tax"].session.resume(frozen.body.round)
    assert record is not None and record.frozen is None
    lab.log(log_pb2.LogEntry(roster=reveals.roster_leaf(frozen)))
    evidence = work_pb2.Evidence(announcement=record.announcement, frozen=frozen, checkpoint=lab.witness())
    refused_as(refusal, lambda: lab.decrypt("holder-1", evidence))


def test_a_roster_that_the_coordinator_did_not_sign_is_not_revealed_to(lab: Lab) -> None:
    frozen = frozen_with(lab, lambda commitments: None)
    forged = round_pb2.SignedFrozenRoster(body=frozen.body,
                                          signature=sign(lab.keys["eve"], "frozen", frozen.body))
    refused_as(Refusal.CREDENTIALS, lambda: lab.nodes["tax"].session.reveal(forged))


def test_a_copied_commitment_stops_the_key_holders_too(lab: Lab) -> None:
    def copied(commitments: list[round_pb2.Commitment]) -> None:
        commitments[2].body.sealed = commitments[1].body.sealed
        commitments[2].signature = sign(lab.keys["tax"], "commitment", commitments[2].body)

    frozen = frozen_with(lab, copied)
    record = lab.nodes["tax"].session.resume(frozen.body.round)
    assert record is not None
    evidence = work_pb2.Evidence(announcement=record.announcement, frozen=frozen)
    refused_as(Refusal.EQUIVOCATION, lambda: lab.decrypt("holder-1", evidence), "tax copied")


# Key holders, when coordinator and a department collude


def colluding(lab: Lab, make: Callable[[Sequence[int]], Sequence[int]]) -> work_pb2.Evidence:
    """A logged, witnessed round in which `tax` reveals what *make* builds from the old numbers of `north`."""
    public = lab.dealt.public
    stolen = {r.body.node: r for r in lab.play().evidence.reveals}["north"]
    made = make(ciphertexts.from_bytes(stolen.body.ciphertexts, 1, public))
    announcement = lab.announce()
    round_ = Round(lab.federation, announcement)
    for name in ("health", "north"):
        round_.commit(lab.commit(name, announcement))
    contents = Sealed(b"s" * 32, ciphertexts.to_bytes(made, public), stolen.body.proof)
    commitment, sealed = hostile(lab, announcement, "tax", lambda clear: contents)
    round_.commit(commitment)
    frozen = round_.freeze(lab.now, lab.keys["coordinator"])
    lab.log(log_pb2.LogEntry(roster=reveals.roster_leaf(frozen)))
    opened = [lab.nodes[name].session.reveal(frozen) for name in ("health", "north")]
    opened.append(reveals.reveal(frozen, "tax", sealed.salt, sealed.ciphertexts, sealed.proof, lab.keys["tax"]))
    parts = {r.body.node: ciphertexts.from_bytes(r.body.ciphertexts, 1, public) for r in opened}
    products = ciphertexts.to_bytes(ciphertexts.multiply(parts, public), public)
    return relog(lab, Played(round_, work_pb2.Evidence()), products, opened)


FROM_OLD: dict[str, Callable[[Lab, int], int]] = {
    "the same": lambda lab, c: c,
    "shifted": lambda lab, c: int(c * (1 + 12345 * lab.dealt.public.modulus) % lab.dealt.public.modulus_squared),
    "inverted": lambda lab, c: int(gmpy2.invert(c, lab.dealt.public.modulus_squared)),
    "scaled": lambda lab, c: int(gmpy2.powmod(c, 3, lab.dealt.public.modulus_squared)),
}


@pytest.mark.parametrize("what", FROM_OLD)
def test_key_holders_refuse_a_colleagues_old_ciphertext(lab: Lab, what: str) -> None:
    evidence = colluding(lab, lambda old: [FROM_OLD[what](lab, old[0])])
    refused_as(Refusal.BAD_PROOF, lambda: lab.decrypt("holder-1", evidence), "tax")


def test_key_holders_refuse_a_reveal_that_does_not_open_its_commitment(lab: Lab) -> None:
    round_ = committed(lab)
    honest = round_.reveals["tax"].body
    assert round_.frozen is not None
    other = reveals.reveal(round_.frozen, "tax", b"x" * 32, honest.ciphertexts, honest.proof, lab.keys["tax"])
    round_.reveals["tax"] = other
    evidence = lab.evidence(round_)
    refused_as(Refusal.BAD_PROOF, lambda: lab.decrypt("holder-1", evidence), "not what it committed")


def test_key_holders_refuse_a_reveal_that_another_department_signed(lab: Lab) -> None:
    evidence = lab.play().evidence
    evidence.reveals[2].signature = sign(lab.keys["north"], "reveal", evidence.reveals[2].body)
    refused_as(Refusal.CREDENTIALS, lambda: lab.decrypt("holder-1", evidence), "tax")


@pytest.mark.parametrize("which", [[0, 1], [0, 1, 1], [0, 2, 1], [0, 1, 2, 2]])
def test_key_holders_take_exactly_the_rosters_reveals(lab: Lab, which: list[int]) -> None:
    evidence = lab.play().evidence
    chosen = [copy.deepcopy(evidence.reveals[i]) for i in which]
    del evidence.reveals[:]
    evidence.reveals.extend(chosen)
    refused_as(Refusal.WITHHELD, lambda: lab.decrypt("holder-1", evidence))


def test_key_holders_make_their_own_plan(lab: Lab) -> None:
    """Were every node to accept less noise, the key holder would not."""
    evidence = lab.play().evidence
    evidence.announcement.CopyFrom(resigned(lab, less_noise))
    refused_as(Refusal.PLAN_MISMATCH, lambda: lab.decrypt("holder-1", evidence), "our own calculation")


def test_key_holders_check_the_analysts_signature(lab: Lab) -> None:
    evidence = lab.play().evidence
    body = evidence.announcement.body
    body.envelope.CopyFrom(lab.envelope(analyst="ada", signer="eve"))
    evidence.announcement.signature = sign(lab.keys["coordinator"], "announcement", body)
    refused_as(Refusal.CREDENTIALS, lambda: lab.decrypt("holder-1", evidence), "envelope")


def test_a_frozen_roster_of_another_round_is_not_decrypted(lab: Lab) -> None:
    evidence = lab.play().evidence
    evidence.frozen.CopyFrom(lab.play().evidence.frozen)
    refused_as(Refusal.OUT_OF_ORDER, lambda: lab.decrypt("holder-1", evidence), "another round")


# What the log says the round costs, and whom


LEAVES: dict[str, Callable[[log_pb2.TranscriptLeaf], object]] = {
    "a lower price": lambda leaf: setattr(leaf, "pico_rho", 1),
    "another population": lambda leaf: setattr(leaf, "population", "cattle"),
    "another analyst": lambda leaf: setattr(leaf, "analyst", "eve"),
    "another purpose": lambda leaf: setattr(leaf, "purpose", "audit"),
    "another transcript": lambda leaf: setattr(leaf, "transcript", bytes(32)),
}


@pytest.mark.parametrize("what", LEAVES)
def test_a_round_that_is_logged_as_something_else_is_not_decrypted(lab: Lab, what: str) -> None:
    round_ = committed(lab)
    leaf = round_.combine()
    LEAVES[what](leaf)
    index = lab.log(log_pb2.LogEntry(transcript=leaf))
    evidence = work_pb2.Evidence(
        announcement=round_.announcement, frozen=round_.frozen, index=index, checkpoint=lab.witness(),
        reveals=[round_.reveals[n] for n in round_.members])
    refused_as(Refusal.EQUIVOCATION, lambda: lab.decrypt("holder-1", evidence), "our own recomputation")


def test_a_round_that_the_filters_refused_stays_refused(folder: Path) -> None:
    """Two rounds were agreed to before either was logged; the budget covers the first one only."""
    lab = Lab(folder, budgets=[roster_pb2.FilterBudget(population="residents", pico_rho=7 * 10**11)])
    rounds = [committed(lab), committed(lab)]
    first, second = lab.evidence(rounds[0]), lab.evidence(rounds[1])
    assert lab.decrypt("holder-1", first)
    refused_as(Refusal.BUDGET_SPENT, lambda: lab.decrypt("holder-1", second))
    lab.log(log_pb2.LogEntry(dead=log_pb2.DeadLeaf(round=rounds[0].id, reason="WITHHELD")))
    again = lab.log(log_pb2.LogEntry(transcript=rounds[1].combine()))
    second.checkpoint.CopyFrom(lab.witness())
    refused_as(Refusal.BUDGET_SPENT, lambda: lab.decrypt("holder-2", second))
    second.index = again
    refused_as(Refusal.NOT_WITNESSED, lambda: lab.decrypt("holder-2", second))


def test_a_transcript_at_another_index_is_not_decrypted(lab: Lab) -> None:
    evidence = lab.play().evidence
    evidence.index -= 1
    refused_as(Refusal.NOT_WITNESSED, lambda: lab.decrypt("holder-1", evidence))


def test_a_log_that_a_quorum_cosigned_but_we_did_not_fold_is_refused(lab: Lab) -> None:
    evidence = lab.play().evidence
    words = text("lab", lab.audit.size, b"\1" * 32)
    evidence.checkpoint.checkpoint.text = words
    evidence.checkpoint.checkpoint.signature = lab.keys["coordinator"].sign(words.encode())
    for cosignature in evidence.checkpoint.cosignatures:
        cosignature.signature = lab.keys[cosignature.witness].sign(cosign_bytes(words))
    refused_as(Refusal.EQUIVOCATION, lambda: lab.decrypt("holder-1", evidence), "that we folded")


def test_a_roster_that_is_logged_after_its_transcript_is_not_decrypted(lab: Lab) -> None:
    """No checkpoint that covers the transcript would show it, so forks could tell it differently."""
    announcement = lab.announce()
    round_ = Round(lab.federation, announcement)
    for name in lab.nodes:
        round_.commit(lab.commit(name, announcement))
    frozen = round_.freeze(lab.now, lab.keys["coordinator"])
    for node in lab.nodes.values():
        round_.reveal(node.session.reveal(frozen))
    evidence = lab.evidence(round_)
    lab.log(log_pb2.LogEntry(roster=reveals.roster_leaf(frozen)))
    lab.witness()
    refused_as(Refusal.NOT_WITNESSED, lambda: lab.decrypt("holder-1", evidence), "frozen roster")


def test_a_question_asked_in_two_rounds_is_decrypted_in_one(lab: Lab) -> None:
    """Two halves of the federation see one query id in two rounds; each node sees it once."""
    envelope = lab.envelope()
    first = lab.play(envelope)
    for node in lab.nodes.values():
        node.session._rounds = type(node.session._rounds)(lab.folder / node.session.name / "other.db")
    second = lab.play(envelope)
    assert lab.decrypt("holder-1", second.evidence)
    refused_as(Refusal.REPLAYED, lambda: lab.decrypt("holder-1", first.evidence), "another round")


def test_a_restarted_key_holder_remembers_what_it_decrypted(lab: Lab) -> None:
    played = lab.play()
    lab.decrypt("holder-1", played.evidence)
    old = lab.holders["holder-1"]
    lab.holders["holder-1"] = lab._holder("holder-1", 0)
    examined = lab.holders["holder-1"].session.examine(played.evidence)
    examined.transcript.product = bytes(32)
    refused_as(Refusal.REPLAYED, lambda: lab.holders["holder-1"].session.decrypt(examined))
    assert lab.decrypt("holder-1", played.evidence) == old.session.decrypt(old.session.examine(played.evidence))


def test_a_key_holder_with_a_colleagues_share_does_not_start(lab: Lab) -> None:
    session = lab.holders["holder-1"].session
    refused_as(Refusal.CREDENTIALS, lambda: KeyHolderSession(
        lab.federation, "holder-1", SigningKey.generate(), lab.dealt.shares[1],
        Decryptions(lab.folder / "other.db"), session.follower), "index 2")


# Ledgers


def stepped_back(lab: Lab, leave_out: str) -> work_pb2.Evidence:
    """`tax` lost its ledger, and the coordinator shows it a log in which it never took part."""
    for _ in range(2):
        lab.play(lab.envelope(count_by_sex("0.25")))
    lab.nodes["tax"] = lab.department("tax", state="backup")
    announcement = lab.announce(lab.envelope(count_by_sex("0.25")))
    round_ = Round(lab.federation, announcement)
    for name in lab.nodes:
        round_.commit(lab.commit(name, announcement))
    frozen = round_.freeze(lab.now, lab.keys["coordinator"])
    leaf = reveals.roster_leaf(frozen)
    kept = [ledger for ledger in leaf.ledgers if ledger.node != leave_out]
    del leaf.ledgers[:]
    leaf.ledgers.extend(kept)
    lab.log(log_pb2.LogEntry(roster=leaf))
    for node in lab.nodes.values():
        round_.reveal(node.session.reveal(frozen))
    return lab.evidence(round_)


def test_a_ledger_that_steps_back_is_refused_by_key_holders(lab: Lab) -> None:
    evidence = stepped_back(lab, leave_out="tax")
    refused_as(Refusal.STEPPED_BACK, lambda: lab.decrypt("holder-1", evidence), "tax's ledger ends at 2")
    assert not lab.holders["holder-1"].session.follower.forked


def test_a_logged_step_back_is_a_fork_for_ever(lab: Lab) -> None:
    evidence = stepped_back(lab, leave_out="")
    refused_as(Refusal.EQUIVOCATION, lambda: lab.decrypt("holder-1", evidence), "a fork of tax's ledger")
    assert lab.holders["holder-1"].session.follower.forked == {"tax"}


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


# The coordinator's own side


def test_who_declines_and_then_commits_is_counted_once(lab: Lab) -> None:
    """Or a hostile department would make the roster freeze before an honest one has answered."""
    announcement = lab.announce()
    round_ = Round(lab.federation, announcement)
    round_.decline("tax", Refused(Refusal.INTERNAL, "not yet"))
    for name in ("tax", "north"):
        round_.commit(lab.commit(name, announcement))
    assert not round_.everybody_answered
    refused_as(Refusal.OUT_OF_ORDER, lambda: round_.freeze(lab.now, lab.keys["coordinator"]))
    round_.decline("tax", Refused(Refusal.INTERNAL, "after all not"))
    round_.commit(lab.commit("health", announcement))
    round_.freeze(lab.now, lab.keys["coordinator"])
    assert round_.members == ["health", "north", "tax"]


def test_strangers_can_neither_decline_nor_commit_nor_reveal(folder: Path) -> None:
    lab = four(folder)
    announcement = lab.announce(participants=["health", "north", "tax"])
    round_ = Round(lab.federation, announcement)
    round_.decline("south", Refused(Refusal.INTERNAL, "no"))
    assert not round_.declined
    commitments = {name: lab.commit(name, announcement) for name in ("health", "north", "tax")}
    body = copy.deepcopy(commitments["tax"].body)
    body.node = "south"
    forged = round_pb2.Commitment(body=body, signature=sign(lab.keys["south"], "commitment", body))
    refused_as(Refusal.NOT_ALLOWED, lambda: round_.commit(forged), "south")
    for commitment in commitments.values():
        round_.commit(commitment)
    frozen = round_.freeze(lab.now, lab.keys["coordinator"])
    opened = copy.deepcopy(lab.nodes["tax"].session.reveal(frozen).body)
    opened.node = "south"
    stranger = round_pb2.Reveal(body=opened, signature=sign(lab.keys["south"], "reveal", opened))
    refused_as(Refusal.NOT_ALLOWED, lambda: round_.reveal(stranger), "south")


def test_a_second_and_different_message_of_a_department_is_refused(lab: Lab) -> None:
    announcement = lab.announce()
    round_ = Round(lab.federation, announcement)
    refused_as(Refusal.OUT_OF_ORDER, lambda: round_.reveal(round_pb2.Reveal()), "nothing is frozen")
    for name in lab.nodes:
        round_.commit(lab.commit(name, announcement))
    other = copy.deepcopy(round_.commitments["tax"])
    other.body.sealed = bytes(32)
    refused_as(Refusal.EQUIVOCATION, lambda: round_.commit(other), "committed twice")
    frozen = round_.freeze(lab.now, lab.keys["coordinator"])
    for node in lab.nodes.values():
        round_.reveal(node.session.reveal(frozen))
    opened = copy.deepcopy(round_.reveals["tax"])
    opened.body.salt = bytes(32)
    refused_as(Refusal.EQUIVOCATION, lambda: round_.reveal(opened), "revealed twice")


def test_a_commitment_after_the_freeze_is_too_late(folder: Path) -> None:
    lab = four(folder)
    announcement = lab.announce()
    round_ = Round(lab.federation, announcement)
    commitments = {name: lab.commit(name, announcement) for name in lab.nodes}
    for name in ("health", "north", "tax"):
        round_.commit(commitments[name])
    round_.freeze(announcement.body.deadline_ms, lab.keys["coordinator"])
    refused_as(Refusal.OUT_OF_ORDER, lambda: round_.commit(commitments["south"]), "too late")


PARTIALS: dict[str, tuple[Refusal, Callable[[round_pb2.PartialBody], object]]] = {
    "of another round": (Refusal.EQUIVOCATION, lambda b: setattr(b, "round", bytes(32))),
    "of another transcript": (Refusal.EQUIVOCATION, lambda b: setattr(b, "transcript", bytes(32))),
    "of another product": (Refusal.EQUIVOCATION, lambda b: setattr(b, "product", bytes(32))),
    "under another share": (Refusal.BAD_PROOF, lambda b: setattr(b, "share", 2)),
    "by nobody we know": (Refusal.CREDENTIALS, lambda b: setattr(b, "key_holder", "zoo")),
    "by a department": (Refusal.CREDENTIALS, lambda b: setattr(b, "key_holder", "tax")),
    "without numbers": (Refusal.MALFORMED, lambda b: setattr(b, "partials", b"")),
    "of nought": (Refusal.MALFORMED, lambda b: setattr(b, "partials", bytes(len(b.partials)))),
    "without a proof": (Refusal.BAD_PROOF, lambda b: b.ClearField("proof")),
}


@pytest.mark.parametrize("what", PARTIALS)
def test_an_altered_partial_decryption_is_refused(lab: Lab, what: str) -> None:
    refusal, alter = PARTIALS[what]
    played = lab.play()
    body = copy.deepcopy(lab.decrypt("holder-1", played.evidence).body)
    alter(body)
    signed = round_pb2.Partial(body=body, signature=sign(lab.keys["holder-1"], "partial", body))
    refused_as(refusal, lambda: played.round.partial(signed))
    assert not played.round.partials


def test_a_partial_decryption_needs_its_holders_signature_and_a_product(lab: Lab) -> None:
    played = lab.play()
    partial = lab.decrypt("holder-1", played.evidence)
    forged = round_pb2.Partial(body=partial.body, signature=sign(lab.keys["holder-2"], "partial", partial.body))
    refused_as(Refusal.CREDENTIALS, lambda: played.round.partial(forged))
    fresh = Round(lab.federation, played.round.announcement)
    refused_as(Refusal.OUT_OF_ORDER, lambda: fresh.partial(partial), "nothing was combined")
    refused_as(Refusal.OUT_OF_ORDER, fresh.combine, "not every department")


def test_a_proof_of_another_transcript_does_not_serve_for_this_one(lab: Lab) -> None:
    """The same product under another transcript: the proof is bound to what was signed with it."""
    played = lab.play()
    made, products = played.round.transcript, played.round.products
    assert made is not None
    count = played.round.priced.plan.packing.ciphertexts
    key, share = lab.keys["holder-1"], lab.dealt.shares[0]
    other = copy.deepcopy(made)
    other.frozen = bytes(32)
    body = copy.deepcopy(decrypt_part(lab.federation, made, products, count, "holder-1", share, key).body)
    replayed = decrypt_part(lab.federation, other, products, count, "holder-1", share, key).body
    body.proof.CopyFrom(replayed.proof)
    moved = round_pb2.Partial(body=body, signature=sign(key, "partial", body))
    refused_as(Refusal.BAD_PROOF, lambda: played.round.partial(moved), "holder-1")


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


def test_a_grants_end_counts_at_the_node_whatever_the_announcement_says(lab: Lab) -> None:
    session = lab.nodes["tax"].session
    announcement = lab.announce()
    short = lab.grant("tax", "ada")
    short.body.not_after_ms = lab.now
    short.signature = sign(lab.keys["tax"], "grant", short.body)
    session._grants = [short]
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
