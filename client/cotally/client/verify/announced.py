"""What was asked and announced: the pinned charter, the analyst's signed question, the round made of it."""

from collections.abc import Sequence
from dataclasses import dataclass

from cotally.v1 import catalog_pb2, query_pb2, roster_pb2, round_pb2
from cotally.v1.canonical import digest
from cotally.v1.refusals import Refusal, Refused

from ..scope import effective, table_of
from .lineage import check_reached
from .opening import Key
from .signatures import Signatories


@dataclass(frozen=True, slots=True)
class Federation:
    """A charter whose every part is what the pinned fingerprint leads to."""

    roster: roster_pb2.Roster
    fingerprint: bytes  # of this roster, which may succeed the pinned one
    lineage: tuple[bytes, ...]  # fingerprints of the rosters that it succeeds, and its own
    catalog: catalog_pb2.Catalog
    members: Signatories
    key: Key

    def table(self, name: str) -> catalog_pb2.Table:
        """Return the table called *name*; refuse an unknown one."""
        return table_of(self.catalog, name)

    def scope(self, query: query_pb2.Query) -> catalog_pb2.Table:
        """Return the table that *query* sees: joined, bounded, with its computed keys."""
        return effective(query, self.catalog)


def check_charter(
    charter: roster_pb2.Charter, fingerprint: bytes, successors: Sequence[roster_pb2.Succession] = (),
) -> Federation:
    """Return the federation of *charter*; refuse one that the pin *fingerprint* does not reach.

    - The roster's digest is the fingerprint, or a chain connects them (`lineage`); *successors* are the
      rosters after the charter's own. Catalog and public key have the digests that the roster states.
    - Tables of one population agree on whether it counts in pure epsilon.
    - The roster's threshold is the key's, and every approval in the charter is a department's own.
    """
    roster = charter.roster
    chain = check_reached(charter, successors, fingerprint)
    if digest("catalog", charter.catalog) != roster.catalog:
        raise Refused(Refusal.EQUIVOCATION, "the catalog is not the roster's")
    if digest("public_key", charter.public_key) != roster.public_key:
        raise Refused(Refusal.EQUIVOCATION, "the public key is not the roster's")
    _check_populations(charter.catalog)
    members = Signatories(roster)
    for approval in charter.approvals:
        members.check(approval.department, roster_pb2.ROLE_NODE, "roster", roster, approval.signature)
    key = Key.of(charter.public_key)
    if key.threshold != roster.policy.threshold:
        raise Refused(Refusal.MALFORMED, "the public key's threshold is not the roster's")
    return Federation(roster, chain[-1], chain, charter.catalog, members, key)


def _check_populations(catalog: catalog_pb2.Catalog) -> None:
    said: dict[str, bool] = {}
    for table in catalog.tables:
        if said.setdefault(table.population, table.pure) != table.pure:
            raise Refused(
                Refusal.MALFORMED,
                f"the catalog's tables of {table.population!r} disagree on whether the population is pure")


def check_announcement(
    federation: Federation, public_key: roster_pb2.PublicKey, signed: round_pb2.SignedAnnouncement,
) -> bytes:
    """Return the round's id, which is the announcement's digest; refuse one not made by the rules.

    - The coordinator signed it, for this version, federation, roster, catalog and key epoch.
    - The analyst signed the question, for this federation and a roster of its lineage; it had not expired.
    - Vintage, participants and times are those that catalog and policy allow.
    """
    body, roster = signed.body, federation.roster
    federation.members.check(
        federation.members.coordinator, roster_pb2.ROLE_COORDINATOR, "announcement", body, signed.signature)
    named = (body.version, body.federation, body.roster, body.catalog, body.public_key, body.key_epoch)
    pinned = (roster.version, roster.federation, federation.fingerprint, roster.catalog, roster.public_key,
              public_key.epoch)
    if named != pinned:
        raise Refused(Refusal.EQUIVOCATION, "the announcement is for another federation, roster or key")
    _check_envelope(federation, body)
    table = federation.scope(body.envelope.body.query)
    if body.vintage != table.vintage:
        raise Refused(
            Refusal.EQUIVOCATION, f"the announcement reads a vintage of {table.name!r} that is not published")
    names = list(body.participants)
    if names != sorted(set(names)) or not set(names) <= set(table.holders):
        raise Refused(Refusal.MALFORMED, f"the participants are not ordered holders of {table.name!r}")
    if not 0 < body.deadline_ms - body.announced_ms <= roster.policy.round_ms:
        raise Refused(Refusal.MALFORMED, "the announcement's deadline lies outside the policy's round time")
    if len(body.nonce) != 16:
        raise Refused(Refusal.MALFORMED, "the announcement's nonce is not 16 bytes")
    return digest("announcement", body)


def _check_envelope(federation: Federation, announcement: round_pb2.Announcement) -> None:
    envelope = announcement.envelope.body
    if envelope.federation != federation.roster.federation or envelope.roster not in federation.lineage:
        raise Refused(Refusal.CREDENTIALS, "the question was asked of another federation or roster")
    federation.members.check(
        envelope.analyst, roster_pb2.ROLE_ANALYST, "envelope", envelope, announcement.envelope.signature)
    if len(envelope.query_id) != 16:
        raise Refused(Refusal.MALFORMED, "the question's id is not 16 bytes")
    if envelope.expires_ms < announcement.announced_ms:
        raise Refused(Refusal.EXPIRED, "the question had expired when the round was announced")


def columns_of(query: query_pb2.Query) -> set[str]:
    """Return every column that *query* touches: keys and what they are computed from, bounds, statistics,
    weights and conditions; as "table.column", where it joins tables."""
    computed = {key.name: key.column for key in query.derived}
    names = {computed.get(key, key) for key in query.keys} | {bounds.column for bounds in query.bounds}
    for statistic in query.statistics:
        names |= {statistic.column, statistic.weight, *statistic.others}
    pending = [query.where] if query.HasField("where") else []
    while pending:
        predicate = pending.pop()
        match predicate.WhichOneof("node"):
            case "comparison":
                names.add(predicate.comparison.column)
            case "membership":
                names.add(predicate.membership.column)
            case "is_null":
                names.add(predicate.is_null.column)
            case "all":
                pending.extend(predicate.all.operands)
            case "any":
                pending.extend(predicate.any.operands)
            case "negation":
                pending.append(predicate.negation)
    return names - {""}
