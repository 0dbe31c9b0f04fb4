"""Gives departments back what a dead round reserved, once every key holder has sworn it closed.

Nothing rests on the coordinator: each holder marks the round for ever before it signs, everybody who
folds the log checks all n signatures, and a department caps what it ever takes back. A holder that
decrypted refuses, and then the price stays spent.
"""

from collections.abc import Iterable

from cotally.server.audit.log import AuditLog
from cotally.server.audit.voids import check_statement, check_void, void_leaf
from cotally.server.rpc.logs import Log
from cotally.v1 import log_pb2, roster_pb2, round_pb2, work_pb2
from cotally.v1.refusals import Refusal, Refused

from .board import Board, Line
from .in_force import InForce
from .rounds import Part, Rounds
from .session import Round
from .witnessing import Witnessing

_UNSPENT = frozenset({  # a department that refuses so has reserved nothing
    Refusal.BUDGET_SPENT, Refusal.NOT_ALLOWED, Refusal.EXPIRED, Refusal.CLOCK_SKEW, Refusal.CREDENTIALS,
    Refusal.PLAN_MISMATCH, Refusal.TOO_FEW_DEPARTMENTS, Refusal.STEPPED_BACK, Refusal.EQUIVOCATION,
    Refusal.UNREACHABLE})


class Voiding:
    """Asks all key holders about each dead round, and logs their word when it is complete."""

    def __init__(self, in_force: InForce, board: Board, rounds: Rounds, audit: AuditLog,
                 witnessing: Witnessing, log: Log) -> None:
        self._in_force = in_force
        self._board = board
        self._rounds = rounds
        self._audit = audit
        self._witnessing = witnessing
        self._log = log
        self._pending: dict[bytes, dict[str, round_pb2.VoidStatement]] = {}

    def resume(self) -> None:
        """Take up the dead rounds of former runs in which somebody committed and that are not void."""
        self._witnessing.follow()
        for round_, stated in self._rounds.dead():
            if not self._witnessing.is_void(round_):
                self._pending[round_] = {s.body.key_holder: s for s in stated}
                self._finish(round_)

    def begin(self, round_: Round) -> None:
        """Ask the key holders about a round that has just died, if it may have cost anybody anything."""
        answered = {*round_.commitments, *round_.declined}
        spent = any(why.refusal not in _UNSPENT for why in round_.declined.values())
        if round_.commitments or spent or answered != set(round_.participants):
            self._pending[round_.id] = {}
            for line in self._board.lines():
                self._ask(line, [round_.id])

    def greet(self, line: Line) -> None:
        """Ask a fresh *line* what is still open."""
        self._ask(line, self._pending)

    def _ask(self, line: Line, rounds: Iterable[bytes]) -> None:
        if line.member.role != roster_pb2.ROLE_KEY_HOLDER:
            return
        self._witnessing.catch_up(line)  # it swears only of what it has seen the log declare dead
        for round_ in rounds:
            if line.member.name not in self._pending[round_]:
                line.post(work_pb2.KeyHolderWork(void=work_pb2.VoidWork(round=round_)))

    def take(self, statement: round_pb2.VoidStatement) -> None:
        """Take one holder's statement."""
        body = statement.body
        stated = self._pending.get(body.round)
        if stated is None:
            return
        check_statement(self._in_force.federation.charter.roster, body.round, statement)
        self._rounds.keep(body.round, Part.VOID, body.key_holder, statement)
        stated[body.key_holder] = statement
        self._finish(body.round)

    def decline(self, name: str, round_: bytes) -> bool:
        """Note that holder *name* does not void the round; False where nobody was asked about it."""
        if self._pending.pop(round_, None) is None:
            return False
        self._log.event("not_void", round=round_, peer=name)
        return True

    def _finish(self, round_: bytes) -> None:
        leaf = void_leaf(round_, self._pending[round_].values())
        try:
            check_void(self._in_force.federation.charter.roster, leaf)
        except Refused:
            return  # somebody's word is missing
        self._audit.append(log_pb2.LogEntry(void=leaf))
        del self._pending[round_]
        self._return(round_, [line.member.name for line in self._board.lines()])
        self._log.event("void", round=round_)
        self._witnessing.spread()

    def returning(self, name: str, log_size: int) -> None:
        """Count what *name* takes back as soon as it has folded the log from *log_size* on."""
        self._witnessing.follow()
        for round_ in self._witnessing.voided_since(log_size):
            self._return(round_, [name])

    def _return(self, round_: bytes, names: Iterable[str]) -> None:
        announced = self._rounds.announcement(round_)
        if announced is not None:
            plan = announced.body.plan
            for name in set(names).intersection(announced.body.participants):
                self._board.note_spent(name, plan.population, -plan.pico_loss)
