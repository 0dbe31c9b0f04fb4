"""Budgets renewed: a numbered, chained policy that every department approved by its signature.

Rules, each refused by name: it is of this federation, has the next number, names the digest of the one
before, states no budget twice, names departments of the roster, and carries every department's approval.
The first one names the federation's first roster: departments may have approved other budgets, with the
same keys, in a federation of the same name that was founded before.
"""

from collections.abc import Iterable, Mapping

from cotally.server.crypto import signing
from cotally.v1 import log_pb2, roster_pb2
from cotally.v1.canonical import NotCanonical, digest, to_sign
from cotally.v1.refusals import Refusal, Refused

DOMAIN = "policy"


def next_policy(
    first: roster_pb2.Roster, before: roster_pb2.BudgetPolicy | None,
    budgets: Iterable[roster_pb2.FilterBudget], departments: Iterable[roster_pb2.DepartmentBudget],
) -> roster_pb2.BudgetPolicy:
    """The policy that would follow *before* (None: none yet), budgets in order of their names.

    *first* is the roster with which the federation began.
    """
    return roster_pb2.BudgetPolicy(
        federation=first.federation, number=before.number + 1 if before else 1,
        previous=digest(DOMAIN, before) if before else digest("roster", first),
        budgets=sorted(budgets, key=lambda b: (b.population, b.analyst, b.purpose)),
        departments=sorted(departments, key=lambda b: (b.department, b.population)))


def check_policy(
    first: roster_pb2.Roster, before: roster_pb2.BudgetPolicy | None, leaf: log_pb2.PolicyLeaf,
) -> None:
    """Refuse a policy leaf that breaks a rule of this module; *first* is the federation's first roster."""
    policy = leaf.policy
    expected = next_policy(first, before, policy.budgets, policy.departments)
    if (policy.federation, policy.number, policy.previous) != (
            expected.federation, expected.number, expected.previous):
        raise Refused(Refusal.EQUIVOCATION,
                      f"the budget policy does not follow number {expected.number - 1}")
    nodes = {m.name: m for m in first.members if m.role == roster_pb2.ROLE_NODE}
    keys = [(b.population, b.analyst, b.purpose) for b in policy.budgets]
    named = [(b.department, b.population) for b in policy.departments]
    if len(set(keys)) != len(keys) or len(set(named)) != len(named):
        raise Refused(Refusal.MALFORMED, "the budget policy states a budget twice")
    for department, _ in named:
        if department not in nodes:
            raise Refused(Refusal.MALFORMED, f"the policy names {department!r}, which is no department")
    check_approvals(nodes, leaf)


def check_approvals(nodes: Mapping[str, roster_pb2.Member], leaf: log_pb2.PolicyLeaf) -> None:
    """Refuse CREDENTIALS, by name, where a department has not approved the policy."""
    try:
        data = to_sign(DOMAIN, leaf.policy)
    except NotCanonical as reason:
        raise Refused(Refusal.MALFORMED, f"a budget policy is not canonical: {reason}") from None
    approvals = {a.department: a.signature for a in leaf.approvals}
    for name, member in sorted(nodes.items()):
        if not signing.verify(member.signing_key, data, approvals.get(name, b"")):
            raise Refused(Refusal.CREDENTIALS, f"the budget policy is not signed by {name}")
