"""Steps 1 to 3: may this question become a round now, and with whom? Spends nothing."""

from collections.abc import Sequence
from dataclasses import dataclass

from cotally.server.audit.filters import POPULATION
from cotally.server.audit.follower import Follower
from cotally.server.model.plan import Plan
from cotally.server.wire.federation import Federation, Priced
from cotally.v1 import analyst_pb2, query_pb2, roster_pb2, round_pb2, work_pb2
from cotally.v1.canonical import digest
from cotally.v1.refusals import Refusal, Refused

from .board import Board
from .in_force import InForce


@dataclass(frozen=True, slots=True)
class Admission:
    """A priced question and the departments that can take part."""

    priced: Priced
    participants: list[str]


class Gate:
    """Prices questions and looks at participation and filters before anything is announced."""

    def __init__(self, in_force: InForce, follower: Follower, board: Board) -> None:
        self._in_force = in_force
        self._follower = follower
        self._board = board

    @property
    def _federation(self) -> Federation:
        return self._in_force.federation

    def admit(self, query: query_pb2.Query, analyst: str,
              live: Sequence[round_pb2.Announcement]) -> Admission:
        """Price *query* and choose participants; refuse what could only die later, beside *live* rounds."""
        priced = self._federation.price(query)
        plan = priced.plan
        nodes = set(self._board.connected(roster_pb2.ROLE_NODE)) - self._follower.forked
        here = [name for name in priced.table.holders if name in nodes]
        if len(here) < plan.minimum:
            missing = ", ".join(sorted(set(priced.table.holders) - nodes))
            raise Refused(Refusal.TOO_FEW_DEPARTMENTS,
                          f"connected departments that hold {priced.table.name}: {len(here)}; needed: "
                          f"{plan.minimum}; missing: {missing}")
        holders = self._board.connected(roster_pb2.ROLE_KEY_HOLDER)
        if len(holders) < self._federation.policy.threshold:
            raise Refused(Refusal.TOO_FEW_KEY_HOLDERS,
                          f"connected key holders: {len(holders)}; needed: "
                          f"{self._federation.policy.threshold}")
        self._check_filters(plan, analyst, live)
        able = [name for name in here if self._can_pay(name, plan.population, plan.pico_rho)]
        if len(able) < plan.minimum:
            spent = ", ".join(sorted(set(here) - set(able)))
            raise Refused(Refusal.BUDGET_SPENT,
                          f"the price of {plan.pico_rho / 1e12:g} rho exceeds what is left for "
                          f"{plan.population!r} at: {spent}")
        return Admission(priced, able)

    def _check_filters(self, plan: Plan, analyst: str, live: Sequence[round_pb2.Announcement]) -> None:
        """Refuse a price that no filter admits, or not once the *live* rounds are in the log."""
        self._follower.check_filters(plan.population, analyst, plan.pico_rho)
        waiting = [a for a in live if a.plan.population == plan.population
                   and self.transcript_index(digest("announcement", a)) is None]
        for name in (POPULATION, analyst):
            left = self._follower.left(plan.population, name)
            needed = sum(a.plan.pico_rho for a in waiting if name in (POPULATION, a.envelope.body.analyst))
            if left is not None and needed + plan.pico_rho > left:
                whose = f"analyst {name}" if name else f"population {plan.population}"
                raise Refused(Refusal.BUDGET_SPENT,
                              f"rounds that are in progress need what is left of the budget of {whose}; ask "
                              "again when they are over")

    def _can_pay(self, node: str, population: str, pico_rho: int) -> bool:
        status = self._ledger(node, population)
        return status is not None and status.spent_pico_rho + pico_rho <= status.budget_pico_rho

    def _ledger(self, node: str, population: str) -> work_pb2.LedgerStatus | None:
        """What *node* said when it joined and we counted since, or the log says, whichever is more."""
        status = self._board.ledger(node, population)
        if status is not None:
            logged = self._follower.ledger_spent(node, population)
            status.spent_pico_rho = max(status.spent_pico_rho, logged)
        return status

    def filters(self, populations: list[str], analyst: str,
                live: Sequence[round_pb2.Announcement]) -> list[analyst_pb2.FilterStatus]:
        """Every filter that a question of *analyst* on these populations must pass, and where it stands."""
        return [status for population in populations for status in self._of(
            population, analyst, [a for a in live if a.plan.population == population])]

    def _of(self, population: str, analyst: str,
            live: Sequence[round_pb2.Announcement]) -> list[analyst_pb2.FilterStatus]:
        found = []
        for member in self._federation.members(roster_pb2.ROLE_NODE):
            status = self._ledger(member.name, population)
            if status is not None:
                reserved = sum(a.plan.pico_rho for a in live if member.name in a.participants)
                found.append(analyst_pb2.FilterStatus(
                    kind=analyst_pb2.FILTER_KIND_DEPARTMENT, name=member.name, population=population,
                    budget_pico_rho=status.budget_pico_rho, spent_pico_rho=status.spent_pico_rho,
                    reserved_pico_rho=min(reserved, status.spent_pico_rho)))
        for kind, name, of in ((analyst_pb2.FILTER_KIND_POPULATION, population, POPULATION),
                               (analyst_pb2.FILTER_KIND_ANALYST, analyst, analyst)):
            own = [a for a in live if of in (POPULATION, a.envelope.body.analyst)]
            left, logged = self._follower.left(population, of), self._follower.spent(population, of)
            spent = logged + sum(a.plan.pico_rho for a in own
                                 if self.transcript_index(digest("announcement", a)) is None)
            found.append(analyst_pb2.FilterStatus(
                kind=kind, name=name, population=population, spent_pico_rho=spent,
                reserved_pico_rho=min(spent, sum(a.plan.pico_rho for a in own)),
                budget_pico_rho=logged + (left or 0), unlimited=left is None))
        return found

    def transcript_index(self, round_: bytes) -> int | None:
        """Where the log holds this round's transcript, if it does."""
        return self._follower.transcript_index(round_)

    def roster_is_logged(self, round_: bytes) -> bool:
        """True when the log holds a frozen roster of this round."""
        return self._follower.frozen(round_) is not None

    def check_links(self, commitment: round_pb2.Commitment, plan: round_pb2.Plan) -> None:
        """Refuse ledger links that key holders would refuse, before others pay for the round."""
        body = commitment.body
        self._follower.check_links(body.node, body.links, body.round, plan.population, plan.pico_rho)
