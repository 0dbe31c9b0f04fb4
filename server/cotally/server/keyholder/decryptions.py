"""What a key holder remembers for ever: which rounds it decrypted, and which it swore never to decrypt.

A round is in one of the two tables at most: each write looks at the other in its own transaction,
and transactions of one file follow one another.
"""

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
_voids = sa.Table(
    "voids", _metadata,
    sa.Column("round", sa.LargeBinary, primary_key=True),
)
SCHEMA = Schema("key holder decryptions", 2, _metadata, {1: _voids.create})


class Decryptions:
    """One row per round, written before the key share is used."""

    def __init__(self, path: Path) -> None:
        self._engine = open_database(path, SCHEMA)

    def record(self, round_: bytes, query_id: bytes, transcript: bytes) -> round_pb2.Partial | None:
        """Bind a round, and its query id, to one transcript; return the partial if it was made before.

        A second transcript for a round, a second round for a query id, or a void round is refused.
        """
        try:
            with self._engine.begin() as db:
                if db.execute(sa.select(_voids).where(_voids.c.round == round_)).one_or_none() is not None:
                    raise Refused(Refusal.OUT_OF_ORDER, "this key holder has sworn that the round is void")
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

    def void(self, round_: bytes) -> None:
        """Never decrypt the round from here on; refuse where the key share may have been used for it."""
        with self._engine.begin() as db:
            if db.execute(sa.select(_decryptions.c.round).where(
                    _decryptions.c.round == round_)).one_or_none() is not None:
                raise Refused(Refusal.OUT_OF_ORDER, "this key holder has decrypted the round")
            db.execute(_voids.insert().prefix_with("OR IGNORE").values(round=round_))

    def store(self, round_: bytes, partial: round_pb2.Partial) -> None:
        """Keep the partial, so that a repeated request gets the same bytes and no new use of the key."""
        with self._engine.begin() as db:
            db.execute(_decryptions.update().values(partial=partial.SerializeToString()).where(
                _decryptions.c.round == round_))
