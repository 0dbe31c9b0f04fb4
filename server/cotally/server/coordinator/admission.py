"""Steps 1 to 3: may this question become a round now, and with whom? Spends nothing."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cotally.server.audit.filters import POPULATION, Charge, Key
from cotally.server.audit.follower import Follower
from cotally.server.protocol.announcement import charge
from cotally.server.wire.federation import Federation, Priced
from cotally.v1 import analyst_pb2, query_pb2, roster_pb2, round_pb2, work_pb2
from cotally.v1.canonical import digest
from cotally.v1.refusals import Refusal, Refused

from .board import Board
from .in_force import InForce

Status = analyst_pb2.FilterStatus


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

    def admit(self, envelope: query_pb2.Envelope, live: Sequence[round_pb2.Announcement]) -> Admission:
        """Price the question, choose participants; refuse what could only die later, beside *live* rounds."""
        priced = self._federation.price(envelope.query)
        plan = priced.plan
        here = self.here(priced.table.holders)
        if len(here) < plan.minimum:
            missing = ", ".join(sorted(set(priced.table.holders) - set(here)))
            raise Refused(Refusal.TOO_FEW_DEPARTMENTS,
                          f"connected departments that hold {priced.table.name}: {len(here)}; needed: "
                          f"{plan.minimum}; missing: {missing}")
        holders = self._board.connected(roster_pb2.ROLE_KEY_HOLDER)
        if len(holders) < self._federation.policy.threshold:
            raise Refused(Refusal.TOO_FEW_KEY_HOLDERS,
                          f"connected key holders: {len(holders)}; needed: "
                          f"{self._federation.policy.threshold}")
        self._check_filters(charge(envelope, plan, []), live)
        able = [name for name in here if self._can_pay(name, plan.population, plan.pico_loss)]
        if len(able) < plan.minimum:
            spent = ", ".join(sorted(set(here) - set(able)))
            raise Refused(Refusal.BUDGET_SPENT,
                          f"the price of {plan.account.text(plan.pico_loss)} exceeds what is left for "
                          f"{plan.population!r} at: {spent}")
        return Admission(priced, able)

    def here(self, holders: Iterable[str]) -> list[str]:
        """Those of *holders* that could take part in a round now."""
        nodes = set(self._board.connected(roster_pb2.ROLE_NODE)) - self._follower.forked
        return [name for name in holders if name in nodes]

    def check_replay(self, charge_: Charge) -> None:
        """Refuse a stored release that its new reader's filters do not admit."""
        self._follower.check_replay(charge_)

    def check_standing(self, grants: Iterable[query_pb2.SignedGrant], purpose: str) -> None:
        """Refuse where a list in the log takes one of *grants* back."""
        for grant in grants:
            self._follower.revocations.check_standing(grant.body, purpose)

    def has_paid(self, round_: bytes, analyst: str, purpose: str | None = None) -> bool:
        """True iff the analyst paid for the round: for the purpose, or (None) for any."""
        return self._follower.has_paid(round_, analyst, purpose)

    def _check_filters(self, asked: Charge, live: Sequence[round_pb2.Announcement]) -> None:
        """Refuse a price that some filter does not admit, or not once the *live* rounds are in the log.

        What the departments' grants allow is not known here: each department checks its own.
        """
        self._follower.check_filters(asked)
        waiting = self._unlogged(a for a in live if a.plan.population == asked.population)
        for key in asked.keys:
            _, analyst, purpose = key
            left = self._follower.left(*key)
            needed = sum(a.plan.pico_loss for a in waiting if _charges(a, analyst, purpose))
            if left is not None and needed + asked.pico_loss > left:
                whose = " and ".join(filter(None, (analyst and f"analyst {analyst}",
                                                   purpose and f"purpose {purpose!r}")))
                raise Refused(Refusal.BUDGET_SPENT,
                              "rounds that are in progress need what is left of the budget of "
                              f"{whose or f'population {asked.population}'}; ask again when they are over")

    def _can_pay(self, node: str, population: str, pico_loss: int) -> bool:
        status = self._ledger(node, population)
        return status is not None and status.spent_pico_loss + pico_loss <= status.budget_pico_loss

    def _ledger(self, node: str, population: str) -> work_pb2.LedgerStatus | None:
        """What *node* said when it joined and we counted since, or the log says, whichever is more.

        Its budget is a policy's in the log, once one gave it any: the node takes that over by itself.
        """
        status = self._board.ledger(node, population)
        if status is not None:
            logged = self._follower.ledger_spent(node, population)
            renewed = self._follower.budget_of(node, population)
            status.spent_pico_loss = max(status.spent_pico_loss, logged)
            if renewed is not None:
                status.budget_pico_loss = renewed
        return status

    def filters(self, populations: list[str], analyst: str, live: Sequence[round_pb2.Announcement],
                purpose: str | None = None) -> list[Status]:
        """Every filter that a question of *analyst* passes for *purpose* (None: any), and its standing."""
        return [status for population in populations for status in self._of(
            population, analyst, purpose, [a for a in live if a.plan.population == population])]

    def _of(self, population: str, analyst: str, purpose: str | None,
            live: Sequence[round_pb2.Announcement]) -> list[Status]:
        found = []
        for member in self._federation.members(roster_pb2.ROLE_NODE):
            status = self._ledger(member.name, population)
            if status is not None:
                ours = sum(a.plan.pico_loss for a in live if member.name in a.participants)
                reserved = max(ours, status.reserved_pico_loss)  # dead rounds' too, as of when it joined
                found.append(Status(
                    kind=analyst_pb2.FILTER_KIND_DEPARTMENT, name=member.name, population=population,
                    budget_pico_loss=status.budget_pico_loss, spent_pico_loss=status.spent_pico_loss,
                    reserved_pico_loss=min(reserved, status.spent_pico_loss)))
        found.append(self._status(analyst_pb2.FILTER_KIND_POPULATION, population, (population, "", ""), live))
        found.append(self._status(analyst_pb2.FILTER_KIND_ANALYST, analyst, (population, analyst, ""), live))
        found += [self._status(analyst_pb2.FILTER_KIND_PURPOSE, key[1], key, live)
                  for key in self._follower.purposes(population, analyst) if purpose in (None, key[2])]
        return found

    def _status(self, kind: "analyst_pb2.FilterKind.ValueType", name: str, key: Key,
                live: Sequence[round_pb2.Announcement]) -> Status:
        """Where one filter stands, the rounds in progress counted as spent."""
        _, analyst, purpose = key
        own = [a for a in live if _charges(a, analyst, purpose)]
        left, logged = self._follower.left(*key), self._follower.spent(*key)
        if granted := self._follower.granted(*key):
            ours = max(0, granted - logged)
            left = ours if left is None else min(left, ours)
        spent = logged + sum(a.plan.pico_loss for a in self._unlogged(own))
        return Status(kind=kind, name=name, population=key[0], purpose=purpose, spent_pico_loss=spent,
                      reserved_pico_loss=min(spent, sum(a.plan.pico_loss for a in own)),
                      budget_pico_loss=logged + (left or 0), unlimited=left is None)

    def _unlogged(self, live: Iterable[round_pb2.Announcement]) -> list[round_pb2.Announcement]:
        """Those whose price the log does not hold yet."""
        return [a for a in live if self.transcript_index(digest("announcement", a)) is None]

    def transcript_index(self, round_: bytes) -> int | None:
        """Where the log holds this round's transcript, if it does."""
        return self._follower.transcript_index(round_)

    def roster_is_logged(self, round_: bytes) -> bool:
        """True when the log holds a frozen roster of this round."""
        return self._follower.roster_hash(round_) is not None

    def check_links(self, commitment: round_pb2.Commitment, plan: round_pb2.Plan) -> None:
        """Refuse ledger links that key holders would refuse, before others pay for the round."""
        body = commitment.body
        self._follower.check_links(body.node, body.links, body.round, plan.population, plan.pico_loss)


def _charges(announced: round_pb2.Announcement, analyst: str, purpose: str) -> bool:
    """Whether a round is charged to this analyst's filter, or everybody's, for this purpose, or any."""
    asked = announced.envelope.body
    return analyst in (POPULATION, asked.analyst) and purpose in ("", asked.purpose)
