"""A lab whose key is refreshed or replaced: the messages, the approvals, and the switch of all parties."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pytest

from cotally.client.verify.bundle import Verified
from cotally.server.audit import lineage
from cotally.server.crypto import ceremony
from cotally.server.crypto.keys import KeyShare
from cotally.server.crypto.paillier import Encryptor
from cotally.server.crypto.sealing import RecipientKey
from cotally.server.wire import keys as wire_keys
from cotally.server.wire import refresh, succession
from cotally.server.wire.signed import sign
from cotally.v1 import log_pb2, refresh_pb2, roster_pb2
from tests.fixtures.keys import next_dealt
from tests.protocol.lab import DEPARTMENTS, Lab

HOLDERS = ("holder-1", "holder-2", "holder-3")


def lasting(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """A lab whose parties accept its small key as a successor's too."""
    monkeypatch.setattr(ceremony, "check_public", partial(ceremony.check_public, minimum_bits=1024))
    lab = Lab(folder)
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


def other_key() -> roster_pb2.PublicKey:
    """Another key, whose shares nobody needs."""
    dealt = next_dealt()
    return wire_keys.to_message(dealt.public, dealt.wellformed, dealt.trial)


def next_key() -> roster_pb2.PublicKey:
    key = other_key()
    key.epoch += 1
    return key
