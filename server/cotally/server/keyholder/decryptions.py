"""What a key holder remembers for ever: which rounds it decrypted, and which logs it cosigned."""

from pathlib import Path

import sqlalchemy as sa

from cotally.server.store.database import Schema, open_database
from cotally.v1 import round_pb2
from cotally.v1.refusals import Refusal, Refused

_metadata = sa.MetaData()
_decryptions = sa.Table(
    "decryptions", _metadata,
    sa.Column("round", sa.LargeBinary, primary_key=True),
    sa.Column("query_id", sa.LargeBinary, nullable=False, unique=True),
    sa.Column("transcript", sa.LargeBinary, nullable=False),
    sa.Column("partial", sa.LargeBinary),
)
SCHEMA = Schema("key holder decryptions", 1, _metadata, {})


class Decryptions:
    """One row per round, written before the key share is used."""

    def __init__(self, path: Path) -> None:
        self._engine = open_database(path, SCHEMA)

    def record(self, round_: bytes, query_id: bytes, transcript: bytes) -> round_pb2.Partial | None:
        """Bind a round, and its query id, to one transcript; return the partial if it was made before.

        A second transcript for a round, or a second round for a query id, is refused.
        """
        try:
            with self._engine.begin() as db:
                row = db.execute(
                    sa.select(_decryptions).where(_decryptions.c.round == round_)).one_or_none()
                if row is None:
                    db.execute(_decryptions.insert().values(
                        round=round_, query_id=query_id, transcript=transcript))
                    return None
        except sa.exc.IntegrityError:
            raise Refused(Refusal.REPLAYED, "this question was already decrypted in another round") from None
        if row.transcript != transcript:
            raise Refused(Refusal.REPLAYED, "this round was already decrypted under another transcript")
        return None if row.partial is None else round_pb2.Partial.FromString(row.partial)

    def store(self, round_: bytes, partial: round_pb2.Partial) -> None:
        """Keep the partial, so that a repeated request gets the same bytes and no new use of the key."""
        with self._engine.begin() as db:
            db.execute(_decryptions.update().values(partial=partial.SerializeToString()).where(
                _decryptions.c.round == round_))
