"""Who took part: signed commitments, the grants in them, ledger links, and the one frozen roster."""

from cotally.v1 import catalog_pb2, query_pb2, roster_pb2, round_pb2
from cotally.v1.canonical import digest
from cotally.v1.refusals import Refusal, Refused

from .announced import Federation, columns_of


def check_frozen(
    federation: Federation, announcement: round_pb2.Announcement, round_: bytes,
    frozen: round_pb2.SignedFrozenRoster,
) -> tuple[str, ...]:
    """Return the departments of the frozen roster; refuse it if it or any commitment breaks a rule.

    - The coordinator signed it, for this round; its commitments are distinct and in order of nodes.
    - They are at least as many as the plan's minimum, and no two hold the same sealed part.
    """
    federation.members.check(
        federation.members.coordinator, roster_pb2.ROLE_COORDINATOR, "frozen", frozen.body, frozen.signature)
    if frozen.body.round != round_:
        raise Refused(Refusal.EQUIVOCATION, "the frozen roster is of another round")
    nodes = tuple(commitment.body.node for commitment in frozen.body.commitments)
    if list(nodes) != sorted(set(nodes)):
        raise Refused(Refusal.MALFORMED, "the frozen roster repeats a department or is out of order")
    if len(nodes) < max(1, announcement.plan.minimum):
        raise Refused(
            Refusal.TOO_FEW_DEPARTMENTS,
            f"{len(nodes)} departments are in the roster and the plan asks for {announcement.plan.minimum}")
    sealed: dict[bytes, str] = {}
    for commitment in frozen.body.commitments:
        _check_commitment(federation, announcement, round_, commitment)
        first = sealed.setdefault(commitment.body.sealed, commitment.body.node)
        if first != commitment.body.node:
            raise Refused(Refusal.EQUIVOCATION, f"{commitment.body.node!r} copied {first!r}'s commitment")
    return nodes


def _check_commitment(
    federation: Federation, announcement: round_pb2.Announcement, round_: bytes,
    commitment: round_pb2.Commitment,
) -> None:
    """Refuse a commitment that its department did not sign for exactly this round and plan."""
    body, roster = commitment.body, federation.roster
    federation.members.check(
        body.node, roster_pb2.ROLE_NODE, "commitment", body, commitment.signature)
    if body.node not in announcement.participants:
        raise Refused(Refusal.NOT_ALLOWED, f"{body.node!r} is no participant of the round")
    named = (body.version, body.federation, body.roster, body.catalog, body.public_key, body.round)
    pinned = (roster.version, roster.federation, federation.fingerprint, roster.catalog, roster.public_key,
              round_)
    if named != pinned:
        raise Refused(Refusal.EQUIVOCATION, f"{body.node!r} committed to another round or federation")
    plan = announcement.plan
    if body.plan != digest("plan", plan) or body.ciphertexts != plan.packing.ciphertexts:
        raise Refused(Refusal.PLAN_MISMATCH, f"{body.node!r} committed to another plan than was announced")
    if len(body.sealed) != 32:
        raise Refused(Refusal.MALFORMED, f"the commitment of {body.node!r} seals nothing")
    _check_links(body, plan)
    _check_grant(federation, announcement, body)


def _check_links(body: round_pb2.CommitmentBody, plan: round_pb2.Plan) -> None:
    """Refuse ledger links that do not chain, or do not end by reserving this round at the plan's price."""
    for before, after in zip(body.links, body.links[1:], strict=False):
        if after.length != before.length + 1 or after.previous != digest("ledger", before):
            raise Refused(Refusal.EQUIVOCATION, f"the ledger links of {body.node!r} do not chain")
    last = body.links[-1] if body.links else round_pb2.LedgerEntry()
    stated = (last.node, last.kind, last.population, last.round, last.pico_loss)
    due = (body.node, round_pb2.LEDGER_KIND_RESERVE, plan.population, body.round, plan.pico_loss)
    if stated != due or any(link.node != body.node for link in body.links):
        raise Refused(Refusal.PLAN_MISMATCH, f"the ledger of {body.node!r} does not reserve this round")


def _check_grant(
    federation: Federation, announcement: round_pb2.Announcement, body: round_pb2.CommitmentBody,
) -> None:
    """Refuse a commitment whose grant does not let this analyst ask this question."""
    grant, envelope = body.grant.body, announcement.envelope.body
    named = grant.federation, grant.founding, grant.department
    if named != (federation.roster.federation, federation.lineage[0], body.node):
        raise Refused(Refusal.NOT_ALLOWED,
                      f"the grant that {body.node!r} shows is another department's or federation's")
    stated = [(budget.population, budget.purpose) for budget in grant.budgets]
    if len(set(stated)) != len(stated) or not all(budget.pico_loss for budget in grant.budgets):
        raise Refused(Refusal.MALFORMED, f"the grant of {body.node!r} states a budget twice, or one of 0")
    federation.members.check(
        body.node, roster_pb2.ROLE_NODE, "grant", grant, body.grant.signature)
    query = envelope.query
    columns = {column if query.joins else f"{query.table}.{column}" for column in columns_of(query)}
    tables = {query.table, *(join.table for join in query.joins)}
    kinds: set[int] = {statistic.kind for statistic in query.statistics}
    allowed = (
        grant.analyst == envelope.analyst
        and envelope.purpose in grant.purposes
        and tables <= set(grant.tables)
        and (not grant.columns or columns <= set(grant.columns))
        and (not grant.statistics or kinds <= set(grant.statistics))
        and grant.not_before_ms <= announcement.announced_ms <= grant.not_after_ms
    )
    if not allowed:
        raise Refused(
            Refusal.NOT_ALLOWED, f"the grant of {body.node!r} does not let {envelope.analyst!r} ask this")


def missing(table: catalog_pb2.Table, departments: tuple[str, ...]) -> tuple[str, ...]:
    """Return the table's holders that are not in the roster: absent, or dropped out before the freeze."""
    return tuple(sorted(set(table.holders) - set(departments)))


def analyst_and_purpose(envelope: query_pb2.Envelope) -> str:
    """Return who asked and what for, as one phrase for people."""
    return f"{envelope.analyst}, for {envelope.purpose!r}" if envelope.purpose else envelope.analyst
