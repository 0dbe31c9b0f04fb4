"""A federation that was founded a second time, under its name and by members who kept their keys.

What they signed for the first one is worth nothing in the second: budgets that they approved there, grants
that they have revoked there since, and lists that take back less than the lists of today.
"""

from collections.abc import Callable
from functools import partial

import pytest

from cotally.server.audit.policies import next_policy
from cotally.server.ops.policy import approve
from cotally.server.wire.signed import sign
from cotally.v1 import log_pb2, query_pb2, roster_pb2, round_pb2
from cotally.v1.canonical import digest
from cotally.v1.refusals import Refusal
from tests.protocol.lab import NOW, Lab
from tests.protocol.planting import refused_as
from tests.protocol.test_revocations import log, revocation


def earlier(lab: Lab) -> roster_pb2.Roster:
    """The roster of the first federation: another delta, all else alike."""
    roster = roster_pb2.Roster()
    roster.CopyFrom(lab.federation.first)
    roster.policy.delta = "0.0001"
    return roster


def test_budgets_that_were_approved_for_it_renew_nothing(lab: Lab) -> None:
    policy = next_policy(
        earlier(lab), None, [roster_pb2.FilterBudget(population="residents", pico_loss=10**15)],
        [roster_pb2.DepartmentBudget(department=d, population="residents", pico_loss=10**15)
         for d in lab.nodes])
    lab.log(log_pb2.LogEntry(policy=log_pb2.PolicyLeaf(
        policy=policy, approvals=[approve(policy, name, lab.keys[name]) for name in lab.nodes])))
    refused_as(Refusal.EQUIVOCATION, lab.witness, "does not follow")


def test_a_list_of_it_takes_the_place_of_none_of_today(lab: Lab) -> None:
    log(lab, revocation(lab))  # tax takes back what it granted ada
    lab.witness()
    older = revocation(lab, serial=9, founding=digest("roster", earlier(lab)),
                       analysts=[query_pb2.RevokedAnalyst(analyst="eve")])
    tax = lab.nodes["tax"].session
    refused_as(Refusal.NOT_ALLOWED, lambda: tax.permissions.take(older), "another federation")
    log(lab, older)
    refused_as(Refusal.NOT_ALLOWED, lab.witness, "another federation")
    grant = lab.grant("tax", "ada").body
    for follower in (tax.follower, lab.holders["holder-1"].session.follower):
        refused_as(Refusal.NOT_ALLOWED, partial(follower.revocations.check_standing, grant, "statistics"),
                   "has revoked")


def of_it(lab: Lab, name: str) -> query_pb2.SignedGrant:
    body = lab.grant(name, "ada").body
    body.founding = digest("roster", earlier(lab))
    return query_pb2.SignedGrant(body=body, signature=sign(lab.keys[name], "grant", body))


def test_a_grant_of_it_lets_nobody_ask(lab: Lab) -> None:
    tax = lab.nodes["tax"].session
    tax.permissions.grants = [of_it(lab, "tax")]
    refused_as(Refusal.NOT_ALLOWED, lambda: tax.decide(lab.announce(), NOW), "in a federation lab")


@pytest.mark.parametrize("who", ["node", "key holder"])
def test_a_commitment_under_a_grant_of_it_is_refused(lab: Lab, who: str) -> None:
    played = lab.play()
    frozen = round_pb2.SignedFrozenRoster()
    frozen.CopyFrom(played.evidence.frozen)
    ours = frozen.body.commitments[-1]
    ours.body.grant.CopyFrom(of_it(lab, ours.body.node))
    ours.signature = sign(lab.keys[ours.body.node], "commitment", ours.body)
    frozen.signature = sign(lab.keys["coordinator"], "frozen", frozen.body)
    played.evidence.frozen.CopyFrom(frozen)
    acts: dict[str, Callable[[], object]] = {
        "node": lambda: lab.nodes["health"].session.reveal(frozen, lab.now),
        "key holder": lambda: lab.holders["holder-1"].session.examine(played.evidence)}
    refused_as(Refusal.NOT_ALLOWED, acts[who], "in a federation lab")
