"""Planted attacks on partial decryptions, on the audit log, and on departments' ledgers."""


import pytest

from cotally.server.coordinator.session import Round
from cotally.server.protocol import reveal as reveals
from cotally.server.protocol.commitment import clear_fields, commit
from cotally.server.wire.signed import sign
from cotally.v1 import log_pb2, round_pb2, work_pb2
from cotally.v1.refusals import Refusal
from tests.protocol.lab import Lab, Played, count_by_sex
from tests.protocol.planting import committed, refused_as, relog, unlogged

# Key holders


def test_a_wrong_partial_decryption_is_refused_and_names_its_holder(lab: Lab) -> None:
    played = lab.play()
    honest = lab.decrypt("holder-1", played.evidence)
    public = lab.dealt.public
    [value] = public.ring.numbers(honest.body.partials)
    wrong = round_pb2.Partial()
    wrong.CopyFrom(honest)
    wrong.body.partials = public.ring.vector(
        [value * (1 + public.modulus) % public.modulus_squared])
    wrong.signature = sign(lab.keys["holder-1"], "partial", wrong.body)
    refused_as(Refusal.BAD_PROOF, lambda: played.round.partial(wrong), "holder-1")


def test_a_partial_under_a_colleagues_share_is_refused(lab: Lab) -> None:
    played = lab.play()
    stolen = round_pb2.Partial()
    stolen.CopyFrom(lab.decrypt("holder-1", played.evidence))
    stolen.body.key_holder = "holder-2"
    stolen.signature = sign(lab.keys["holder-2"], "partial", stolen.body)
    refused_as(Refusal.BAD_PROOF, lambda: played.round.partial(stolen), "not its own")


# The log


def test_a_round_without_a_quorum_of_witnesses_is_not_decrypted(lab: Lab) -> None:
    played = lab.play()
    del played.evidence.checkpoint.cosignatures[4:]
    refused_as(Refusal.NOT_WITNESSED, lambda: lab.decrypt("holder-1", played.evidence))


def test_cosignatures_of_one_witness_count_once(lab: Lab) -> None:
    played = lab.play()
    one = played.evidence.checkpoint.cosignatures[0]
    del played.evidence.checkpoint.cosignatures[:]
    played.evidence.checkpoint.cosignatures.extend([one] * 6)
    refused_as(Refusal.NOT_WITNESSED, lambda: lab.decrypt("holder-1", played.evidence))


def test_a_round_that_the_witnessed_log_does_not_hold_is_not_decrypted(lab: Lab) -> None:
    round_ = committed(lab)
    witnessed = lab.witness()
    index = lab.log(log_pb2.LogEntry(transcript=round_.combine()))
    lab.witness()
    evidence = work_pb2.Evidence(
        announcement=round_.announcement, frozen=round_.frozen, index=index, checkpoint=witnessed,
        reveals=[round_.reveals[n] for n in round_.members])
    refused_as(Refusal.NOT_WITNESSED, lambda: lab.decrypt("holder-1", evidence), "does not hold")


def test_a_log_that_forks_is_not_cosigned(lab: Lab) -> None:
    lab.play()
    session, followers = lab.holders["holder-1"].session, lab.holders["holder-1"].followers
    size = session.follower.size
    words = lab.checkpoint(size).text.replace("lab\n", "lab\n", 1).split("\n")
    words[2] = "A" * 43 + "="
    forged = log_pb2.Checkpoint(text="\n".join(words))
    forged.signature = lab.keys["coordinator"].sign(forged.text.encode())
    refused_as(Refusal.EQUIVOCATION, lambda: followers.extend(session.follower, size, [], forged))


def test_a_dead_round_is_not_decrypted(lab: Lab) -> None:
    played = lab.play()
    lab.log(log_pb2.LogEntry(dead=log_pb2.DeadLeaf(round=played.round.id, reason="WITHHELD")))
    played.evidence.checkpoint.CopyFrom(lab.witness())
    refused_as(Refusal.OUT_OF_ORDER, lambda: lab.decrypt("holder-1", played.evidence), "dead")


def test_a_second_transcript_for_a_round_is_not_decrypted(lab: Lab) -> None:
    """The first leaf counts: a coordinator that logs nonsense first can never have the round opened."""
    round_ = committed(lab)
    everybody = [round_.reveals[n] for n in round_.members]
    relog(lab, Played(round_, work_pb2.Evidence()), b"nonsense", everybody)
    evidence = lab.evidence(round_)
    refused_as(Refusal.NOT_WITNESSED, lambda: lab.decrypt("holder-1", evidence))

def test_a_round_whose_roster_is_not_logged_is_not_decrypted(lab: Lab) -> None:
    played = unlogged(lab, lambda frozen: None)
    refused_as(Refusal.NOT_WITNESSED, lambda: lab.decrypt("holder-1", played.evidence), "frozen roster")


def test_a_ledger_link_that_the_log_leaves_out_stops_the_round(lab: Lab) -> None:
    def without_tax(frozen: round_pb2.SignedFrozenRoster) -> log_pb2.RosterLeaf:
        leaf = reveals.roster_leaf(frozen)
        kept = [ledger for ledger in leaf.ledgers if ledger.node != "tax"]
        del leaf.ledgers[:]
        leaf.ledgers.extend(kept)
        return leaf

    played = unlogged(lab, without_tax)
    refused_as(Refusal.NOT_WITNESSED, lambda: lab.decrypt("holder-1", played.evidence), "ledger links")


@pytest.mark.parametrize("named", [bytes(32), b""])
def test_a_grant_that_the_logged_roster_misnames_stops_the_round(lab: Lab, named: bytes) -> None:
    def misnamed(frozen: round_pb2.SignedFrozenRoster) -> log_pb2.RosterLeaf:
        leaf = reveals.roster_leaf(frozen)
        leaf.ledgers[0].grant = named
        return leaf

    played = unlogged(lab, misnamed)
    refused_as(Refusal.NOT_WITNESSED, lambda: lab.decrypt("holder-1", played.evidence), "and grants")


# Ledgers


def test_a_ledger_restored_from_a_backup_stops_its_node(lab: Lab) -> None:
    lab.play()
    lab.witness()
    restored = lab.department("tax", state="backup")  # an older copy: it lacks what was logged
    restored.followers.extend(restored.session.follower, 0, lab.audit.entries(0, lab.audit.size),
                              lab.checkpoint())
    refused_as(Refusal.STEPPED_BACK, lambda: restored.session.decide(lab.announce(), lab.now))


@pytest.mark.parametrize("state", ["backup"])
def test_a_ledger_that_forks_is_refused_by_key_holders(lab: Lab, state: str) -> None:
    lab.play()
    lab.nodes["tax"] = lab.department("tax", state=state)  # it follows a log without its own past
    announcement = lab.announce(lab.envelope(count_by_sex("0.25")))
    round_ = Round(lab.federation, announcement)
    for name in lab.nodes:
        round_.commit(lab.commit(name, announcement))
    frozen = round_.freeze(lab.now, lab.keys["coordinator"])
    lab.log(log_pb2.LogEntry(roster=reveals.roster_leaf(frozen)))
    for node in lab.nodes.values():
        round_.reveal(node.session.reveal(frozen, lab.now))
    evidence = lab.evidence(round_)
    refused_as(Refusal.EQUIVOCATION, lambda: lab.decrypt("holder-1", evidence), "tax")


def test_a_reservation_of_another_round_does_not_pay(lab: Lab) -> None:
    announcement = lab.announce()
    session, ledger = lab.nodes["tax"].session, lab.nodes["tax"].ledger
    decision = session.decide(announcement, lab.now)
    ledger.reserve(b"another round".ljust(32), "residents", decision.priced.plan.pico_loss)
    clear = clear_fields(lab.federation, announcement, "tax",
                         ledger.links(0, b"another round".ljust(32)), decision.grant)
    round_ = Round(lab.federation, announcement)
    refused_as(Refusal.PLAN_MISMATCH,
               lambda: round_.commit(commit(clear, b"s" * 32, lab.keys["tax"])), "does not reserve")


@pytest.mark.parametrize(("sent", "taken"), [
    (b"", True), (b"h" * 32, True), (b"h", False), (b"h" * 33, False)])
def test_a_commitment_names_one_entry_of_what_its_department_sent(lab: Lab, sent: bytes, taken: bool) -> None:
    announcement, session = lab.announce(), lab.nodes["tax"].session
    clear = session.reserve(session.decide(announcement, lab.now), sent)
    round_ = Round(lab.federation, announcement)
    commitment = commit(clear, b"s" * 32, lab.keys["tax"])
    if taken:
        round_.commit(commitment)
        [logged] = reveals.roster_leaf(round_pb2.SignedFrozenRoster(body=round_pb2.FrozenRoster(
            commitments=[commitment]))).ledgers
        assert logged.sent == sent
    else:
        refused_as(Refusal.MALFORMED, lambda: round_.commit(commitment), "tax names no entry")
