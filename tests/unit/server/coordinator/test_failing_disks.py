"""A disk that fails once keeps no list and no policy from counting: what lies in a folder is tried again."""

import sqlite3
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import sqlalchemy as sa

from cotally.server.audit.policies import next_policy
from cotally.server.coordinator.in_force import InForce
from cotally.server.coordinator.policies import Policies
from cotally.server.node.lists import Lists
from cotally.server.ops.policy import approve
from cotally.server.rpc.logs import Log
from cotally.v1 import log_pb2, roster_pb2
from tests.protocol.conftest import folder, lab  # noqa: F401
from tests.protocol.lab import BUDGET, Lab
from tests.protocol.test_revocations import permissions, revocation
from tests.unit.server.coordinator.test_revoking import Desk


def failing_once(really: Callable[..., Any], written: bool) -> Callable[..., Any]:
    """*really*, of which the first call fails: before it wrote, or after."""
    left = [True]

    def call(*args: Any) -> Any:
        if left.pop() if left else False:
            if written:
                really(*args)
            raise sa.exc.OperationalError("INSERT", {}, sqlite3.OperationalError("disk I/O error"))
        return really(*args)
    return call


@pytest.mark.parametrize("written", [False, True])
def test_the_operators_list(lab: Lab, monkeypatch: pytest.MonkeyPatch, written: bool) -> None:  # noqa: F811
    desk = Desk(lab)
    desk.inbox.write_bytes(revocation(lab, "coordinator", members=["ada"]).SerializeToString())
    monkeypatch.setattr(lab.audit, "append", failing_once(lab.audit.append, written))
    applied: list[bool] = []
    monkeypatch.setattr(desk.revoking, "_apply", lambda: applied.append(True))
    monkeypatch.setattr(desk.revoking._witnessing, "spread", lambda: None)
    before = lab.audit.size
    with pytest.raises(sa.exc.OperationalError):
        desk.revoking.look()
    for _ in range(2):
        desk.revoking.look()
    assert lab.audit.size == before + 1 and applied == [True]


@pytest.mark.parametrize("written", [False, True])
def test_a_policy(lab: Lab, monkeypatch: pytest.MonkeyPatch, written: bool) -> None:  # noqa: F811
    desk = Desk(lab)
    kept: list[bytes] = []
    inbox = lab.folder / "policy.bin"
    policy = next_policy(lab.charter.roster, None, [
        roster_pb2.FilterBudget(population="residents", pico_loss=BUDGET)], [])
    leaf = log_pb2.PolicyLeaf(policy=policy, approvals=[
        approve(policy, name, lab.keys[name]) for name in sorted(lab.nodes)])
    inbox.write_bytes(leaf.SerializeToString())
    policies = Policies(InForce(lab.federation), inbox, desk.revoking._follower, desk.revoking._witnessing,
                        lab.audit, Log("coordinator", "c"), kept.append)
    monkeypatch.setattr(lab.audit, "append", failing_once(lab.audit.append, written))
    monkeypatch.setattr(desk.revoking._witnessing, "spread", lambda: None)
    before = lab.audit.size
    with pytest.raises(sa.exc.OperationalError):
        policies.look()
    for _ in range(2):
        policies.look()
    assert lab.audit.size == before + 1 and kept == [leaf.SerializeToString()] and not inbox.exists()


@pytest.mark.parametrize("written", [False, True])
def test_a_departments_list(lab: Lab, monkeypatch: pytest.MonkeyPatch, written: bool) -> None:  # noqa: F811
    ours, signed = permissions(lab), revocation(lab, analysts=[])
    monkeypatch.setattr(ours._lists, "keep", failing_once(partial(Lists.keep, ours._lists), written))
    with pytest.raises(sa.exc.OperationalError):
        ours.take(signed)
    ours.take(signed)
    assert ours.last == signed == ours._lists.last()
