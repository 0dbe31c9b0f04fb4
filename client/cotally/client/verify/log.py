"""The whole log against one witnessed checkpoint: for auditors who fetched every entry."""

from collections.abc import Sequence

from cotally.v1 import log_pb2, roster_pb2
from cotally.v1.canonical import NotCanonical, canonical, digest
from cotally.v1.refusals import Refusal, Refused

from .checkpoint import Head, check_witnessed
from .merkle import leaf_hash, root
from .signatures import Signatories


def entry_hash(entry: log_pb2.LogEntry) -> bytes:
    """Return the leaf hash of *entry*: RFC 6962 over its canonical bytes."""
    return leaf_hash(canonical(entry))


def verify_log(
    charter: roster_pb2.Charter,
    roster_fingerprint: bytes,
    entries: Sequence[log_pb2.LogEntry],
    witnessed: log_pb2.WitnessedCheckpoint,
) -> Head:
    """Return the head that *entries* add up to, which is the one that the witnesses cosigned.

    *entries* are all entries of the log from the first. Refuses another roster than the pinned one, a
    checkpoint without its quorum, entries that do not hash to its root, and a log that does not begin
    with this federation's genesis.
    """
    try:
        if digest("roster", charter.roster) != roster_fingerprint:
            raise Refused(Refusal.CREDENTIALS, "the roster is not the pinned one")
        head, _ = check_witnessed(witnessed, charter.roster, Signatories(charter.roster))
        if head.size != len(entries):
            raise Refused(
                Refusal.EQUIVOCATION,
                f"the log gave {len(entries)} entries and its checkpoint speaks of {head.size}")
        if root(entry_hash(entry) for entry in entries) != head.root:
            raise Refused(Refusal.EQUIVOCATION, "the log's entries do not hash to the witnessed root")
        _check_genesis(charter, roster_fingerprint, entries)
    except NotCanonical as error:
        raise Refused(
            Refusal.MALFORMED, f"the log holds an entry without canonical form: {error}") from error
    return head


def _check_genesis(
    charter: roster_pb2.Charter, fingerprint: bytes, entries: Sequence[log_pb2.LogEntry],
) -> None:
    if not entries or entries[0].WhichOneof("leaf") != "genesis":
        raise Refused(Refusal.EQUIVOCATION, "the log does not begin with a genesis entry")
    genesis = entries[0].genesis
    pinned = (charter.roster.federation, fingerprint, charter.roster.catalog, charter.roster.public_key)
    if (genesis.federation, genesis.roster, genesis.catalog, genesis.public_key) != pinned:
        raise Refused(Refusal.EQUIVOCATION, "the log begins with another federation's genesis")
