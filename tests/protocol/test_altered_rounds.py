"""Planted replays, and rounds whose question, plan, key or signatures were altered."""

from collections.abc import Callable

import pytest

from cotally.server.protocol.announcement import announce
from cotally.server.wire.signed import sign
from cotally.v1 import round_pb2
from cotally.v1.refusals import Refusal
from tests.protocol.lab import Lab
from tests.protocol.planting import forget_rounds, less_noise, refused_as, resigned

# Replays


def test_a_replayed_envelope_is_refused_by_nodes_and_key_holders(lab: Lab) -> None:
    envelope = lab.envelope()
    first = lab.play(envelope)
    lab.decrypt("holder-1", first.evidence)
    again = lab.announce(envelope)
    refused_as(Refusal.REPLAYED, lambda: lab.commit("tax", again))
    # Were the nodes to agree, key holders still would not.
    forget_rounds(lab)
    second = lab.play(envelope)
    refused_as(Refusal.REPLAYED, lambda: lab.decrypt("holder-1", second.evidence))


def test_a_decryption_asked_twice_gives_the_same_bytes_or_nothing(lab: Lab) -> None:
    played = lab.play()
    first = lab.decrypt("holder-1", played.evidence)
    assert lab.decrypt("holder-1", played.evidence) == first
    session = lab.holders["holder-1"].session
    examined = session.examine(played.evidence)
    examined.transcript.product = bytes(32)
    refused_as(Refusal.REPLAYED, lambda: session.decrypt(examined))


def test_an_expired_question_is_refused(lab: Lab) -> None:
    announcement = lab.announce()
    session = lab.nodes["tax"].session
    refused_as(Refusal.CLOCK_SKEW, lambda: session.decide(announcement, lab.now + 120_000))
    refused_as(Refusal.CLOCK_SKEW, lambda: session.decide(announcement, lab.now - 6_000))
    envelope = lab.envelope()
    lab.now += 61_000
    refused_as(Refusal.EXPIRED, lambda: lab.commit("tax", lab.announce(envelope)))

# Altered questions, plans and keys

ALTERATIONS: dict[str, tuple[Refusal, Callable[[round_pb2.Announcement], object]]] = {
    "less noise": (Refusal.PLAN_MISMATCH, less_noise),
    "a lower price": (Refusal.PLAN_MISMATCH, lambda b: setattr(b.plan, "pico_loss", 1)),
    "a lower minimum": (Refusal.PLAN_MISMATCH, lambda b: setattr(b.plan, "minimum", 1)),
    "wider slots": (Refusal.PLAN_MISMATCH,
                    lambda b: setattr(b.plan.packing, "plaintext_bits", b.plan.packing.plaintext_bits - 1)),
    "an earlier answer": (Refusal.PLAN_MISMATCH, lambda b: setattr(b.plan, "answer_ms", 1)),
    "another key": (Refusal.PLAN_MISMATCH, lambda b: setattr(b, "public_key", bytes(32))),
    "another key epoch, hence another h_s": (Refusal.PLAN_MISMATCH, lambda b: setattr(b, "key_epoch", 2)),
    "another catalog": (Refusal.PLAN_MISMATCH, lambda b: setattr(b, "catalog", bytes(32))),
    "another federation": (Refusal.PLAN_MISMATCH, lambda b: setattr(b, "federation", "zoo")),
    "another roster": (Refusal.PLAN_MISMATCH, lambda b: setattr(b, "roster", bytes(32))),
    "another vintage": (Refusal.PLAN_MISMATCH, lambda b: setattr(b, "vintage", "2")),
    "another protocol": (Refusal.PROTOCOL_VERSION, lambda b: setattr(b, "version", 2)),
    "another question": (Refusal.CREDENTIALS,
                         lambda b: b.envelope.body.query.statistics.append(
                             b.envelope.body.query.statistics[0])),
    "another purpose": (Refusal.CREDENTIALS, lambda b: setattr(b.envelope.body, "purpose", "marketing")),
    "a participant twice": (Refusal.MALFORMED, lambda b: b.participants.append("tax")),
    "a minted department": (Refusal.MALFORMED, lambda b: b.participants.append("zoo")),
    "an endless deadline": (Refusal.PLAN_MISMATCH, lambda b: setattr(b, "deadline_ms", b.deadline_ms * 2)),
    "an endless round": (Refusal.PLAN_MISMATCH, lambda b: setattr(b, "expires_ms", b.expires_ms + 10**9)),
    "no nonce": (Refusal.MALFORMED, lambda b: setattr(b, "nonce", b"")),
}


@pytest.mark.parametrize("what", ALTERATIONS)
def test_an_altered_announcement_is_refused(lab: Lab, what: str) -> None:
    refusal, alter = ALTERATIONS[what]
    refused_as(refusal, lambda: lab.commit("tax", resigned(lab, alter)))


def test_an_announcement_of_somebody_else_is_refused(lab: Lab) -> None:
    body = lab.announce().body
    forged = round_pb2.SignedAnnouncement(body=body, signature=sign(lab.keys["eve"], "announcement", body))
    refused_as(Refusal.CREDENTIALS, lambda: lab.commit("tax", forged))


def test_a_question_in_another_analysts_name_is_refused(lab: Lab) -> None:
    forged = lab.envelope(analyst="ada", signer="eve")
    priced = lab.federation.price(forged.body.query)
    announced = announce(lab.federation, forged, priced, list(lab.nodes), b"n" * 16, lab.now,
                         lab.keys["coordinator"])
    refused_as(Refusal.CREDENTIALS, lambda: lab.commit("tax", announced))


def test_a_grant_that_the_department_did_not_sign_is_refused_by_everybody(lab: Lab) -> None:
    session = lab.nodes["tax"].session
    forged = lab.grant("tax", "eve")
    forged.signature = sign(lab.keys["eve"], "grant", forged.body)
    session.permissions.grants = [forged]
    envelope = lab.envelope(analyst="eve")
    refused_as(Refusal.CREDENTIALS, lambda: lab.commit("tax", lab.announce(envelope)))
