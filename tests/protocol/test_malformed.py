"""Messages that a hostile party deformed and signed: each is refused by name, and nothing else happens.

Fields are cleared, emptied, repeated, reordered or set to extremes anywhere in a message, which is then
signed by whoever may sign it, so that what lies behind the signature is reached. A receiver may
take what is left unchanged in meaning, or refuse; any other exception fails the test.
"""

import random
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import pytest
from google.protobuf.descriptor import FieldDescriptor as Field
from google.protobuf.message import Message

from cotally.client.verify.bundle import verify
from cotally.client.verify.claims import check_plan
from cotally.server.audit.checkpoint import text
from cotally.server.audit.follower import Follower, entry_hash
from cotally.server.audit.merkle import Tree
from cotally.server.coordinator.session import Round
from cotally.server.protocol import announcement as announcements
from cotally.server.wire.signed import sign
from cotally.v1 import log_pb2, query_pb2, round_pb2, work_pb2
from cotally.v1.canonical import NotCanonical
from cotally.v1.refusals import Refused
from tests.protocol.conftest import MEMORY
from tests.protocol.lab import Lab, Played

TRIES = 60
M = TypeVar("M", bound=Message)

INTEGERS = {
    Field.TYPE_SINT64: (-(2**63), 2**63 - 1), Field.TYPE_INT64: (-(2**63), 2**63 - 1),
    Field.TYPE_SINT32: (-(2**31), 2**31 - 1), Field.TYPE_INT32: (-(2**31), 2**31 - 1),
    Field.TYPE_UINT64: (0, 2**64 - 1), Field.TYPE_UINT32: (0, 2**32 - 1),
}
TEXTS = ("", "tax", "zoo", "x" * 5000, "e\u0301", "\n", "a\0b", "0", "-1", "1e9", "9" * 300, "1/0", "\u0665")


def deformed(message: M, chance: random.Random) -> M:
    """A copy of *message* with one field somewhere inside it deformed."""
    changed = type(message)()
    changed.CopyFrom(message)
    part = chance.choice(list(parts(changed)))
    field: Any = chance.choice(list(part.DESCRIPTOR.fields))
    if field.is_repeated:
        _deform_list(getattr(part, field.name), field, chance)
    elif field.type == Field.TYPE_MESSAGE:
        part.ClearField(field.name)
        if chance.random() < 0.5:
            getattr(part, field.name).SetInParent()
    else:
        setattr(part, field.name, _scalar(field, getattr(part, field.name), chance))
    return changed


def parts(message: Message) -> Iterator[Message]:
    """The message and every message inside it."""
    yield message
    for field, value in message.ListFields():
        if field.type == Field.TYPE_MESSAGE:
            for each in value if field.is_repeated else [value]:
                yield from parts(each)


def _deform_list(elements: Any, field: Any, chance: random.Random) -> None:
    kept = list(elements)
    match chance.randrange(5):
        case 0:
            kept = []
        case 1:
            kept = kept[:-1]
        case 2:
            kept = [*kept, *kept]
        case 3:
            kept.reverse()
        case _ if field.type == Field.TYPE_MESSAGE:
            elements.add()
            return
        case _:
            kept.append(_scalar(field, type(kept[0])() if kept else None, chance))
    copies = [type(e).FromString(e.SerializeToString()) if isinstance(e, Message) else e for e in kept]
    del elements[:]
    elements.extend(copies)


def _scalar(field: Any, old: Any, chance: random.Random) -> Any:
    if field.type in INTEGERS:
        low, high = INTEGERS[field.type]
        return chance.choice([low, high, 0, 1, max(low, (old or 0) - 1), min(high, (old or 0) + 1)])
    if field.type == Field.TYPE_ENUM:
        return chance.choice([0, 1, 2, 99, -1])
    if field.type == Field.TYPE_BOOL:
        return not old
    if field.type == Field.TYPE_STRING:
        return chance.choice(TEXTS)
    data = old or b""
    return chance.choice([b"", b"\0", b"\xff" * 5000, data[:-1], data + b"\0", bytes(len(data)), b"\1" * 32])


class Stage:
    """One honest round that was played to its end, and who may sign what in it."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.played: Played = lab.play()
        self.partials = [lab.decrypt(name, self.played.evidence) for name in ("holder-1", "holder-2")]
        for partial in self.partials:
            self.played.round.partial(partial)
        round_, evidence = self.played.round, self.played.evidence
        self.bundle = log_pb2.Bundle(
            charter=lab.charter, announcement=round_.announcement, frozen=round_.frozen,
            transcript=round_.transcript, products=round_.products, partials=self.partials,
            release=round_.release(lab.now, lab.keys["coordinator"]), leaf=round_.combine(),
            checkpoint=evidence.checkpoint, inclusion=lab.audit.inclusion(evidence.index, lab.audit.size))

    def sign(self, name: str, domain: str, body: Message) -> bytes:
        """A signature, or 64 zeros where the body has no canonical form to sign."""
        try:
            return sign(self.lab.keys[name], domain, body)
        except NotCanonical:
            return bytes(64)


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    """One lab for all of these tests: none of them may change what it remembers."""
    with TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder:
        yield Stage(Lab(Path(folder)))


def announcement(stage: Stage, chance: random.Random) -> None:
    lab = stage.lab
    body = deformed(lab.announce().body, chance)
    if chance.random() < 0.7:
        body.envelope.signature = stage.sign("ada", "envelope", body.envelope.body)
    if chance.random() < 0.5:
        with suppress(Refused):
            body.plan.CopyFrom(lab.federation.price(body.envelope.body.query).message)
    signature = stage.sign("coordinator", "announcement", body)
    signed = round_pb2.SignedAnnouncement(body=body, signature=signature)
    for receive in (lambda: lab.nodes["tax"].session.decide(signed, lab.now),
                    lambda: Round(lab.federation, signed)):
        with suppress(Refused):
            receive()


def question(stage: Stage, chance: random.Random) -> None:
    body = stage.lab.envelope().body
    body.query.where.all.operands.add().comparison.CopyFrom(query_pb2.Comparison(
        column="income", operator=query_pb2.OPERATOR_GE, literal=query_pb2.Literal(decimal="0.5")))
    body.query.where.all.operands.add().negation.membership.CopyFrom(query_pb2.Membership(
        column="sex", literals=[query_pb2.Literal(text="0")]))
    body.query.statistics.add(alias="mean", kind=query_pb2.STATISTIC_KIND_MEAN, column="income")
    body = deformed(body, chance)
    envelope = query_pb2.SignedEnvelope(body=body, signature=stage.sign("ada", "envelope", body))
    with suppress(Refused):
        announcements.check_envelope(stage.lab.federation, envelope)
    with suppress(Refused):
        stage.lab.federation.price(body.query)


def roster(stage: Stage, chance: random.Random) -> None:
    frozen = stage.played.evidence.frozen
    body = deformed(frozen.body, chance)
    signed = round_pb2.SignedFrozenRoster(body=body, signature=stage.sign("coordinator", "frozen", body))
    with suppress(Refused):
        stage.lab.nodes["tax"].session.reveal(signed, stage.lab.now)
    _examined(stage, lambda evidence: evidence.frozen.CopyFrom(signed))


def commitment(stage: Stage, chance: random.Random) -> None:
    frozen = stage.played.evidence.frozen
    body = deformed(frozen.body.commitments[2].body, chance)
    signed = round_pb2.Commitment(body=body, signature=stage.sign("tax", "commitment", body))
    with suppress(Refused):
        Round(stage.lab.federation, stage.played.round.announcement).commit(signed)

    def plant(evidence: work_pb2.Evidence) -> None:
        evidence.frozen.body.commitments[2].CopyFrom(signed)
        evidence.frozen.signature = stage.sign("coordinator", "frozen", evidence.frozen.body)

    _examined(stage, plant)


def revealed(stage: Stage, chance: random.Random) -> None:
    body = deformed(stage.played.evidence.reveals[2].body, chance)
    signed = round_pb2.Reveal(body=body, signature=stage.sign("tax", "reveal", body))
    fresh = Round(stage.lab.federation, stage.played.round.announcement)
    fresh.frozen = stage.played.round.frozen
    with suppress(Refused):
        fresh.reveal(signed)
    _examined(stage, lambda evidence: evidence.reveals[2].CopyFrom(signed))


def evidence(stage: Stage, chance: random.Random) -> None:
    with suppress(Refused):
        stage.lab.holders["holder-1"].session.examine(deformed(stage.played.evidence, chance))


def partial(stage: Stage, chance: random.Random) -> None:
    body = deformed(stage.partials[0].body, chance)
    signed = round_pb2.Partial(body=body, signature=stage.sign("holder-1", "partial", body))
    fresh = Round(stage.lab.federation, stage.played.round.announcement)
    fresh.transcript, fresh.products = stage.played.round.transcript, stage.played.round.products
    with suppress(Refused):
        fresh.partial(signed)
    _verified(stage, lambda bundle: bundle.partials[0].CopyFrom(signed))


def logged(stage: Stage, chance: random.Random) -> None:
    """The coordinator logs nonsense under a true checkpoint; what was folded survives a restart."""
    lab = stage.lab
    entries = lab.audit.entries(0, lab.audit.size)
    place = chance.randrange(len(entries))
    entries[place] = deformed(entries[place], chance)
    root = bytes(32)
    with suppress(Refused):
        root = Tree([entry_hash(entry) for entry in entries]).root()
    words = text("lab", len(entries), root)
    signed = log_pb2.Checkpoint(text=words, signature=lab.keys["coordinator"].sign(words.encode()))
    follower = Follower(lab.charter)
    with suppress(Refused):
        follower.extend(0, entries, signed)
        assert Follower.load(follower.dump(), lab.charter).dump() == follower.dump()


def bundle(stage: Stage, chance: random.Random) -> None:
    with suppress(Refused):
        verify(deformed(stage.bundle, chance), stage.lab.federation.roster)


def plan(stage: Stage, chance: random.Random) -> None:
    lab = stage.lab
    with suppress(Refused):
        check_plan(deformed(stage.played.round.priced.message, chance), lab.envelope().body.query,
                   lab.charter.catalog.tables[0], lab.charter.roster.policy, 1024)


def _examined(stage: Stage, plant: Callable[[work_pb2.Evidence], object]) -> None:
    evidence = work_pb2.Evidence()
    evidence.CopyFrom(stage.played.evidence)
    plant(evidence)
    with suppress(Refused):
        stage.lab.holders["holder-1"].session.examine(evidence)


def _verified(stage: Stage, plant: Callable[[log_pb2.Bundle], object]) -> None:
    bundle = log_pb2.Bundle()
    bundle.CopyFrom(stage.bundle)
    plant(bundle)
    with suppress(Refused):
        verify(bundle, stage.lab.federation.roster)


@pytest.mark.parametrize("attack", [announcement, question, roster, commitment, revealed, evidence, partial,
                                    logged, bundle, plan])
def test_a_deformed_message_is_refused_and_nothing_else(
    stage: Stage, attack: Callable[[Stage, random.Random], None]
) -> None:
    for seed in range(TRIES):
        chance = random.Random(zlib.crc32(attack.__name__.encode()) + seed)
        try:
            attack(stage, chance)
        except Exception as error:
            raise AssertionError(f"{attack.__name__} {seed}: {type(error).__name__}: {error}") from error
    session = stage.lab.holders["holder-1"].session
    assert session.decrypt(session.examine(stage.played.evidence)) == stage.partials[0]
