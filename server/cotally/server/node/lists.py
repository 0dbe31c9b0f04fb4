"""The lists of revocations that this department's node has read: durable, so that serials never go back."""

import sqlalchemy as sa

from cotally.server.store.database import Schema
from cotally.v1 import query_pb2

_metadata = sa.MetaData()
_lists = sa.Table(
    "revocations", _metadata,
    sa.Column("serial", sa.Integer, primary_key=True),
    sa.Column("message", sa.LargeBinary, nullable=False),
)
SCHEMA = Schema("node revocations", 1, _metadata)


class Lists:
    """The department's own lists in the database behind *engine* (opened with SCHEMA)."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def last(self) -> query_pb2.SignedRevocation | None:
        """The one with the highest serial, or None."""
        with self._engine.begin() as db:
            data = db.execute(sa.select(_lists.c.message).order_by(_lists.c.serial.desc()).limit(1)).scalar()
        return None if data is None else query_pb2.SignedRevocation.FromString(data)

    def keep(self, signed: query_pb2.SignedRevocation) -> None:
        """Store a list with a new serial, before it counts; of one serial, the first."""
        with self._engine.begin() as db:
            db.execute(_lists.insert().prefix_with("OR IGNORE").values(
                serial=signed.body.serial, message=signed.SerializeToString(deterministic=True)))
