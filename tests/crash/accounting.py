"""What everybody holds of budgets after all restarts, against the log as an auditor adds it up by himself.

- Every filter stands at one amount for the auditor, the coordinator, every key holder and every node.
- Each department's ledger on disk goes on from the entries in the log. It holds every round whose frozen
  roster is in the log at its price, unless it is void, and beside these at most one round for each fault.
- Each department's record of what it sent is one chain, and holds what the log remembers of it.
- Budgets that were renewed, and lists of what was taken back, are in the log once, and count.
"""

from collections import Counter
from collections.abc import Iterator, Mapping

from cotally.client.audit.verifier import Audited
from cotally.client.budget import Filter
from cotally.client.privacy import Account
from cotally.server.audit.follower import Follower
from cotally.server.audit.follower_store import SCHEMA as FOLLOWER
from cotally.server.audit.follower_store import FollowerStore
from cotally.server.ledger.ledger import SCHEMA as LEDGER
from cotally.server.ledger.ledger import Ledger
from cotally.server.node.sent import SCHEMA as SENT
from cotally.server.node.sent import Sent
from cotally.server.store.book import Kind as Entry
from cotally.server.store.database import open_database
from cotally.v1 import round_pb2

from .founding import HOLDERS, RENEWED
from .processes import Sweep
from .schedule import Schedule
from .script import Outcome

Key = tuple[str, str, str, str]  # kind, name, population, purpose


def check(schedule: Schedule, sweep: Sweep, outcome: Outcome, audited: Audited) -> None:
    """Fail on the first that does not hold."""
    stated = {_key(each): each for each in audited.accounts}
    _coordinator(sweep, outcome, stated)
    for name in (*sweep.founded.departments, *HOLDERS):
        engine = open_database(sweep.processes[name].state / "log.db", FOLLOWER)
        follower = FollowerStore(engine).load(sweep.founded.charter)
        engine.dispose()
        _witness(name, follower, outcome, stated)
        if name in sweep.founded.departments:
            _department(name, schedule, sweep, outcome, follower)
            _record(name, sweep, outcome)
    _once(outcome)


def _key(each: Filter) -> Key:
    return each.kind, each.name, each.population, each.purpose


def _coordinator(sweep: Sweep, outcome: Outcome, stated: Mapping[Key, Filter]) -> None:
    delta = sweep.founded.charter.roster.policy.delta
    for analyst, statuses in outcome.filters.items():
        told = [Filter.of(status, Account(delta)) for status in statuses]
        ours = {_key(each) for each in told} - {k for k in stated if k[0] == "department"}
        due = {key for key in stated if key[0] != "department"
               and (key[1] in ("", analyst) or key[0] == "population")}
        assert {key for key in ours if key[0] != "department"} == due, (ours, due)
        for each in told:
            if each.kind == "department":
                continue
            known = stated[_key(each)]
            assert (each.cumulative, each.left) == (known.cumulative, known.left), (
                f"the coordinator states {each}, the log says {known}")


def _witness(name: str, follower: Follower, outcome: Outcome, stated: Mapping[Key, Filter]) -> None:
    size = len(outcome.entries)
    assert follower.size == size, f"{name} has folded {follower.size} of {size} entries"
    for (kind, who, population, purpose), known in stated.items():
        if kind == "department":
            continue
        key = population, "" if kind == "population" else who, purpose
        assert (follower.spent(*key), follower.left(*key)) == (known.cumulative, known.left), (
            f"{name} has another {known}")


def _department(name: str, schedule: Schedule, sweep: Sweep, outcome: Outcome, follower: Follower) -> None:
    engine = open_database(sweep.processes[name].state / "ledger.db", LEDGER)
    ledger = Ledger(engine, name)
    last = follower.last_link(name)
    assert last is not None and not follower.forked
    ledger.check_logged(*last)
    held = {round_: entry.pico_loss for round_, entry in ledger._book.rounds.items()
            if entry.kind is not Entry.VOID}
    [status] = ledger.status()
    engine.dispose()
    assert status.spent_pico_loss == sum(held.values())
    assert status.budget_pico_loss == RENEWED, f"{name} did not take over the policy's budget"
    void = {e.void.round for e in outcome.entries if e.WhichOneof("leaf") == "void"}
    logged = {round_: price for round_, price in _reserved(name, outcome) if round_ not in void}
    assert logged.items() <= held.items(), f"the ledger of {name} lacks a round that the log says it pays"
    assert len(held) - len(logged) <= len(schedule.faults), f"{name} paid for rounds that never came to be"


def _record(name: str, sweep: Sweep, outcome: Outcome) -> None:
    """What the department sent is on record, as far as the log remembers it, and the record is one chain."""
    engine = open_database(sweep.processes[name].state / "sent.db", SENT)
    kept = {entry.hash for entry in Sent(engine, lambda: 0).entries()}
    engine.dispose()
    told = {ledger.sent for e in outcome.entries for ledger in e.roster.ledgers if ledger.node == name}
    assert told and told <= kept, f"the record of what {name} sent lacks what the log remembers of it"


def _reserved(name: str, outcome: Outcome) -> Iterator[tuple[bytes, int]]:
    """Rounds, and the prices at which the log shows that *name* reserved them."""
    for entry in outcome.entries:
        for ledger in entry.roster.ledgers:
            if ledger.node == name:
                last = ledger.links[-1]
                assert (last.kind, last.round) == (round_pb2.LEDGER_KIND_RESERVE, entry.roster.round)
                yield last.round, last.pico_loss


def _once(outcome: Outcome) -> None:
    kinds = Counter(e.WhichOneof("leaf") for e in outcome.entries)
    issuers = sorted(e.revocation.revocation.body.issuer for e in outcome.entries if e.HasField("revocation"))
    assert kinds["policy"] == 1, "the policy is not in the log, or twice"
    assert issuers == ["coordinator", "north"], f"lists in the log are of {issuers}"
    grants = Counter(e.grant.grant for e in outcome.entries if e.HasField("grant"))
    assert max(grants.values()) == 1, "a grant is in the log twice"
