"""Releases before and after a refresh and a rotation, and every way in which a successor may be wrong.

The parties are the real ones: they exchange refresh messages, log the succession, and go on with their
ledgers, filters and memories. Whoever pins the first roster verifies everything, offline.
"""

import copy
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import pytest

from cotally.client.audit.verifier import verify_log
from cotally.client.verify.bundle import Verified, verify
from cotally.client.verify.lineage import check_reached
from cotally.server.audit import lineage
from cotally.server.audit.follower import Follower
from cotally.server.coordinator.session import Round
from cotally.server.crypto import ceremony
from cotally.server.crypto.keys import KeyShare
from cotally.server.crypto.paillier import Encryptor
from cotally.server.crypto.sealing import RecipientKey
from cotally.server.keyholder.session import KeyHolderSession
from cotally.server.wire import keys as wire_keys
from cotally.server.wire import refresh, succession
from cotally.server.wire.federation import Federation
from cotally.server.wire.signed import sign
from cotally.v1 import log_pb2, refresh_pb2, roster_pb2
from cotally.v1.canonical import digest
from cotally.v1.refusals import Refusal, Refused
from tests.fixtures.keys import full_dealt, next_dealt
from tests.protocol.lab import DEPARTMENTS, Lab
from tests.protocol.planting import refused_as

HOLDERS = ("holder-1", "holder-2", "holder-3")


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """A lab whose parties accept its small key as a successor's too."""
    monkeypatch.setattr(ceremony, "check_public", partial(ceremony.check_public, minimum_bits=1024))
    lab = Lab(tmp_path)
    for number, node in enumerate(lab.nodes.values()):
        node.exact = [10 + number, 20]
    return lab


class Exchange:
    """A refresh of the lab's shares, message by message."""

    def __init__(self, lab: Lab) -> None:
        self.federation, self.keys = lab.federation, lab.keys
        self.recipients = {name: RecipientKey.generate() for name in HOLDERS}
        self.offers = [refresh.offer(self.federation, n, self.keys[n], self.recipients[n]) for n in HOLDERS]
        self.deals = [refresh.deal(self.federation, n, self.keys[n], self.offers) for n in HOLDERS]

    def add(self, name: str, share: KeyShare) -> tuple[KeyShare, refresh_pb2.RefreshProof]:
        """What an honest holder does with everybody's deals."""
        public, after = refresh.add(self.federation, name, share, self.recipients[name], self.offers,
                                    self.deals)
        return after, refresh.prove(self.federation, name, self.keys[name], public, after, self.deals)

    def gather(self, proofs: Sequence[refresh_pb2.RefreshProof]) -> roster_pb2.PublicKey:
        """The refreshed key."""
        return refresh.gather(self.federation, self.offers, self.deals, proofs)


def approved(lab: Lab, charter: roster_pb2.Charter) -> roster_pb2.Charter:
    """*charter* with every department's approval."""
    del charter.approvals[:]
    charter.approvals.extend(
        roster_pb2.Approval(department=d, signature=sign(lab.keys[d], "roster", charter.roster))
        for d in DEPARTMENTS)
    return charter


def shares_of(lab: Lab) -> list[KeyShare]:
    return [lab.holders[name].session._share for name in HOLDERS]


def switch(lab: Lab, charter: roster_pb2.Charter, shares: Sequence[KeyShare]) -> None:
    """Log the succession, and let everybody who folded it work under it."""
    after = succession.check_successor(lab.federation, charter)
    lab.log(log_pb2.LogEntry(succession=log_pb2.SuccessionLeaf(succession=lineage.own_link(charter))))
    lab.witness()
    for node in lab.nodes.values():
        assert node.session.follower.roster == after.roster
        node.session = node.session.under(after)
    for holder, share in zip(lab.holders.values(), shares, strict=True):
        holder.session = holder.session.under(after, share)
    lab.charter, lab.federation, lab.encryptor = charter, after, Encryptor(after.key)


def refreshed(lab: Lab) -> None:
    exchange = Exchange(lab)
    added = [exchange.add(name, share) for name, share in zip(HOLDERS, shares_of(lab), strict=True)]
    key = exchange.gather([proof for _, proof in added])
    switch(lab, approved(lab, succession.succeed(lab.charter, key)), [share for share, _ in added])


def rotated(lab: Lab) -> None:
    dealt = next_dealt()
    key = wire_keys.to_message(dealt.public, dealt.wellformed, dealt.trial)
    switch(lab, approved(lab, succession.succeed(lab.charter, key)), dealt.shares)


def released(lab: Lab) -> log_pb2.Bundle:
    """One round to its end, as the coordinator keeps it."""
    played = lab.play()
    round_, evidence = played.round, played.evidence
    for name in HOLDERS[:2]:
        round_.partial(lab.decrypt(name, evidence))
    release = round_.release(lab.now, lab.keys["coordinator"])
    size = int(evidence.checkpoint.checkpoint.text.split("\n")[1])
    return log_pb2.Bundle(
        charter=lab.charter, announcement=round_.announcement, frozen=round_.frozen,
        transcript=round_.transcript, products=round_.products, partials=list(round_.partials.values()),
        release=release, leaf=round_.combine(), checkpoint=evidence.checkpoint,
        inclusion=lab.audit.inclusion(evidence.index, size))


def totals(verified: Verified) -> list[int]:
    return [total // verified.plan.blocks[0].refinement for total in verified.totals]


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
        refused_as(Refusal.OUT_OF_ORDER, partial(session.reveal, frozen), "another roster in force")
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
    charter = succession.succeed(lab.charter, _other_key())
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
    charter = approved(lab, succession.succeed(lab.charter, _other_key()))
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
            later = approved(lab, succession.succeed(broken, _next_key()))
            for shown in (broken, later):  # a chain is no stronger than each step of it
                with pytest.raises(Refused, match=missing):
                    succession.check_successor(lab.federation, shown)
                with pytest.raises(Refused, match=missing):
                    check_reached(shown, (), pin)
            leaf = log_pb2.LogEntry(succession=log_pb2.SuccessionLeaf(succession=lineage.own_link(broken)))
            with pytest.raises(Refused, match=missing):
                lab.follower().fold([leaf])


def test_of_two_approved_successors_the_log_takes_one(lab: Lab) -> None:
    forks = [approved(lab, succession.succeed(lab.charter, key)) for key in (_other_key(), _next_key())]
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
    other = _next_key()
    other.epoch = before.epoch
    refused_as(Refusal.MALFORMED, lambda: succession.check_keys(before, other), "epoch did not advance")
    same = copy.deepcopy(before)
    same.epoch += 1
    refused_as(Refusal.MALFORMED, lambda: succession.check_keys(before, same), "old modulus")
    fewer = _next_key()
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


def _other_key() -> roster_pb2.PublicKey:
    """Another key, whose shares nobody needs."""
    dealt = next_dealt()
    return wire_keys.to_message(dealt.public, dealt.wellformed, dealt.trial)


def _next_key() -> roster_pb2.PublicKey:
    key = _other_key()
    key.epoch += 1
    return key


# Key holders who refresh wrongly


def resigned(lab: Lab, message: refresh_pb2.RefreshOffer | refresh_pb2.RefreshDeal | refresh_pb2.RefreshProof,
             domain: str) -> None:
    message.signature = sign(lab.keys[message.body.holder], domain, message.body)


def test_a_holder_that_deals_wrongly_is_named(lab: Lab) -> None:
    share = shares_of(lab)[0]
    honest = Exchange(lab)
    other = Exchange(lab)
    honest.add("holder-1", share)

    def dealt(alter: Callable[[refresh_pb2.RefreshDeal], object]) -> None:
        exchange = copy.copy(honest)
        exchange.deals = copy.deepcopy(honest.deals)
        alter(exchange.deals[1])
        resigned(lab, exchange.deals[1], "refresh-deal")
        exchange.add("holder-1", share)

    def swap(deal: refresh_pb2.RefreshDeal) -> None:
        """holder-1 gets what was sealed for holder-3."""
        deal.body.subshares[0].CopyFrom(deal.body.subshares[2])
        deal.body.subshares[0].holder = "holder-1"

    def from_another_deal(deal: refresh_pb2.RefreshDeal) -> None:
        again = refresh.deal(lab.federation, "holder-2", lab.keys["holder-2"], honest.offers)
        deal.body.subshares[0].CopyFrom(again.body.subshares[0])

    for refusal, sentence, alter in (
        (Refusal.BAD_PROOF, "holder-2 dealt a sub-share that holder-1 cannot open", swap),
        (Refusal.BAD_PROOF, "holder-2 dealt a sub-share to share 1 that its commitments", from_another_deal),
        (Refusal.MALFORMED, "holder-2 did not deal one sub-share to each",
         lambda d: d.body.subshares.__delitem__(2)),
        (Refusal.MALFORMED, "holder-2 commits to 0", lambda d: d.body.ClearField("commitments")),
        (Refusal.EQUIVOCATION, "holder-2 dealt for other offers", lambda d: d.CopyFrom(other.deals[1])),
    ):
        refused_as(refusal, partial(dealt, alter), sentence)


def test_messages_of_another_refresh_or_of_strangers_are_refused(lab: Lab) -> None:
    before = Exchange(lab)
    share = shares_of(lab)
    refreshed(lab)
    now = Exchange(lab)
    now.deals[2] = before.deals[2]
    refused_as(Refusal.REPLAYED, lambda: now.add("holder-1", shares_of(lab)[0]), "deal of holder-3")
    now.offers[2] = before.offers[2]
    refused_as(Refusal.REPLAYED, lambda: refresh.check_offers(lab.federation, now.offers),
               "offer of holder-3")
    fresh = Exchange(lab)
    refused_as(Refusal.TOO_FEW_KEY_HOLDERS, lambda: refresh.check_offers(lab.federation, fresh.offers[:2]),
               "no offer of holder-3")
    refused_as(Refusal.EQUIVOCATION, lambda: refresh.check_offers(
        lab.federation, [*fresh.offers, fresh.offers[0]]), "two offers of holder-1")
    forged = copy.deepcopy(fresh.offers)
    forged[0].body.recipient_key = fresh.recipients["holder-2"].public
    refused_as(Refusal.CREDENTIALS, lambda: refresh.check_offers(lab.federation, forged), "holder-1")
    resigned(lab, forged[0], "refresh-offer")
    refused_as(Refusal.EQUIVOCATION, lambda: refresh.check_offers(lab.federation, forged),
               "one recipient key")
    with pytest.raises(Exception, match="does not belong"):
        fresh.add("holder-1", share[0])  # the share from before


def test_a_holder_that_offers_a_useless_key_is_named(lab: Lab) -> None:
    offers = Exchange(lab).offers
    for useless in (bytes(32), bytes(31)):  # a point of small order, and none
        offers[1].body.recipient_key = useless
        resigned(lab, offers[1], "refresh-offer")
        refused_as(Refusal.MALFORMED, lambda: refresh.deal(
            lab.federation, "holder-1", lab.keys["holder-1"], offers), "holder-2")


def test_a_former_offer_put_in_place_of_the_present_one_blames_no_dealer(lab: Lab) -> None:
    """Somebody swapped a file of an attempt that was given up: signed, and for this very refresh."""
    former, share = Exchange(lab).offers[0], shares_of(lab)[0]
    exchange = Exchange(lab)
    exchange.offers[0] = former
    exchange.deals = [refresh.deal(lab.federation, n, lab.keys[n], exchange.offers) for n in HOLDERS]
    refused_as(Refusal.REPLAYED, lambda: exchange.add("holder-1", share), "offer of holder-1")


def test_a_holder_that_did_not_add_cannot_prove_it(lab: Lab) -> None:
    exchange = Exchange(lab)
    added = [exchange.add(name, share) for name, share in zip(HOLDERS, shares_of(lab), strict=True)]
    proofs = [proof for _, proof in added]
    exchange.gather(proofs)

    def gathered(alter: Callable[[refresh_pb2.RefreshProof], object]) -> None:
        shown = copy.deepcopy(proofs)
        alter(shown[1])
        resigned(lab, shown[1], "refresh-proof")
        exchange.gather(shown)

    data = proofs[1].body.trial
    refused_as(Refusal.BAD_PROOF, lambda: gathered(
        lambda p: setattr(p.body, "trial", data[:-1] + bytes([data[-1] ^ 1]))), "holder-2")
    refused_as(Refusal.BAD_PROOF, lambda: gathered(
        lambda p: setattr(p.body, "trial", proofs[0].body.trial)), "holder-2")
    refused_as(Refusal.EQUIVOCATION, lambda: gathered(
        lambda p: setattr(p.body, "deals", b"d" * 32)), "holder-2 added other deals")


def test_a_refreshed_charter_with_a_false_key_is_refused_although_everybody_approved_it(lab: Lab) -> None:
    """Every party checks the ceremony's proofs again at a succession: size, Feldman, trial decryptions."""
    exchange = Exchange(lab)
    key = exchange.gather([exchange.add(n, s)[1] for n, s in zip(HOLDERS, shares_of(lab), strict=True)])
    succession.check_successor(lab.federation, approved(lab, succession.succeed(lab.charter, key)))
    alterations: dict[str, Callable[[roster_pb2.PublicKey], object]] = {
        "square-free": lambda k: setattr(k, "wellformed", bytes([k.wellformed[0] ^ 1]) + k.wellformed[1:]),
        "verification value 2": lambda k: k.verification.__setitem__(1, k.verification[0]),
        "share 3": lambda k: setattr(k, "trial", k.trial[:-1] + bytes([k.trial[-1] ^ 1])),
        "wrong length": lambda k: setattr(k, "refreshes", 10_000),
        "cannot be refreshed": lambda k: setattr(k, "refreshes", 10_001),
    }
    for sentence, alter in alterations.items():
        false = copy.deepcopy(key)
        alter(false)
        charter = approved(lab, succession.succeed(lab.charter, false))
        with pytest.raises(Refused, match=sentence):
            succession.check_successor(lab.federation, charter)


def test_a_federation_keeps_its_chain(lab: Lab) -> None:
    refreshed(lab)
    federation = Federation(lab.charter)
    assert len(federation.lineage) == 2 and federation.roster in federation.lineage
    too_long = copy.deepcopy(lab.charter)
    too_long.lineage.extend([too_long.lineage[0]] * lineage.MAX_LINKS)
    with pytest.raises(Exception, match="64"):
        lineage.check_chain(lineage.links(too_long))
    with pytest.raises(Exception, match="found it anew"):
        succession.succeed(too_long, _other_key())
