"""The whole log against one witnessed checkpoint: for auditors who fetched every entry."""

from collections.abc import Sequence

from cotally.v1 import log_pb2, roster_pb2
from cotally.v1.canonical import NotCanonical, canonical, digest
from cotally.v1.refusals import Refusal, Refused

from . import lineage
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

    *entries* are all entries of the log from the first. Refuses a roster that the pin does not reach, a
    checkpoint without its quorum, entries that do not hash to its root, a log that does not begin with
    this federation's genesis, and one whose successions are not those of *charter* and approved ones after.
    """
    try:
        lineage.check_reached(charter, _later_successions(charter, entries), roster_fingerprint)
        head, _ = check_witnessed(witnessed, charter.roster, Signatories(charter.roster))
        if head.size != len(entries):
            raise Refused(
                Refusal.EQUIVOCATION,
                f"the log gave {len(entries)} entries and its checkpoint speaks of {head.size}")
        if root(entry_hash(entry) for entry in entries) != head.root:
            raise Refused(Refusal.EQUIVOCATION, "the log's entries do not hash to the witnessed root")
        _check_genesis(charter, entries)
    except NotCanonical as error:
        raise Refused(
            Refusal.MALFORMED, f"the log holds an entry without canonical form: {error}") from error
    return head


def _check_genesis(
    charter: roster_pb2.Charter, entries: Sequence[log_pb2.LogEntry],
) -> None:
    if not entries or entries[0].WhichOneof("leaf") != "genesis":
        raise Refused(Refusal.EQUIVOCATION, "the log does not begin with a genesis entry")
    genesis = entries[0].genesis
    first = charter.lineage[0].roster if charter.lineage else charter.roster
    pinned = (first.federation, digest("roster", first), first.catalog, first.public_key)
    if (genesis.federation, genesis.roster, genesis.catalog, genesis.public_key) != pinned:
        raise Refused(Refusal.EQUIVOCATION, "the log begins with another federation's genesis")


def _later_successions(
    charter: roster_pb2.Charter, entries: Sequence[log_pb2.LogEntry],
) -> list[roster_pb2.Succession]:
    """Return the logged successions after the charter's own; refuse a log with others before."""
    logged = [entry.succession.succession for entry in entries if entry.HasField("succession")]
    chain = [link.roster for link in (*charter.lineage, lineage.own_link(charter))]
    if [link.roster for link in logged[:len(charter.lineage)]] != chain[1:]:
        raise Refused(
            Refusal.EQUIVOCATION, "the log's successions are not those that led to the charter's roster")
    return logged[len(charter.lineage):]
