"""What the coordinator keeps of its rounds, so that a restart goes on where it was."""

from collections.abc import Iterator, Sequence
from enum import StrEnum
from pathlib import Path

import sqlalchemy as sa

from cotally.server.store.database import Schema, open_database
from cotally.server.wire.equal import fingerprint
from cotally.server.wire.federation import Federation
from cotally.v1 import log_pb2, round_pb2
from cotally.v1.refusals import Refusal, Refused

from .session import Round


class State(StrEnum):
    """Where a round stands."""

    OPEN = "open"
    RELEASED = "released"
    DEAD = "dead"


class Part(StrEnum):
    """What was collected for a round, one per party."""

    COMMITMENT = "commitment"
    REVEAL = "reveal"
    PARTIAL = "partial"
    VOID = "void"
    WITHHELD = "withheld"  # its party committed and did not reveal; the message is empty


_metadata = sa.MetaData()
_rounds = sa.Table(
    "rounds", _metadata,
    sa.Column("round", sa.LargeBinary, primary_key=True),
    sa.Column("query_id", sa.LargeBinary, nullable=False, unique=True),
    sa.Column("analyst", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("announcement", sa.LargeBinary, nullable=False),
    sa.Column("frozen", sa.LargeBinary),
    sa.Column("bundle", sa.LargeBinary),
    sa.Column("refusal", sa.Text),
    sa.Column("message", sa.Text),
    sa.Column("question", sa.LargeBinary),  # what equal questions share; NULL in rounds of older versions
)
_parts = sa.Table(
    "parts", _metadata,
    sa.Column("round", sa.LargeBinary, primary_key=True),
    sa.Column("part", sa.Text, primary_key=True),
    sa.Column("party", sa.Text, primary_key=True),
    sa.Column("message", sa.LargeBinary, nullable=False),
)


def _add_question(db: sa.Connection) -> None:
    db.exec_driver_sql("ALTER TABLE rounds ADD COLUMN question BLOB")


SCHEMA = Schema("coordinator rounds", 2, _metadata, {1: _add_question})


class Rounds:
    """The table of rounds; every method is one durable transaction."""

    def __init__(self, path: Path) -> None:
        self._engine = open_database(path, SCHEMA)

    def open(self, round_: Round) -> None:
        """Store a round before it is posted."""
        envelope = round_.announcement.body.envelope.body
        question = fingerprint(envelope.query, round_.federation.charter.catalog)
        with self._engine.begin() as db:
            db.execute(_rounds.insert().values(
                round=round_.id, query_id=envelope.query_id, analyst=envelope.analyst, state=State.OPEN,
                announcement=round_.announcement.SerializeToString(), question=question))

    def find(self, query_id: bytes) -> bytes | None:
        """The round that was announced for a query id, or None."""
        with self._engine.begin() as db:
            return db.execute(sa.select(_rounds.c.round).where(
                _rounds.c.query_id == query_id)).scalar_one_or_none()

    def announcement(self, round_: bytes) -> round_pb2.SignedAnnouncement | None:
        """What was announced as *round_*, or None."""
        with self._engine.begin() as db:
            data = db.execute(sa.select(_rounds.c.announcement).where(
                _rounds.c.round == round_)).scalar_one_or_none()
        return None if data is None else round_pb2.SignedAnnouncement.FromString(data)

    def keep(self, round_: bytes, part: Part, party: str,
             message: round_pb2.Commitment | round_pb2.Reveal | round_pb2.Partial | round_pb2.VoidStatement,
             ) -> None:
        """Store what one party sent; the same again changes nothing."""
        with self._engine.begin() as db:
            db.execute(_parts.insert().prefix_with("OR IGNORE").values(
                round=round_, part=part, party=party, message=message.SerializeToString()))

    def freeze(self, round_: bytes, frozen: round_pb2.SignedFrozenRoster) -> None:
        """Store the one frozen roster before anybody sees it."""
        self._update(round_, frozen=frozen.SerializeToString())

    def release(self, round_: bytes, bundle: log_pb2.Bundle) -> None:
        """Store the release with its proof, and delete the departments' ciphertexts."""
        with self._engine.begin() as db:
            db.execute(_rounds.update().values(
                state=State.RELEASED, bundle=bundle.SerializeToString()).where(_rounds.c.round == round_))
            db.execute(_parts.delete().where(_parts.c.round == round_, _parts.c.part == Part.REVEAL))

    def die(self, round_: bytes, refused: Refused, withheld: Sequence[str] = ()) -> bool:
        """Record why a round ended without a release, and delete the departments' ciphertexts.

        False, and nothing changes, where a release is stored: somebody may hold it already.
        """
        with self._engine.begin() as db:
            died = db.execute(_rounds.update().values(
                state=State.DEAD, refusal=refused.refusal, message=refused.message).where(
                _rounds.c.round == round_, _rounds.c.state != State.RELEASED)).rowcount == 1
            if died:
                for name in withheld:
                    db.execute(_parts.insert().prefix_with("OR IGNORE").values(
                        round=round_, part=Part.WITHHELD, party=name, message=b""))
                db.execute(_parts.delete().where(_parts.c.round == round_, _parts.c.part == Part.REVEAL))
        return died

    def withheld(self, round_: bytes) -> list[str]:
        """Names of the departments that withheld in a dead round, sorted."""
        with self._engine.begin() as db:
            return sorted(db.execute(sa.select(_parts.c.party).where(
                _parts.c.round == round_, _parts.c.part == Part.WITHHELD)).scalars())

    def all(self) -> list[tuple[bytes, bool]]:
        """Every round in the order of their announcement, and whether it has an outcome."""
        with self._engine.begin() as db:
            rows = db.execute(sa.select(_rounds.c.round, _rounds.c.state).order_by(
                sa.literal_column("rowid"))).all()
        return [(row.round, row.state != State.OPEN) for row in rows]

    def outcome(self, round_: bytes) -> log_pb2.Bundle | Refused | None:
        """The bundle of a released round, the refusal of a dead one, None while it is open."""
        with self._engine.begin() as db:
            row = db.execute(sa.select(_rounds).where(_rounds.c.round == round_)).one_or_none()
        if row is None:
            raise Refused(Refusal.UNKNOWN_NAME, "there is no such release")
        if row.state == State.RELEASED:
            return log_pb2.Bundle.FromString(row.bundle)
        if row.state == State.DEAD:
            return Refused(Refusal(row.refusal), row.message)
        return None

    def analyst(self, round_: bytes) -> str | None:
        """Who asked, or None for an unknown round."""
        with self._engine.begin() as db:
            return db.execute(sa.select(_rounds.c.analyst).where(
                _rounds.c.round == round_)).scalar_one_or_none()

    def answering(self, question: bytes) -> list[bytes]:
        """Released rounds of questions equal to the one with this fingerprint, the latest first."""
        with self._engine.begin() as db:
            return list(db.execute(sa.select(_rounds.c.round).where(
                _rounds.c.question == question, _rounds.c.state == State.RELEASED).order_by(
                sa.literal_column("rowid").desc())).scalars())

    def dead(self) -> Iterator[tuple[bytes, list[round_pb2.VoidStatement]]]:
        """Dead rounds in which somebody committed, with what key holders stated of them so far."""
        committed = sa.select(_parts.c.round).where(_parts.c.part == Part.COMMITMENT)
        with self._engine.begin() as db:
            found = db.execute(sa.select(_rounds.c.round).where(
                _rounds.c.state == State.DEAD, _rounds.c.round.in_(committed))).scalars().all()
        for round_ in found:
            yield round_, [round_pb2.VoidStatement.FromString(m) for m in self._parts_of(round_, Part.VOID)]

    def unfinished(self, federation: Federation) -> Iterator[Round]:
        """Rounds that a restart must go on with, with everything collected so far."""
        with self._engine.begin() as db:
            rows = db.execute(sa.select(_rounds).where(_rounds.c.state == State.OPEN)).all()
        for row in rows:
            round_ = Round(federation, round_pb2.SignedAnnouncement.FromString(row.announcement))
            if row.frozen is not None:
                frozen = round_pb2.SignedFrozenRoster.FromString(row.frozen)
                for commitment in frozen.body.commitments:
                    round_.commitments[commitment.body.node] = commitment
                round_.frozen = frozen
            for message in self._parts_of(row.round, Part.COMMITMENT):
                if row.frozen is None:
                    round_.commit(round_pb2.Commitment.FromString(message))
            for message in self._parts_of(row.round, Part.REVEAL):
                round_.reveal(round_pb2.Reveal.FromString(message))
            yield round_

    def _parts_of(self, round_: bytes, part: Part) -> list[bytes]:
        with self._engine.begin() as db:
            return list(db.execute(sa.select(_parts.c.message).where(
                _parts.c.round == round_, _parts.c.part == part)).scalars())

    def _update(self, round_: bytes, **values: object) -> None:
        with self._engine.begin() as db:
            db.execute(_rounds.update().values(**values).where(_rounds.c.round == round_))
