"""Of what nodes reveal to and key holders decrypt by, nothing can be changed, left out, repeated or moved.

Each is tried in turn: first by the coordinator alone, then by the coordinator with every department on its
side, who all sign again what was changed. The evidence has no cosignature more than it needs, or one could
be spared.
"""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from cotally.server.audit.checkpoint import cosign_bytes, text
from cotally.server.audit.follower import Follower, entry_hash
from cotally.server.audit.merkle import Tree
from cotally.server.protocol.announcement import round_id
from cotally.server.protocol.frozen import freeze
from cotally.server.wire.signed import sign
from cotally.v1 import log_pb2, round_pb2, work_pb2
from cotally.v1.refusals import Refused
from tests.protocol.lab import Lab
from tests.protocol.planting import four
from tests.unit.client.verify.test_every_field import changed, label, leaves, walk

Steps = tuple[tuple[str, int | None], ...]
Change = Callable[[Message], None]
_QUORUM = 5


def changes(message: Message) -> Iterator[tuple[str, Change]]:
    """Every set scalar, the first and the last of repeated ones; and every list, shortened and so on."""
    for path in leaves(message):
        if path[-1][1] is None:
            yield label(path), partial(_alter, path)
    for path, count in _lists(message, ()):
        for k in {0, count - 1}:
            yield f"{label(path)} without {k}", partial(_shorten, path, k)
            yield f"{label(path)} with {k} twice", partial(_repeat, path, k)
        if count > 1:
            yield f"{label(path)} backwards", partial(_reverse, path)


def _alter(path: Steps, message: Message) -> None:
    parent, name = walk(message, path[:-1]), path[-1][0]
    setattr(parent, name, changed(getattr(parent, name)))


def _shorten(path: Steps, k: int, message: Message) -> None:
    del walk(message, path)[k]


def _repeat(path: Steps, k: int, message: Message) -> None:
    walk(message, path).append(walk(message, path)[k])


def _reverse(path: Steps, message: Message) -> None:
    walk(message, path).reverse()


def _lists(message: Message, path: Steps) -> Iterator[tuple[Steps, int]]:
    for field, value in message.ListFields():
        if field.is_repeated:
            yield (*path, (field.name, None)), len(value)
        if field.type == FieldDescriptor.TYPE_MESSAGE:
            for k, element in enumerate(value) if field.is_repeated else [(None, value)]:
                yield from _lists(element, (*path, (field.name, k)))


def sign_again(lab: Lab, evidence: work_pb2.Evidence) -> None:
    """Everybody but the analyst and the witnesses signs what stands there now."""
    coordinator = lab.keys["coordinator"]
    evidence.announcement.signature = sign(coordinator, "announcement", evidence.announcement.body)
    for commitment in evidence.frozen.body.commitments:
        if commitment.body.node in lab.nodes:
            key, grant = lab.keys[commitment.body.node], commitment.body.grant
            grant.signature = sign(key, "grant", grant.body)
            commitment.signature = sign(key, "commitment", commitment.body)
    evidence.frozen.signature = sign(coordinator, "frozen", evidence.frozen.body)
    for opened in evidence.reveals:
        if opened.body.node in lab.nodes:
            opened.signature = sign(lab.keys[opened.body.node], "reveal", opened.body)


@pytest.mark.parametrize("again", [False, True], ids=["by the coordinator", "signed again by all"])
def test_no_field_of_the_evidence_can_be_changed(lab: Lab, again: bool) -> None:
    evidence, session = lab.play().evidence, lab.holders["holder-1"].session
    del evidence.checkpoint.cosignatures[_QUORUM:]
    session.examine(evidence)
    allowed = {"checkpoint.cosignatures backwards",  # one that comes twice counts once
               *(f"checkpoint.cosignatures with {k} twice" for k in (0, _QUORUM - 1))}
    tried, accepted = 0, set()
    for name, change in changes(evidence):
        forged = work_pb2.Evidence()
        forged.CopyFrom(evidence)
        change(forged)
        if again:
            sign_again(lab, forged)
            if forged == evidence:
                continue
        tried += 1
        try:
            session.examine(forged)
        except Refused:
            continue
        accepted.add(name)
    assert tried > 150 and accepted == allowed


def test_an_announcement_leaves_a_coordinator_few_choices(folder: Path) -> None:
    """Nonce and times within their bounds, and who takes part, never fewer than the minimum."""
    lab = four(folder)
    announcement, accepted = lab.announce(), set()
    for name, change in changes(announcement):
        forged = round_pb2.SignedAnnouncement()
        forged.CopyFrom(announcement)
        change(forged)
        forged.signature = sign(lab.keys["coordinator"], "announcement", forged.body)
        try:
            lab.nodes["north"].session.decide(forged, lab.now)
        except Refused:
            continue
        accepted.add(name)
    assert accepted == {"signature", "body.nonce", "body.announced_ms", "body.deadline_ms",
                        "body.participants without 0", "body.participants without 3"}


def test_no_field_of_a_roster_can_be_changed_for_who_reveals(lab: Lab) -> None:
    announcement = lab.announce()
    frozen = freeze(round_id(announcement), [lab.commit(name, announcement) for name in lab.nodes],
                    lab.keys["coordinator"])
    session, accepted = lab.nodes["north"].session, []
    for name, change in changes(frozen):
        forged = round_pb2.SignedFrozenRoster()
        forged.CopyFrom(frozen)
        change(forged)
        forged.signature = sign(lab.keys["coordinator"], "frozen", forged.body)
        try:
            session.reveal(forged, lab.now)
        except Refused:
            continue
        accepted.append(name)
    assert accepted == ["signature"]  # which was made again
    assert session.reveal(frozen, lab.now).body.node == "north"


def entry_changes(entries: list[log_pb2.LogEntry]) -> Iterator[tuple[str, list[log_pb2.LogEntry]]]:
    """The log, and every one that differs in one field or lacks an entry."""
    yield "as it was", entries
    for at, entry in enumerate(entries):
        kind = f"{at} {entry.WhichOneof('leaf')}"
        yield f"{kind} left out", entries[:at] + entries[at + 1:]
        for path in leaves(entry):
            altered = log_pb2.LogEntry()
            altered.CopyFrom(entry)
            parent, (name, place) = walk(altered, path[:-1]), path[-1]
            if place is None:
                setattr(parent, name, changed(getattr(parent, name)))
            else:
                getattr(parent, name)[place] = changed(getattr(parent, name)[place])
            yield f"{kind} {label(path)}", [*entries[:at], altered, *entries[at + 1:]]


def test_no_field_of_the_log_can_be_changed(lab: Lab) -> None:
    """Every witness cosigns whatever it is shown; the key holder folded that very log."""
    evidence = lab.play().evidence
    entries = lab.audit.entries(0, lab.audit.size)
    tried, accepted = 0, []
    for name, log in entry_changes(entries):
        tried += 1
        follower = Follower(lab.charter)
        tree = Tree(entry_hash(entry) for entry in log)
        words = text("lab", tree.size, tree.root())
        evidence.checkpoint.checkpoint.text = words
        evidence.checkpoint.checkpoint.signature = lab.keys["coordinator"].sign(words.encode())
        for each in evidence.checkpoint.cosignatures:
            each.signature = lab.keys[each.witness].sign(cosign_bytes(words))
        session = lab.holders["holder-1"].session
        session.follower = follower
        try:
            follower.fold(log)
            evidence.index = follower.transcript_index(round_id(evidence.announcement)) or 0
            session.examine(evidence)
        except Refused:
            continue
        accepted.append(name)
    assert tried > 50 and accepted == ["as it was"]
