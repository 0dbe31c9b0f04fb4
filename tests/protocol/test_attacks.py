"""Planted attacks on who takes part: fewer departments than agreed, or two rosters at once.

The attacker owns the coordinator, and whatever else a test says. What it wants is always the same:
a number about fewer departments, or with less noise, than everybody agreed to. Each attack is
refused by the check that is there for it.
"""

from pathlib import Path

from cotally.server.coordinator.session import Round
from cotally.server.protocol import reveal as reveals
from cotally.server.protocol.announcement import MAX_SKEW_MS
from cotally.server.protocol.frozen import freeze
from cotally.v1 import log_pb2, work_pb2
from cotally.v1.refusals import Refusal
from tests.protocol.lab import Lab, Played
from tests.protocol.planting import committed, four, refused_as, relog

# The coordinator wants one department, or fewer than agreed


def test_a_single_departments_ciphertexts_are_not_decrypted(lab: Lab) -> None:
    round_ = committed(lab)
    alone = [round_.reveals["tax"]]
    products = alone[0].body.ciphertexts
    evidence = relog(lab, Played(round_, work_pb2.Evidence()), products, alone)
    refused_as(Refusal.WITHHELD, lambda: lab.decrypt("holder-1", evidence))


def test_a_roster_of_one_department_is_not_decrypted(lab: Lab) -> None:
    round_ = committed(lab)
    small = freeze(round_.id, [round_.commitments["tax"]], lab.keys["coordinator"])
    alone = lab.nodes["tax"].session
    refused_as(Refusal.TOO_FEW_DEPARTMENTS, lambda: alone.reveal(small, lab.now))
    stolen = reveals.reveal(small, "tax", round_.reveals["tax"].body.salt,
                            round_.reveals["tax"].body.ciphertexts, round_.reveals["tax"].body.proof,
                            lab.keys["tax"])
    evidence = relog(lab, Played(round_, work_pb2.Evidence()), stolen.body.ciphertexts, [stolen], small)
    refused_as(Refusal.TOO_FEW_DEPARTMENTS, lambda: lab.decrypt("holder-1", evidence))


def test_a_logged_subset_product_is_not_decrypted(lab: Lab) -> None:
    round_ = committed(lab)
    subset = reveals.combine(lab.federation, [r for n, r in round_.reveals.items() if n != "tax"], 1)
    everybody = [round_.reveals[n] for n in round_.members]
    evidence = relog(lab, Played(round_, work_pb2.Evidence()), subset, everybody)
    refused_as(Refusal.EQUIVOCATION, lambda: lab.decrypt("holder-1", evidence), "our own recomputation")


def test_a_scaled_product_is_not_decrypted(lab: Lab) -> None:
    round_ = committed(lab)
    round_.combine()
    public = lab.dealt.public
    scaled = public.ring.multiply(round_.products, round_.products)
    everybody = [round_.reveals[n] for n in round_.members]
    evidence = relog(lab, Played(round_, work_pb2.Evidence()), scaled, everybody)
    refused_as(Refusal.EQUIVOCATION, lambda: lab.decrypt("holder-1", evidence), "our own recomputation")


def test_fewer_participants_than_the_minimum_are_not_answered(lab: Lab) -> None:
    small = lab.announce(participants=["north", "tax"])
    refused_as(Refusal.TOO_FEW_DEPARTMENTS, lambda: lab.commit("tax", small))


def test_a_node_whose_operator_asks_for_more_departments_declines(lab: Lab) -> None:
    session = lab.nodes["tax"].session
    session._accept_minimum = 4
    refused_as(Refusal.TOO_FEW_DEPARTMENTS, lambda: session.decide(lab.announce(), lab.now), "tax takes part")

# Two rosters

def test_a_node_never_reveals_to_a_second_roster(folder: Path) -> None:
    lab = four(folder)
    announcement = lab.announce()
    commitments = {name: lab.commit(name, announcement) for name in lab.nodes}
    session = lab.nodes["tax"].session
    whole = freeze(commitments["tax"].body.round, commitments.values(), lab.keys["coordinator"])
    session.reveal(whole, lab.now)
    del commitments["health"]
    refrozen = freeze(commitments["tax"].body.round, commitments.values(), lab.keys["coordinator"])
    refused_as(Refusal.EQUIVOCATION, lambda: session.reveal(refrozen, lab.now), "two frozen rosters")
    restarted = lab.department("tax").session
    refused_as(Refusal.EQUIVOCATION, lambda: restarted.reveal(refrozen, lab.now), "two frozen rosters")


def test_a_round_that_was_kept_open_too_long_is_never_revealed(lab: Lab) -> None:
    announcement = lab.announce()
    commitments = [lab.commit(name, announcement) for name in lab.nodes]
    frozen = freeze(commitments[0].body.round, commitments, lab.keys["coordinator"])
    session, end = lab.nodes["tax"].session, announcement.body.expires_ms
    refused_as(Refusal.EXPIRED, lambda: session.reveal(frozen, end + MAX_SKEW_MS + 1), "has expired")
    assert session.reveal(frozen, end + MAX_SKEW_MS).body.node == "tax"


def test_two_rosters_shown_to_two_nodes_are_not_decrypted(folder: Path) -> None:
    lab = four(folder)
    announcement = lab.announce()
    round_ = Round(lab.federation, announcement)
    for name in lab.nodes:
        round_.commit(lab.commit(name, announcement))
    frozen = round_.freeze(lab.now, lab.keys["coordinator"])
    lab.log(log_pb2.LogEntry(roster=reveals.roster_leaf(frozen)))
    without_health = freeze(round_.id, [c for n, c in round_.commitments.items() if n != "health"],
                            lab.keys["coordinator"])
    shown = dict.fromkeys(lab.nodes, frozen) | {"tax": without_health}
    opened = {name: lab.nodes[name].session.reveal(roster, lab.now) for name, roster in shown.items()}
    refused_as(Refusal.EQUIVOCATION, lambda: round_.reveal(opened["tax"]), "another roster")
    products = reveals.combine(lab.federation, opened.values(), 1)
    evidence = relog(lab, Played(round_, work_pb2.Evidence()), products, [opened[n] for n in sorted(opened)])
    refused_as(Refusal.EQUIVOCATION, lambda: lab.decrypt("holder-1", evidence), "another roster")


def test_a_roster_without_our_own_commitment_is_not_revealed_to(folder: Path) -> None:
    lab = four(folder)
    announcement = lab.announce()
    commitments = {name: lab.commit(name, announcement) for name in lab.nodes}
    without = [c for n, c in commitments.items() if n != "tax"]
    roster = freeze(commitments["tax"].body.round, without, lab.keys["coordinator"])
    refused_as(Refusal.EQUIVOCATION, lambda: lab.nodes["tax"].session.reveal(roster, lab.now),
               "does not hold")
