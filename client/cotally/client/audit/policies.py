"""Budgets that a log renewed: numbered, chained policies, each approved by every department.

What a policy says by itself is checked where it is read (`flaw`); that it follows the one before, where it
is folded (`Policies`). One that breaks a rule renews nothing.
"""

from collections.abc import Mapping

from cotally.v1 import log_pb2, roster_pb2
from cotally.v1.canonical import digest, to_sign

from ..verify.signatures import Signatories

DOMAIN = "policy"


def flaw(leaf: log_pb2.PolicyLeaf, federation: str, members: Signatories) -> str:
    """Return what is wrong with *leaf* by itself, as the end of a sentence; empty where nothing is."""
    policy, nodes = leaf.policy, members.names(roster_pb2.ROLE_NODE)
    if policy.federation != federation:
        return "which is another federation's"
    filters = [(each.population, each.analyst, each.purpose) for each in policy.budgets]
    ledgers = [(each.department, each.population) for each in policy.departments]
    if len(set(filters)) != len(filters) or len(set(ledgers)) != len(ledgers):
        return "which states a budget twice"
    stranger = next((name for name, _ in ledgers if name not in nodes), None)
    if stranger is not None:
        return f"which names {stranger!r}, no department of the roster"
    data, approvals = to_sign(DOMAIN, policy), {each.department: each.signature for each in leaf.approvals}
    for name in nodes:
        if not members.signed_raw(name, data, approvals.get(name, b"")):
            return f"which {name!r} has not approved"
    return ""


class Policies:
    """Those that count, and what they let each department's ledger spend."""

    def __init__(self, founding: bytes) -> None:
        """*founding* is the digest of the federation's first roster, which the first policy names."""
        self._number, self._digest = 0, founding
        self._most: dict[str, dict[str, int]] = {}
        self.given: dict[str, dict[str, int]] = {}  # by department and population, what the last one said

    def follow(self, policy: roster_pb2.BudgetPolicy) -> str:
        """Take *policy*, which has no flaw; or return why not, as the end of a sentence."""
        if (policy.number, policy.previous) != (self._number + 1, self._digest):
            return f"which does not follow number {self._number}"
        self._number, self._digest = policy.number, digest(DOMAIN, policy)
        for each in policy.departments:
            most = self._most.setdefault(each.department, {})
            most[each.population] = max(each.pico_loss, most.get(each.population, 0))
            self.given.setdefault(each.department, {})[each.population] = each.pico_loss
        return ""

    def most(self, node: str) -> Mapping[str, int]:
        """The largest budget, by population, that any policy so far gave *node*'s ledger.

        Any, since a ledger's entry is logged with its next round, and another policy may come before.
        """
        return self._most.get(node, {})
