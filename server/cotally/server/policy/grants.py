"""Grants: what a department lets one analyst ask, signed by the department.

The check needs nothing but the grant, the roster's entry of the department, and the question, so
node, coordinator and key holders all make it, each by itself.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from cotally.server.crypto import signing
from cotally.v1 import query_pb2, roster_pb2
from cotally.v1.canonical import NotCanonical, to_sign
from cotally.v1.refusals import Refusal, Refused

MAX_NESTING: Final = 64  # of predicates; canonical.py bounds messages likewise


def check_grant(
    grant: query_pb2.SignedGrant, department: roster_pb2.Member, federation: str, founding: bytes,
    envelope: query_pb2.Envelope, now_ms: int,
) -> None:
    """Refuse unless *department* signed *grant*, and it covers the envelope's question at *now_ms*.

    Checked: signature, federation (its name, and *founding*, the digest of its first roster), department,
    analyst, purpose, every table, every column that the query touches (keys and what they are computed
    from, WHERE, bounds, statistics, weights), every kind of statistic, the period, both ends included, and
    that its budgets are above 0 and stated once. What they allow is for the filters (`least_granted`).
    Raises Refused: NOT_ALLOWED, naming department, analyst and what is missing; EXPIRED after the
    period; CREDENTIALS for a signature that is not the department's; MALFORMED.
    """
    body = grant.body
    _check_signature(grant, department)
    who = f"department {department.name} has not granted {envelope.analyst}"
    if (body.federation, body.founding, body.department) != (federation, founding, department.name):
        raise Refused(
            Refusal.NOT_ALLOWED,
            f"{who} anything here: the grant is of {body.department} in a federation {body.federation}",
        )
    if body.analyst != envelope.analyst:
        raise Refused(Refusal.NOT_ALLOWED, f"{who} anything: the grant is {body.analyst}'s")
    if now_ms < body.not_before_ms:
        raise Refused(Refusal.NOT_ALLOWED, f"{who} anything yet: the grant's period has not begun")
    if now_ms > body.not_after_ms:
        raise Refused(
            Refusal.EXPIRED,
            f"the grant of department {department.name} for analyst {envelope.analyst} has expired",
        )
    if envelope.purpose not in body.purposes:
        raise Refused(Refusal.NOT_ALLOWED, f"{who} the purpose {envelope.purpose!r}")
    keys = [(budget.population, budget.purpose) for budget in body.budgets]
    if len(set(keys)) != len(keys) or not all(budget.pico_loss for budget in body.budgets):
        raise Refused(Refusal.MALFORMED,
                      f"the grant of department {department.name} states a budget twice, or one of 0")
    _check_query(body, envelope.query, who)


def least_granted(grants: Iterable[query_pb2.SignedGrant], population: str, purpose: str) -> int:
    """Return the least that one of *grants* allows for the purpose; 0 where none sets a limit."""
    stated = [budget.pico_loss for grant in grants for budget in grant.body.budgets
              if (budget.population, budget.purpose) == (population, purpose)]
    return min(stated, default=0)


def _check_signature(grant: query_pb2.SignedGrant, department: roster_pb2.Member) -> None:
    if department.role != roster_pb2.ROLE_NODE:
        raise Refused(Refusal.CREDENTIALS, f"{department.name} is no department")
    try:
        data = to_sign("grant", grant.body)
    except NotCanonical as error:
        raise Refused(Refusal.MALFORMED, f"the grant of {department.name} is not canonical") from error
    if not signing.verify(department.signing_key, data, grant.signature):
        raise Refused(Refusal.CREDENTIALS, f"the grant is not signed by department {department.name}")


def _check_query(body: query_pb2.Grant, query: query_pb2.Query, who: str) -> None:
    for table in (query.table, *(join.table for join in query.joins)):
        if table not in body.tables:
            raise Refused(Refusal.NOT_ALLOWED, f"{who} the table {table}")
    if body.columns:
        for column in sorted(set(_columns(query))):
            name = column if query.joins else f"{query.table}.{column}"  # joined columns name their table
            if name not in body.columns:
                raise Refused(Refusal.NOT_ALLOWED, f"{who} the column {name}")
    if body.statistics:
        for statistic in query.statistics:
            if statistic.kind not in body.statistics:
                name = query_pb2.StatisticKind.Name(statistic.kind).removeprefix("STATISTIC_KIND_").lower()
                raise Refused(Refusal.NOT_ALLOWED, f"{who} the statistic {name}")


def _columns(query: query_pb2.Query) -> Iterator[str]:
    """Every column that the query touches, repeats included."""
    computed = {key.name: key.column for key in query.derived}
    yield from computed.values()
    yield from (key for key in query.keys if key not in computed)
    yield from (bounds.column for bounds in query.bounds)
    for statistic in query.statistics:
        yield from (name for name in (statistic.column, *statistic.others, statistic.weight) if name)
    if query.HasField("where"):
        yield from _in_predicate(query.where, MAX_NESTING)


def _in_predicate(predicate: query_pb2.Predicate, depth: int) -> Iterator[str]:
    if depth == 0:
        raise Refused(Refusal.MALFORMED, "the WHERE clause is nested too deeply")
    kind = predicate.WhichOneof("node")
    if kind == "comparison":
        yield predicate.comparison.column
    elif kind == "membership":
        yield predicate.membership.column
    elif kind == "is_null":
        yield predicate.is_null.column
    elif kind == "all":
        for operand in predicate.all.operands:
            yield from _in_predicate(operand, depth - 1)
    elif kind == "any":
        for operand in predicate.any.operands:
            yield from _in_predicate(operand, depth - 1)
    elif kind == "negation":
        yield from _in_predicate(predicate.negation, depth - 1)
    else:
        raise Refused(Refusal.MALFORMED, "the WHERE clause holds a predicate that we do not know")
