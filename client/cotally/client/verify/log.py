"""The leaf hash of a log entry."""

from cotally.v1 import log_pb2
from cotally.v1.canonical import canonical

from .merkle import leaf_hash


def entry_hash(entry: log_pb2.LogEntry) -> bytes:
    """Return the leaf hash of *entry*: RFC 6962 over its canonical bytes; NotCanonical if it has none."""
    return leaf_hash(canonical(entry))
