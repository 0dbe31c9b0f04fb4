"""What a node keeps of its rounds: enough to answer again after a crash, never to measure twice."""

from dataclasses import dataclass
from enum import StrEnum

import sqlalchemy as sa

from cotally.server.store.database import Schema
from cotally.v1 import round_pb2
from cotally.v1.refusals import Refusal, Refused


class State(StrEnum):
    """How far a round has come at this node."""

    RESERVED = "reserved"    # the price is spent; data may have been opened
    COMMITTED = "committed"  # measured, sealed and stored
    REVEALED = "revealed"    # bound to one frozen roster
    DONE = "done"            # released or dead; secrets deleted


_metadata = sa.MetaData()
_rounds = sa.Table(
    "rounds", _metadata,
    sa.Column("round", sa.LargeBinary, primary_key=True),
    sa.Column("query_id", sa.LargeBinary, nullable=False, unique=True),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("announcement", sa.LargeBinary, nullable=False),
    sa.Column("commitment", sa.LargeBinary),
    sa.Column("salt", sa.LargeBinary),
    sa.Column("ciphertexts", sa.LargeBinary),
    sa.Column("proof", sa.LargeBinary),
    sa.Column("frozen", sa.LargeBinary),
)
SCHEMA = Schema("node rounds", 1, _metadata, {})


@dataclass(frozen=True, slots=True)
class Sealed:
    """The secret part of a commitment, as it was stored before anything was sent."""

    salt: bytes
    ciphertexts: bytes
    proof: round_pb2.PlaintextProof

    def __repr__(self) -> str:
        return "Sealed(...)"


@dataclass(frozen=True, slots=True)
class Record:
    """One round of this node."""

    round: bytes
    state: State
    announcement: round_pb2.SignedAnnouncement
    commitment: round_pb2.Commitment | None
    sealed: Sealed | None
    frozen: bytes | None


class Rounds:
    """The table of rounds in the database behind *engine* (opened with SCHEMA), which is the ledger's.

    Every method but `open` and `close` is one durable transaction.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def get(self, round_: bytes) -> Record | None:
        """The record of a round, or None."""
        with self._engine.begin() as db:
            row = db.execute(sa.select(_rounds).where(_rounds.c.round == round_)).one_or_none()
        return None if row is None else _record(row)

    @staticmethod
    def open(db: sa.Connection, round_: bytes, announcement: round_pb2.SignedAnnouncement) -> None:
        """Remember a round in the transaction that reserves its price; one round per query id."""
        try:
            db.execute(_insert(round_, announcement, State.RESERVED))
        except sa.exc.IntegrityError:
            raise Refused(Refusal.REPLAYED, "this question was already asked in another round") from None

    def refuse(self, round_: bytes, announcement: round_pb2.SignedAnnouncement) -> None:
        """Remember a round that is over before it began: nothing was spent, and its query id is used up."""
        with self._engine.begin() as db:
            db.execute(_insert(round_, announcement, State.DONE).prefix_with("OR IGNORE"))

    def committed(self, round_: bytes, commitment: round_pb2.Commitment, sealed: Sealed) -> None:
        """Store the measurement and its commitment, before either leaves; once, in an open round."""
        values = {"state": State.COMMITTED, "commitment": commitment.SerializeToString(), "salt": sealed.salt,
                  "ciphertexts": sealed.ciphertexts, "proof": sealed.proof.SerializeToString()}
        with self._engine.begin() as db:
            stored = db.execute(_rounds.update().values(values).where(
                _rounds.c.round == round_, _rounds.c.state == State.RESERVED)).rowcount
        if stored != 1:
            raise Refused(Refusal.OUT_OF_ORDER, "this round is over, or was measured before")

    def bind(self, round_: bytes, frozen: bytes) -> None:
        """Record the one roster that this node will ever reveal to for this round."""
        with self._engine.begin() as db:
            bound = db.execute(_rounds.update().values(state=State.REVEALED, frozen=frozen).where(
                _rounds.c.round == round_,
                sa.or_(_rounds.c.frozen.is_(None), _rounds.c.frozen == frozen))).rowcount
        if bound != 1:
            raise Refused(Refusal.EQUIVOCATION, "two frozen rosters were shown for one round")

    def forget(self, round_: bytes) -> None:
        """Delete the secrets of a round that died."""
        with self._engine.begin() as db:
            self.close(db, round_)

    @staticmethod
    def close(db: sa.Connection, round_: bytes) -> None:
        """Delete the secrets of a round that ended, in the transaction that commits its price."""
        db.execute(_rounds.update().values(
            state=State.DONE, salt=None, ciphertexts=None, proof=None).where(
            _rounds.c.round == round_, _rounds.c.state != State.DONE))


def _insert(round_: bytes, announcement: round_pb2.SignedAnnouncement, state: State) -> sa.Insert:
    return _rounds.insert().values(
        round=round_, query_id=announcement.body.envelope.body.query_id, state=state,
        announcement=announcement.SerializeToString())


def _record(row: sa.Row[tuple[object, ...]]) -> Record:
    r = row._mapping
    sealed = None
    if r["ciphertexts"] is not None:
        sealed = Sealed(r["salt"], r["ciphertexts"], round_pb2.PlaintextProof.FromString(r["proof"]))
    commitment = None
    if r["commitment"] is not None:
        commitment = round_pb2.Commitment.FromString(r["commitment"])
    return Record(r["round"], State(r["state"]),
                  round_pb2.SignedAnnouncement.FromString(r["announcement"]), commitment, sealed, r["frozen"])
