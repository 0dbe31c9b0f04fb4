"""The servers' fold and the auditor's share no code, and agree on roots, budgets and forks of any log."""

import random
from collections.abc import Iterator

import pytest

from cotally.server.audit.chain import Chain
from cotally.server.audit.follower import Follower
from cotally.v1 import log_pb2, roster_pb2, round_pb2
from tests.fixtures.bundle import NODES
from tests.fixtures.long_log import (
    BUDGET,
    POPULATION,
    PRICE,
    Pages,
    following,
    granted,
    renewed,
    revoked,
    voided,
)
from tests.unit.client.audit.planting import Entries, entries, long_log, verified, written

ANALYSTS, AIMS = ("analyst", "bob"), ("a", "b")
AMOUNTS = (PRICE, BUDGET // 2, BUDGET // 3, BUDGET // 7)


class RandomLog:
    """Rounds, voids, replays, policies and ledgers, honest or not, wherever both folds take them.

    Both refuse a log with a false statement or approval, and only the auditor looks at what a coordinator
    writes after a release: neither is planted here.
    """

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.log = entries(1)
        self.ledgers = {node: Pages(node) for node in NODES}
        self.policy: roster_pb2.BudgetPolicy | None = None
        self.rounds: list[log_pb2.TranscriptLeaf] = []
        self.released: set[bytes] = set()
        self.void: set[bytes] = set()
        self.serial = 0

    def made(self) -> Entries:
        """All of it."""
        for _ in range(self.rng.randrange(3, 16)):
            self.log += self.round()
            for kind in (self.end, self.voiding, self.replay, self.renewal, self.granting):
                if self.rng.random() < 0.4:
                    self.log += kind()
            self.book()
        return self.log

    def round(self) -> Iterator[log_pb2.LogEntry]:
        """A round with prices around the budget, sometimes with a fork, or told again."""
        rng, round_ = self.rng, self.rng.randbytes(32)
        price = rng.choice(AMOUNTS)
        links = [ledger.reserve(round_, price) for ledger in self.ledgers.values()]
        if rng.random() < 0.1:
            links[rng.randrange(3)].links[-1].pico_loss += rng.choice((1, BUDGET))
        if rng.random() < 0.05:
            links[0].links[0].previous = rng.randbytes(32)
        yield log_pb2.LogEntry(roster=log_pb2.RosterLeaf(
            round=round_, frozen=rng.randbytes(32), ledgers=links))
        if rng.random() < 0.1:
            yield self.voided(round_)
        leaf = log_pb2.TranscriptLeaf(
            round=round_, population=POPULATION, pico_loss=price, analyst=rng.choice(ANALYSTS),
            purpose=rng.choice(AIMS), transcript=rng.randbytes(32),
            granted_pico_loss=rng.choice((0, 0, BUDGET // 2, BUDGET)))
        self.rounds.append(leaf)
        yield log_pb2.LogEntry(transcript=leaf)
        if rng.random() < 0.1:
            yield rng.choice([e for e in self.log[1:] if e.WhichOneof("leaf") == "transcript"] or self.log[1:]
                             or [log_pb2.LogEntry(transcript=leaf)])

    def end(self) -> Iterator[log_pb2.LogEntry]:
        """A death, or a release."""
        round_ = self.rng.choice(self.rounds).round
        if self.rng.random() < 0.5 and round_ not in self.void:
            self.released.add(round_)
            yield log_pb2.LogEntry(release=log_pb2.ReleaseLeaf(round=round_))
        else:
            yield log_pb2.LogEntry(dead=log_pb2.DeadLeaf(round=round_))

    def voided(self, round_: bytes) -> log_pb2.LogEntry:
        """All key holders' word."""
        self.void.add(round_)
        return voided(round_)

    def voiding(self) -> Iterator[log_pb2.LogEntry]:
        """A round is void, perhaps a second time."""
        for leaf in self.rng.sample(self.rounds, 1):
            if leaf.round not in self.released:
                yield self.voided(leaf.round)

    def replay(self) -> Iterator[log_pb2.LogEntry]:
        """A replay of any round, perhaps at another price, or paid before."""
        of = self.rng.choice(self.rounds)
        yield log_pb2.LogEntry(replay=log_pb2.ReplayLeaf(
            round=of.round if self.rng.random() < 0.95 else self.rng.randbytes(32), population=POPULATION,
            pico_loss=of.pico_loss - self.rng.choice((0, 0, 0, 1)), analyst=self.rng.choice(ANALYSTS),
            purpose=self.rng.choice(AIMS), granted_pico_loss=self.rng.choice((0, BUDGET // 2))))

    def renewal(self) -> Iterator[log_pb2.LogEntry]:
        """Other budgets for all of it."""
        policy = following(self.policy)
        for analyst in ("", *ANALYSTS):
            for purpose in ("", *AIMS):
                if self.rng.random() < 0.5:
                    policy.budgets.add(population=POPULATION, analyst=analyst, purpose=purpose,
                                       pico_loss=self.rng.choice((BUDGET // 2, 2 * BUDGET, 3 * BUDGET)))
        for node in NODES:
            if self.rng.random() < 0.5:
                policy.departments.add(department=node, population=POPULATION, pico_loss=2 * BUDGET)
        self.policy = policy
        yield renewed(policy)

    def granting(self) -> Iterator[log_pb2.LogEntry]:
        """A grant, and sometimes a list of what is taken back: no budget heeds either."""
        yield granted(self.rng.choice(NODES), self.rng.choice(ANALYSTS), AIMS)
        self.serial += 1
        if self.rng.random() < 0.3:
            yield revoked(self.rng.choice(NODES), self.serial, analysts=[(self.rng.choice(ANALYSTS), "")])

    def book(self) -> None:
        """What the departments enter, allowed or not: they may fork by it."""
        for ledger in self.ledgers.values():
            of = self.rng.choice(self.rounds)
            match self.rng.randrange(12):
                case 0 | 1 | 2:
                    ledger.enter(round_pb2.LEDGER_KIND_COMMIT, of.pico_loss, of.round)
                case 3 | 4 if self.void:
                    back = next(each for each in self.rounds if each.round in self.void)
                    ledger.enter(round_pb2.LEDGER_KIND_VOID, back.pico_loss, back.round)
                case 5:
                    ledger.enter(round_pb2.LEDGER_KIND_VOID, of.pico_loss, of.round)
                case 6 | 7:
                    ledger.enter(round_pb2.LEDGER_KIND_BURN, self.rng.choice(AMOUNTS))
                case 8 | 9:
                    ledger.enter(round_pb2.LEDGER_KIND_BUDGET, self.rng.choice((BUDGET // 2, 2 * BUDGET)))
                case _:
                    pass


@pytest.mark.parametrize("seed", range(60))
def test_the_servers_fold_agrees(seed: int) -> None:
    log = RandomLog(random.Random(seed)).made()
    follower = Follower(long_log(1).charter)
    follower.fold(log)
    audited = verified(written(log))
    assert audited.head.root == follower.root_at(len(log))
    for account in audited.accounts:
        if account.kind == "department":  # what void rounds may still return is not back yet
            assert account.cumulative == follower.ledger_spent(account.name, POPULATION) + waiting(
                follower, account.name)
            assert account.budget == (follower.budget_of(account.name, POPULATION) or account.budget)
            continue
        key = (POPULATION, "" if account.kind == "population" else account.name, account.purpose)
        assert account.cumulative == follower.spent(*key)
        limits = [] if account.kind != "purpose" else [max(0, granted - account.cumulative) for granted in [
            follower.granted(*key)] if granted]
        left = follower.left(*key)
        assert account.left == min([left, *limits] if left is not None else limits, default=None)
    shown = {(POPULATION, each.name, each.purpose) for each in audited.accounts if each.kind == "purpose"}
    assert shown == {key for analyst in ANALYSTS for key in follower.purposes(POPULATION, analyst)}
    forked = {f.sentence.split("'")[1] for f in audited.findings if ": the ledger of '" in f.sentence}
    assert forked == follower.forked


def waiting(follower: Follower, node: str) -> int:
    """Pico-rho of void rounds whose reservations are still open in *node*'s logged ledger."""
    chain = follower._ledgers._chains.get(node, Chain(node))
    return chain.spent(POPULATION, ()) - follower.ledger_spent(node, POPULATION)


def test_the_comparison_meets_every_kind() -> None:
    kinds, entered, outcomes = set(), set(), set()
    for seed in range(60):
        log = RandomLog(random.Random(seed)).made()
        kinds |= {entry.WhichOneof("leaf") for entry in log}
        entered |= {link.kind for entry in log for ledger in entry.roster.ledgers for link in ledger.links}
        audited = verified(written(log))
        outcomes |= {finding.sentence.split(": ", 1)[1].split(" round")[0] for finding in audited.findings}
        outcomes |= {what for what, number in audited.rounds.items() if number}
    assert kinds == {"genesis", "roster", "transcript", "dead", "release", "void", "replay", "policy",
                     "grant", "revocation"}
    assert entered == {1, 2, 3, 4, 5}
    assert {"it makes void", "it replays", "refused", "void", "replayed"} <= outcomes
