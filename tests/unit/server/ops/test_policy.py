"""`cotally federation policy` shows every limit before and after, and names those that end."""

import argparse
import json
from typing import Any

import pytest

from cotally.server.audit import follower_store
from cotally.server.audit.follower import Follower, genesis
from cotally.server.coordinator.policies import POLICY
from cotally.server.model.catalog import Catalog
from cotally.server.ops.policy import ApproveCommand, ProposeCommand, approve, read_leaf
from cotally.server.store.database import open_database
from cotally.v1 import log_pb2
from tests.crash.founding import Founded

EVERYBODY = '[[budgets]]\npopulation = "residents"\nbudget = { epsilon = %s }\n'
ADA = '[[budgets]]\npopulation = "residents"\nanalyst = "ada"\npurpose = "planning"\nbudget = { rho = 0.5 }\n'
EAST = '[[departments]]\nname = "east"\npopulation = "residents"\nbudget = { rho = %s }\n'


class Desk:
    """Where policies are proposed and approved."""

    def __init__(self, founded: Founded, capsys: pytest.CaptureFixture[str]) -> None:
        self.founded, self._capsys = founded, capsys
        self.folder, self.state = founded.folder, founded.folder / "state"

    def propose(self, text: str, *words: str) -> str:
        path = self.folder / "budgets.toml"
        path.write_text(text)
        return self._run(ProposeCommand(), self.folder / "coordinator.toml", path, self.folder, *words)

    def approve(self, *words: str) -> str:
        told = self._run(ApproveCommand(), self.folder / "east.toml", self.folder, *words)
        assert (self.folder / "east.policy-approval").exists()
        return told

    def _run(self, command: ProposeCommand | ApproveCommand, *words: object) -> str:
        parser = argparse.ArgumentParser()
        command.configure(parser)
        assert command.run(parser.parse_args([str(word) for word in words])) == 0
        return self._capsys.readouterr().out

    def log(self) -> None:
        """Everybody approves what was proposed; the coordinator logs it, and departments see that."""
        policy = read_leaf(self.folder / POLICY).policy
        leaf = log_pb2.PolicyLeaf(policy=policy, approvals=[
            approve(policy, name, self.founded.keys[name]) for name in self.founded.departments])
        self.state.mkdir()
        (self.state / POLICY).write_bytes(leaf.SerializeToString())
        follower = Follower(self.founded.charter)
        follower.fold([genesis(self.founded.charter), log_pb2.LogEntry(policy=leaf)])
        follower_store.FollowerStore(open_database(
            self.state / "log.db", follower_store.SCHEMA)).save(follower)


@pytest.fixture
def desk(founded: Founded, capsys: pytest.CaptureFixture[str]) -> Desk:
    return Desk(founded, capsys)


def amounts(told: str) -> list[tuple[Any, Any]]:
    """Rho before and after of each limit, filters first."""
    found = json.loads(told)
    return [tuple(each[when] and each[when]["rho"] for when in ("before", "after"))
            for each in (*found["budgets"], *found["departments"])]


def test_the_first_policy_limits_what_had_no_limit(desk: Desk) -> None:
    for told in (desk.propose(EVERYBODY % 4 + EAST % 2), desk.approve()):
        assert "everybody in population residents: no limit -> 0.2" in told
        assert "rho (epsilon 4 at delta 1e-9)" in told
        assert "department east in population residents: what it has now -> 2 rho (epsilon " in told
        assert "removes" not in told


def test_what_a_policy_leaves_out_is_said_to_end(desk: Desk) -> None:
    desk.propose(EVERYBODY % 4 + ADA + EAST % 2)
    desk.log()
    sentence = ("It removes the limit of analyst ada for purpose 'planning' in population residents, "
                "which is 0.5 rho (epsilon ")
    for told in (desk.propose(EVERYBODY % 3 + EAST % 1), desk.approve()):
        assert sentence in told and told.count("removes") == 1
        assert "department east in population residents: 2 rho" in told and " -> 1 rho" in told
    for told in (desk.propose(EVERYBODY % 3 + EAST % 1, "-o", "json"), desk.approve("-o", "json")):
        [everybody, ada, east] = amounts(told)
        assert float(everybody[0]) > float(everybody[1]) > 0
        assert (ada, east) == (("0.5", None), ("2", "1"))
        [removed] = json.loads(told)["removed"]
        assert (removed["analyst"], removed["purpose"], removed["before"]["rho"]) == (
            "ada", "planning", "0.5")
        assert json.loads(told)["budgets"][0]["after"]["epsilon"] == 3.0
    assert json.loads(told)["before"] == 1
    assert "everybody in population residents: 0." in (same := desk.propose(EVERYBODY % 4 + ADA))
    assert same.count(", as before\n") == 2 and "->" not in same


def test_amounts_of_pure_populations_are_epsilon(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Catalog, "pure", frozenset(["residents"]))
    told = desk.propose(EVERYBODY % 0.5)
    assert "residents: no limit -> 0.5 epsilon\n" in told and "rho" not in told
    assert json.loads(desk.approve("-o", "json"))["budgets"][0]["after"] == {"rho": None, "epsilon": 0.5}
