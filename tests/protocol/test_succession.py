"""Releases before and after a refresh and a rotation, and every way in which a successor may be wrong.

The parties are the real ones: they exchange refresh messages, log the succession, and go on with their
ledgers, filters and memories. Whoever pins the first roster verifies everything, offline.
"""

import copy
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from cotally.client.audit.verifier import verify_log
from cotally.client.verify.bundle import verify
from cotally.client.verify.lineage import check_reached
from cotally.server.audit import lineage
from cotally.server.audit.follower import Follower
from cotally.server.audit.policies import next_policy
from cotally.server.audit.revocations import check_list
from cotally.server.coordinator.session import Round
from cotally.server.keyholder.session import KeyHolderSession
from cotally.server.ops.policy import approve
from cotally.server.ops.revocation import Entries, sign_list
from cotally.server.wire import keys as wire_keys
from cotally.server.wire import succession
from cotally.server.wire.federation import Federation
from cotally.server.wire.signed import sign
from cotally.v1 import log_pb2, roster_pb2
from cotally.v1.canonical import digest
from cotally.v1.refusals import Refusal, Refused
from tests.fixtures.keys import full_dealt
from tests.protocol.lab import DEPARTMENTS, Lab
from tests.protocol.planting import refused_as
from tests.protocol.succeeding import (
    approved,
    lasting,
    next_key,
    other_key,
    refreshed,
    released,
    rotated,
    shares_of,
    totals,
)


@pytest.fixture
def lab(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """A federation that outlives its key."""
    return lasting(folder, monkeypatch)


def test_releases_before_and_after_verify_under_the_first_pin(lab: Lab) -> None:
    pin, old = lab.federation.roster, shares_of(lab)
    asked_before = lab.envelope()
    bundles = [released(lab)]
    refreshed(lab)
    bundles.append(released(lab))
    refreshed(lab)
    rotated(lab)
    bundles.append(released(lab))
    assert [b.charter.roster.epoch for b in bundles] == [1, 2, 4]
    assert [totals(verify(b, pin)) for b in bundles] == [[33, 60]] * 3
    assert lab.federation.key.epoch == 2 and lab.federation.key.bits == 2048
    for share in old:
        assert share not in shares_of(lab)

    # A question that was signed before is still one: the key alone has changed.
    lab.decrypt("holder-3", lab.play(asked_before).evidence)

    # Ledgers and filters went on: four rounds were paid from one budget.
    for name, node in lab.nodes.items():
        [status] = node.ledger.status()
        assert status.spent_pico_loss == 4 * lab.federation.price(asked_before.body.query).plan.pico_loss
        assert node.session.follower.ledger_spent(name, "residents") == status.spent_pico_loss
    checkpoint = lab.witness()
    entries = lab.audit.entries(0, lab.audit.size)
    assert verify_log(lab.charter, pin, entries, checkpoint).head.size == lab.audit.size
    assert verify_log(bundles[1].charter, pin, entries, checkpoint).head.size == lab.audit.size

    # A later pin reaches back, with the chain that a coordinator sends along.
    late = lab.federation.roster
    refused_as(Refusal.CREDENTIALS, lambda: verify(bundles[0], late), "pinned")
    bundles[0].successors.extend(lineage.links(lab.charter)[1:])
    assert totals(verify(bundles[0], late)) == [33, 60]


def test_an_old_share_no_longer_decrypts(lab: Lab) -> None:
    old = shares_of(lab)
    refreshed(lab)
    evidence = lab.play().evidence
    holder = lab.holders["holder-1"].session
    stale = KeyHolderSession(lab.federation, "holder-1", lab.keys["holder-1"], old[0], holder._decryptions,
                             holder.follower)
    with pytest.raises(Exception, match="does not belong to this public key"):
        stale.decrypt(stale.examine(evidence))
    lab.decrypt("holder-1", evidence)


def test_nobody_takes_part_in_a_round_of_the_old_roster(lab: Lab) -> None:
    before = lab.announce()
    evidence = lab.play().evidence
    refreshed(lab)
    refused_as(Refusal.PLAN_MISMATCH, lambda: lab.nodes["tax"].session.decide(before, lab.now), "roster")
    refused_as(Refusal.PLAN_MISMATCH, lambda: lab.decrypt("holder-1", evidence), "roster")


def test_who_folded_a_succession_and_lacks_its_charter_takes_part_in_nothing(lab: Lab) -> None:
    """A coordinator that logs a rotation and keeps the charter back gets no more rounds under the old key."""
    announced, old = lab.announce(), [node.session for node in lab.nodes.values()]
    round_ = Round(lab.federation, announced)
    for name in lab.nodes:
        round_.commit(lab.commit(name, announced))
    frozen = round_.freeze(lab.now, lab.keys["coordinator"])
    evidence, holder = lab.play().evidence, lab.holders["holder-1"].session
    later = lab.announce()
    rotated(lab)
    for session in old:
        refused_as(Refusal.OUT_OF_ORDER, partial(session.decide, later, lab.now), "another roster in force")
        refused_as(Refusal.OUT_OF_ORDER, partial(session.reveal, frozen, lab.now), "another roster in force")
    refused_as(Refusal.OUT_OF_ORDER, lambda: holder.examine(evidence), "another roster in force")


# Successors that are none


Alter = Callable[[Lab, roster_pb2.Charter], object]


def change(**fields: object) -> Alter:
    def alter(_: Lab, charter: roster_pb2.Charter) -> None:
        for name, value in fields.items():
            setattr(charter.roster, name, value)
    return alter


def lower_minimum(_: Lab, charter: roster_pb2.Charter) -> None:
    charter.roster.policy.min_departments = 1


def steal_seat(lab: Lab, charter: roster_pb2.Charter) -> None:
    next(m for m in charter.roster.members if m.name == "tax").signing_key = lab.keys["eve"].public


def other_catalog(_: Lab, charter: roster_pb2.Charter) -> None:
    charter.catalog.tables[0].max_people = 5
    charter.roster.catalog = digest("catalog", charter.catalog)


def of_a_stranger(lab: Lab, charter: roster_pb2.Charter) -> None:
    """A successor of another roster of epoch 1 than the one in force."""
    charter.lineage[0].roster.policy.colluding = 0
    charter.roster.policy.colluding = 0
    charter.roster.previous = digest("roster", charter.lineage[0].roster)


BROKEN: dict[str, tuple[str, Alter]] = {
    "a lower minimum": ("rules", lower_minimum),
    "a department's key swapped": ("members", steal_seat),
    "another catalog": ("catalog", other_catalog),
    "another federation": ("name", change(federation="zoo")),
    "an epoch left out": ("has epoch 3", change(epoch=3)),
    "the same epoch": ("has epoch 1", change(epoch=1)),
    "no predecessor": ("does not follow", change(previous=b"")),
    "another predecessor": ("does not follow", change(previous=b"p" * 32)),
    "a fork from elsewhere": ("pinned", of_a_stranger),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_successor_that_changes_more_than_the_key_is_refused_by_name(lab: Lab, what: str) -> None:
    sentence, alter = BROKEN[what]
    charter = succession.succeed(lab.charter, other_key())
    alter(lab, charter)
    charter = approved(lab, charter)
    pin = lab.federation.roster
    with pytest.raises(Refused, match=sentence):
        succession.check_successor(lab.federation, charter)
    with pytest.raises(Refused):  # the client has its own words
        check_reached(charter, (), pin)
    follower = lab.follower()
    leaf = log_pb2.LogEntry(succession=log_pb2.SuccessionLeaf(succession=lineage.own_link(charter)))
    with pytest.raises(Refused):
        follower.fold([leaf])
    assert follower.roster == pin


@pytest.mark.parametrize("missing", DEPARTMENTS)
def test_every_department_has_to_approve_every_step(lab: Lab, missing: str) -> None:
    charter = approved(lab, succession.succeed(lab.charter, other_key()))
    pin = lab.federation.roster
    assert check_reached(charter, (), pin) == (pin, digest("roster", charter.roster))
    stolen = next(a.signature for a in charter.approvals if a.department != missing)
    for approval in list(charter.approvals):
        if approval.department != missing:
            continue
        for wrong in (None, b"", stolen, sign(lab.keys["eve"], "roster", charter.roster)):
            broken = copy.deepcopy(charter)
            place = next(i for i, a in enumerate(broken.approvals) if a.department == missing)
            if wrong is None:
                del broken.approvals[place]
            else:
                broken.approvals[place].signature = wrong
            later = approved(lab, succession.succeed(broken, next_key()))
            for shown in (broken, later):  # a chain is no stronger than each step of it
                with pytest.raises(Refused, match=missing):
                    succession.check_successor(lab.federation, shown)
                with pytest.raises(Refused, match=missing):
                    check_reached(shown, (), pin)
            leaf = log_pb2.LogEntry(succession=log_pb2.SuccessionLeaf(succession=lineage.own_link(broken)))
            with pytest.raises(Refused, match=missing):
                lab.follower().fold([leaf])


def test_of_two_approved_successors_the_log_takes_one(lab: Lab) -> None:
    forks = [approved(lab, succession.succeed(lab.charter, key)) for key in (other_key(), next_key())]
    leaves = [log_pb2.LogEntry(succession=log_pb2.SuccessionLeaf(succession=lineage.own_link(fork)))
              for fork in forks]
    follower = lab.follower()
    with pytest.raises(Refused) as refused:
        follower.fold(leaves)
    assert refused.value.refusal is Refusal.EQUIVOCATION
    follower.fold(leaves[:1])
    refused_as(Refusal.EQUIVOCATION, lambda: follower.fold(leaves[1:]), "does not follow")
    refused_as(Refusal.EQUIVOCATION, lambda: follower.fold(leaves[:1]), "does not follow")
    again = Follower.load(follower.dump(), lab.charter)
    assert again.roster == follower.roster == digest("roster", forks[0].roster)
    assert Follower.load(follower.dump(), forks[0]).roster == follower.roster


def test_a_key_that_is_neither_refreshed_nor_later_is_refused(lab: Lab) -> None:
    before = lab.charter.public_key
    refused_as(Refusal.REPLAYED, lambda: succession.check_keys(before, before), "refreshed")
    other = next_key()
    other.epoch = before.epoch
    refused_as(Refusal.MALFORMED, lambda: succession.check_keys(before, other), "epoch did not advance")
    same = copy.deepcopy(before)
    same.epoch += 1
    refused_as(Refusal.MALFORMED, lambda: succession.check_keys(before, same), "old modulus")
    fewer = next_key()
    fewer.threshold = 1
    refused_as(Refusal.MALFORMED, lambda: succession.check_keys(before, fewer), "threshold")


def test_nobody_goes_back_to_a_former_key_or_takes_a_second_one_of_an_epoch(lab: Lab) -> None:
    """Whole, proved and approved by everybody, and refused all the same."""
    former, dealt = lab.charter.public_key, full_dealt()
    second = wire_keys.to_message(dealt.public, dealt.wellformed, dealt.trial)
    refreshed(lab)
    for key, refusal, says in ((former, Refusal.REPLAYED, "not refreshed"),
                               (second, Refusal.MALFORMED, "epoch did not advance")):
        charter = approved(lab, succession.succeed(lab.charter, key))
        refused_as(refusal, partial(succession.check_successor, lab.federation, charter), says)


def test_a_federation_keeps_its_chain(lab: Lab) -> None:
    refreshed(lab)
    federation = Federation(lab.charter)
    assert len(federation.lineage) == 2 and federation.roster in federation.lineage
    too_long = copy.deepcopy(lab.charter)
    too_long.lineage.extend([too_long.lineage[0]] * lineage.MAX_LINKS)
    with pytest.raises(Exception, match="64"):
        lineage.check_chain(lineage.links(too_long))
    with pytest.raises(Exception, match="found it anew"):
        succession.succeed(too_long, other_key())


def test_a_chain_that_begins_in_its_middle_is_refused(lab: Lab) -> None:
    """What was signed for a federation names its first roster, so nobody may choose which one that is."""
    refreshed(lab)
    charter = approved(lab, succession.succeed(lab.charter, other_key()))
    del charter.lineage[0]
    refused_as(Refusal.MALFORMED, lambda: succession.check_successor(lab.federation, charter), "a first one")


def test_a_succession_to_the_same_key_is_refused_by_all(lab: Lab) -> None:
    charter = approved(lab, succession.succeed(lab.charter, lab.charter.public_key))
    leaf = log_pb2.LogEntry(succession=log_pb2.SuccessionLeaf(succession=lineage.own_link(charter)))
    refused_as(Refusal.MALFORMED, lambda: lab.follower().fold([leaf]), "no other key")
    pin = lab.federation.roster
    refused_as(Refusal.EQUIVOCATION, lambda: check_reached(charter, (), pin), "no other key")


def test_budgets_and_lists_after_a_succession_name_the_first_roster(lab: Lab) -> None:
    refreshed(lab)
    for first, refusal in ((lab.charter.roster, Refusal.EQUIVOCATION), (lab.federation.first, None)):
        policy = next_policy(first, None, [roster_pb2.FilterBudget(population="residents", pico_loss=7)], [])
        entry = log_pb2.LogEntry(policy=log_pb2.PolicyLeaf(
            policy=policy, approvals=[approve(policy, name, lab.keys[name]) for name in DEPARTMENTS]))
        follower = lab.follower()
        if refusal is None:
            follower.fold([entry])
            assert follower.left("residents") == 7
        else:
            refused_as(refusal, partial(follower.fold, [entry]), "does not follow")
    made = sign_list(lab.federation.first, "tax", lab.keys["tax"], 0, Entries(), lab.now)
    check_list(lab.federation.first, made)
    refused_as(Refusal.NOT_ALLOWED, lambda: check_list(lab.charter.roster, made), "another federation")
