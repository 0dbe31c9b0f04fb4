"""What planted attacks have in common: a dishonest coordinator's tools, and how a refusal is expected."""

import copy
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from cotally.server.coordinator.session import Round
from cotally.server.node.rounds import Sealed
from cotally.server.protocol import reveal as reveals
from cotally.server.protocol.commitment import clear_fields, commit, seal
from cotally.server.wire.signed import sign
from cotally.v1 import log_pb2, round_pb2, work_pb2
from cotally.v1.refusals import Refusal, Refused
from tests.protocol.lab import Lab, Played


def refused_as(refusal: Refusal, act: Callable[[], object], match: str | None = None) -> None:
    """*act* must be refused as *refusal*, and for no other reason."""
    with pytest.raises(Refused, match=match) as refused:
        act()
    assert refused.value.refusal is refusal, refused.value


def relog(lab: Lab, played: Played, products: bytes, reveals_: list[round_pb2.Reveal],
          frozen: round_pb2.SignedFrozenRoster | None = None) -> work_pb2.Evidence:
    """Evidence whose log holds a transcript of the attacker's choice."""
    frozen = frozen or played.round.frozen
    assert frozen is not None
    made = reveals.transcript(frozen, reveals_, products)
    leaf = reveals.transcript_leaf(played.round.announcement.body, frozen, made)
    index = lab.log(log_pb2.LogEntry(transcript=leaf))
    return work_pb2.Evidence(announcement=played.round.announcement, frozen=frozen, reveals=reveals_,
                             index=index, checkpoint=lab.witness())


def committed(lab: Lab) -> Round:
    """A round in which everybody committed and revealed, not yet combined or logged."""
    announcement = lab.announce()
    round_ = Round(lab.federation, announcement)
    for name in lab.nodes:
        round_.commit(lab.commit(name, announcement))
    frozen = round_.freeze(lab.now, lab.keys["coordinator"])
    lab.log(log_pb2.LogEntry(roster=reveals.roster_leaf(frozen)))
    for node in lab.nodes.values():
        round_.reveal(node.session.reveal(frozen, lab.now))
    return round_


def four(folder: Path) -> Lab:
    return Lab(folder, ("health", "north", "south", "tax"))


def hostile(lab: Lab, announcement: round_pb2.SignedAnnouncement, name: str,
            make: Callable[[round_pb2.CommitmentBody], Sealed]) -> tuple[round_pb2.Commitment, Sealed]:
    """A commitment of department *name* over contents of its own choice, with a true reservation."""
    session, ledger = lab.nodes[name].session, lab.nodes[name].ledger
    decision = session.decide(announcement, lab.now)
    clear = session.reserve(decision)
    links = ledger.links(0, decision.round)
    clear = clear_fields(lab.federation, announcement, name, links, decision.grant)
    sealed = make(clear)
    commitment = commit(clear, seal(clear, sealed.salt, sealed.ciphertexts, sealed.proof), lab.keys[name])
    return commitment, sealed


def reveal_with(lab: Lab, make: Callable[[round_pb2.CommitmentBody, round_pb2.Reveal], Sealed],
                victim_first: bool = True) -> Callable[[], object]:
    """A round in which `tax` commits what *make* builds from the honest reveal of `north` in an old round."""
    old = lab.play()
    stolen = {r.body.node: r for r in old.evidence.reveals}["north"]
    announcement = lab.announce()
    round_ = Round(lab.federation, announcement)
    for name in ("health", "north"):
        round_.commit(lab.commit(name, announcement))
    commitment, sealed = hostile(lab, announcement, "tax", lambda clear: make(clear, stolen))
    round_.commit(commitment)
    frozen = round_.freeze(lab.now, lab.keys["coordinator"])
    opened = reveals.reveal(frozen, "tax", sealed.salt, sealed.ciphertexts, sealed.proof, lab.keys["tax"])
    return lambda: round_.reveal(opened)


def resigned(lab: Lab, alter: Callable[[round_pb2.Announcement], object]) -> round_pb2.SignedAnnouncement:
    """An announcement that the coordinator altered and signed again."""
    body = copy.deepcopy(lab.announce().body)
    alter(body)
    return round_pb2.SignedAnnouncement(
        body=body, signature=sign(lab.keys["coordinator"], "announcement", body))


def less_noise(body: round_pb2.Announcement) -> None:
    body.plan.blocks[0].scale.exponent -= 1


def unlogged(lab: Lab, leaf: Callable[[round_pb2.SignedFrozenRoster], log_pb2.RosterLeaf | None]) -> Played:
    """A round whose roster leaf the coordinator altered, or left out."""
    announcement = lab.announce()
    round_ = Round(lab.federation, announcement)
    for name in lab.nodes:
        round_.commit(lab.commit(name, announcement))
    frozen = round_.freeze(lab.now, lab.keys["coordinator"])
    logged = leaf(frozen)
    if logged is not None:
        lab.log(log_pb2.LogEntry(roster=logged))
    for node in lab.nodes.values():
        round_.reveal(node.session.reveal(frozen, lab.now))
    return Played(round_, lab.evidence(round_))


def forget_rounds(lab: Lab) -> None:
    """Make every node forget its rounds, and nothing else, as a dishonest one would."""
    for node in lab.nodes.values():
        with node.session._rounds._engine.begin() as db:
            db.execute(sa.text("DELETE FROM rounds"))
