"""The coordinator collects the key holders' word on dead rounds, over restarts, and logs it once."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from cotally.server.audit.policies import next_policy
from cotally.server.coordinator.board import Board, Line
from cotally.server.coordinator.in_force import InForce
from cotally.server.coordinator.policies import Policies
from cotally.server.coordinator.rounds import Part, Rounds
from cotally.server.coordinator.session import Round
from cotally.server.coordinator.voiding import Voiding
from cotally.server.coordinator.witnessing import Witnessing
from cotally.server.ops.policy import approve
from cotally.server.rpc.logs import Log
from cotally.v1 import log_pb2, roster_pb2, work_pb2
from cotally.v1.refusals import Refusal, Refused
from tests.protocol.lab import Lab
from tests.protocol.planting import committed, refused_as

LOG = Log("coordinator", "coordinator")


class Desk:
    """A coordinator's voiding over the lab's log, with all key holders on the line."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.board = Board(lab.federation.roster)
        self.rounds = Rounds(lab.folder / "coordinator.db")
        follower = lab.follower()
        self.witnessing = Witnessing(lab.federation, lab.audit, follower, self.board, lab.keys["coordinator"])
        self.voiding = Voiding(InForce(lab.federation), self.board, self.rounds, lab.audit, self.witnessing,
                               LOG)
        self.policies = Policies(InForce(lab.federation), lab.folder / "policy.bin", follower,
                                 self.witnessing, lab.audit, LOG, self._keep)

    def _keep(self, data: bytes) -> None:
        (self.lab.folder / "kept.bin").write_bytes(data)

    def join(self, name: str) -> Line:
        size = self.lab.holders[name].session.follower.size
        line = self.board.join(self.lab.federation.member(name, roster_pb2.ROLE_KEY_HOLDER), size,
                               self.lab.federation.roster)
        self.voiding.greet(line)
        return line

    def dies(self) -> Round:
        """A round in which everybody committed and revealed ends."""
        round_ = committed(self.lab)
        self.rounds.open(round_)
        for name, commitment in round_.commitments.items():
            self.rounds.keep(round_.id, Part.COMMITMENT, name, commitment)
        self.rounds.die(round_.id, Refused(Refusal.WITHHELD, "somebody withheld"))
        self.lab.log(log_pb2.LogEntry(dead=log_pb2.DeadLeaf(round=round_.id, reason="WITHHELD")))
        return round_

    def serve(self, line: Line) -> int:
        """Let a key holder do all that was posted to it; return how many rounds it was asked about."""
        holder, asked = self.lab.holders[line.member.name], 0
        while not line._queue.empty():
            work = line._queue.get_nowait()
            assert isinstance(work, work_pb2.KeyHolderWork)
            if work.HasField("growth"):
                growth = work.growth
                holder.followers.extend(holder.session.follower, growth.first, growth.entries,
                                        growth.checkpoint)
            elif work.HasField("void"):
                asked += 1
                try:
                    self.voiding.take(holder.session.void(work.void.round))
                except Refused:
                    self.voiding.decline(line.member.name, work.void.round)
        return asked


def within(act: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(act())


def voids(lab: Lab) -> list[bytes]:
    return [e.void.round for e in lab.audit.entries(0, lab.audit.size) if e.HasField("void")]


def test_all_holders_are_asked_and_their_word_is_logged_once(lab: Lab) -> None:
    async def play() -> None:
        desk = Desk(lab)
        lines = [desk.join(name) for name in lab.holders]
        round_ = desk.dies()
        desk.voiding.begin(round_)
        assert [desk.serve(line) for line in lines] == [1, 1, 1]
        assert voids(lab) == [round_.id]
        desk.voiding.take(lab.holders["holder-1"].session.void(round_.id))
        again = Desk(lab)
        again.voiding.resume()
        assert again.serve(again.join("holder-1")) == 0
        assert voids(lab) == [round_.id]
    within(play)


def test_a_holder_that_was_away_is_asked_when_it_is_back_also_by_a_new_coordinator(lab: Lab) -> None:
    async def play() -> None:
        desk = Desk(lab)
        lines = [desk.join(name) for name in ("holder-1", "holder-3")]
        round_ = desk.dies()
        desk.voiding.begin(round_)
        assert [desk.serve(line) for line in lines] == [1, 1]
        assert voids(lab) == []
        again = Desk(lab)
        again.voiding.resume()
        assert [again.serve(again.join(name)) for name in ("holder-1", "holder-2")] == [0, 1]
        assert voids(lab) == [round_.id]
    within(play)


def test_a_round_that_somebody_decrypted_stays_spent(lab: Lab) -> None:
    async def play() -> None:
        desk = Desk(lab)
        round_ = desk.dies()
        lab.holders["holder-2"].session._decryptions.record(round_.id, b"q" * 16, b"t" * 32)
        lines = [desk.join(name) for name in lab.holders]
        desk.voiding.begin(round_)
        for line in lines:
            desk.serve(line)
        assert voids(lab) == []
        assert not desk.voiding.decline("holder-1", round_.id)
    within(play)


def test_a_round_that_cost_nobody_anything_is_not_asked_about(lab: Lab) -> None:
    async def play() -> None:
        desk = Desk(lab)
        line = desk.join("holder-1")
        round_ = Round(lab.federation, lab.announce())
        for name in lab.nodes:
            round_.decline(name, Refused(Refusal.BUDGET_SPENT, "nothing is left"))
        desk.voiding.begin(round_)
        assert desk.serve(line) == 0
        round_.declined["tax"] = Refused(Refusal.OUT_OF_ORDER, "it was too slow")  # after it had reserved
        desk.voiding.begin(round_)
        assert not line._queue.empty()
    within(play)


def test_a_forged_statement_is_refused(lab: Lab) -> None:
    async def play() -> None:
        desk = Desk(lab)
        round_ = desk.dies()
        desk.voiding.begin(round_)
        lab.witness()
        statement = lab.holders["holder-1"].session.void(round_.id)
        statement.body.key_holder = "holder-2"
        refused_as(Refusal.CREDENTIALS, lambda: desk.voiding.take(statement), "holder-2")
    within(play)


def test_an_approved_policy_in_the_inbox_is_logged_once_and_another_is_not(lab: Lab) -> None:
    async def play() -> None:
        desk = Desk(lab)
        inbox = lab.folder / "policy.bin"
        policy = next_policy(lab.federation.first, None, [], [])
        approvals = [approve(policy, name, lab.keys[name]) for name in sorted(lab.nodes)]
        leaf = log_pb2.PolicyLeaf(policy=policy, approvals=approvals[:2])
        inbox.write_bytes(leaf.SerializeToString())
        size = lab.audit.size
        desk.policies.look()
        assert lab.audit.size == size and inbox.exists()
        leaf.approvals.append(approvals[2])
        for _ in range(2):  # the second: a stop came between the log and the inbox
            inbox.write_bytes(leaf.SerializeToString())
            desk.policies.look()
            assert lab.audit.size == size + 1 and not inbox.exists()
        assert (lab.folder / "kept.bin").read_bytes() == leaf.SerializeToString()
        lab.witness()
    within(play)


def test_what_a_department_takes_back_counts_before_it_says_so(lab: Lab) -> None:
    """It was away when the round became void: its hello still speaks of a reservation."""
    async def play() -> None:
        desk = Desk(lab)
        lines = [desk.join(name) for name in lab.holders]
        round_ = desk.dies()
        desk.voiding.begin(round_)
        for line in lines:
            desk.serve(line)
        ledger = lab.nodes["tax"].ledger
        for size, left in ((0, 0), (lab.audit.size, ledger.status()[0].spent_pico_loss)):
            desk.board.note_ledgers("tax", ledger.status())
            desk.voiding.returning("tax", size)
            said = desk.board.ledger("tax", "residents")
            assert said is not None and said.spent_pico_loss == left
    within(play)
