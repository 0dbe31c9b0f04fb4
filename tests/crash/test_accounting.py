"""The sweep's comparison of budgets fails where they differ: one quiet run, spoiled in every way."""

import copy
import sqlite3
from unittest.mock import patch

import pytest

from cotally.client.audit.verifier import Audited, verify_log
from cotally.server.audit.follower import Follower

from . import accounting, invariants, runs
from .founding import DEPARTMENTS
from .processes import Sweep
from .schedule import Schedule
from .script import Outcome

QUIET = Schedule(0, DEPARTMENTS[:3], ())


def overstated(_: Sweep, outcome: Outcome) -> None:
    next(f for f in outcome.filters["ada"] if f.name == "residents").spent_pico_loss += 1


def another_limit(_: Sweep, outcome: Outcome) -> None:
    next(f for f in outcome.filters["eve"] if f.purpose == "statistics").budget_pico_loss -= 1


def unlisted(_: Sweep, outcome: Outcome) -> None:
    outcome.filters["eve"] = [f for f in outcome.filters["eve"] if f.purpose != "statistics"]


def unfolded(_: Sweep, outcome: Outcome) -> None:
    outcome.entries.append(outcome.entries[-1])


def cut_record(sweep: Sweep, _: Outcome) -> None:
    with sqlite3.connect(sweep.processes["north"].state / "sent.db") as db:
        db.execute("DELETE FROM sent WHERE position > 0")
    db.close()


PLANTS = {overstated: "the coordinator states", another_limit: "the coordinator states",
          unlisted: "statistics", unfolded: "has folded", cut_record: "lacks what the log remembers"}


def test_every_difference_is_found() -> None:
    def look(schedule: Schedule, sweep: Sweep, outcome: Outcome) -> None:
        audited = audit(sweep, outcome)
        accounting.check(schedule, sweep, outcome, audited)
        for plant, found in PLANTS.items():
            spoiled = copy.deepcopy(outcome)
            plant(sweep, spoiled)
            with pytest.raises(AssertionError, match=found):
                accounting.check(schedule, sweep, spoiled, audited)

    with patch.object(invariants, "check", look):
        runs.run(QUIET)


def test_a_ledger_holds_what_the_log_says_and_no_more() -> None:
    def look(schedule: Schedule, sweep: Sweep, outcome: Outcome) -> None:
        follower = Follower(sweep.founded.charter)
        follower.fold(outcome.entries)
        [at, *_] = [at for at, entry in enumerate(outcome.entries) if entry.HasField("roster")]
        for change, found in ((missing, "never came to be"), (another, "lacks a round")):
            other = copy.deepcopy(outcome)
            change(other, at)
            with pytest.raises(AssertionError, match=found):
                accounting._department("north", schedule, sweep, other, follower)
        accounting._department("north", schedule, sweep, outcome, follower)

    def missing(outcome: Outcome, at: int) -> None:
        del outcome.entries[at]

    def another(outcome: Outcome, at: int) -> None:
        entry = copy.deepcopy(outcome.entries[at])
        entry.roster.round = bytes(32)
        for ledger in entry.roster.ledgers:
            ledger.links[-1].round = bytes(32)
        outcome.entries.append(entry)

    with patch.object(invariants, "check", look):
        runs.run(QUIET)


def audit(sweep: Sweep, outcome: Outcome) -> Audited:
    """What the log proves."""
    return verify_log(sweep.founded.charter, sweep.founded.pin, outcome.entries, outcome.checkpoint)
