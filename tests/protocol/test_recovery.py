"""A ledger that came back from a backup goes on where the log saw it, and never under-charges."""

import shutil
from collections.abc import Sequence
from functools import partial

import pytest

from cotally.server.audit.policies import next_policy
from cotally.server.model.account import Account
from cotally.server.node.main import set_budgets
from cotally.server.ops.policy import approve, read_budgets
from cotally.server.ops.recover import logged_entries, recover
from cotally.server.rpc.logs import Log
from cotally.v1 import log_pb2, roster_pb2
from cotally.v1.refusals import Misconfigured, Refusal
from tests.protocol.lab import BUDGET, Department, Lab, count_by_sex
from tests.protocol.planting import forget_rounds, refused_as

LOG = Log("node", "tax")


def backed_up(lab: Lab) -> Department:
    """`tax` after three rounds, of which its restored ledger knows the first; the third was never logged."""
    lab.play(lab.envelope(count_by_sex("0.25")))
    source, copy = lab.folder / "tax", lab.folder / "restored"
    shutil.copytree(source, copy)
    lab.play(lab.envelope(count_by_sex("0.25")))
    lab.commit("tax", lab.announce(lab.envelope(count_by_sex("0.25"))))
    shutil.copy(source / "log.db", copy / "log.db")
    for suffix in ("-wal", "-shm"):
        shutil.copy(source / f"log.db{suffix}", copy / f"log.db{suffix}")
    return lab.department("tax", "restored")


def entries(lab: Lab) -> Sequence[log_pb2.LogEntry]:
    return lab.audit.entries(0, lab.audit.size)


def test_a_restored_ledger_takes_part_again_only_after_it_burned_the_doubt(lab: Lab) -> None:
    true = lab.nodes["tax"].ledger.status()[0].spent_pico_loss
    lab.nodes["tax"] = node = backed_up(lab)
    announcement = lab.announce()
    refused_as(Refusal.STEPPED_BACK, lambda: lab.commit("tax", announcement), "backup")
    burned = recover(node.ledger, logged_entries(entries(lab), lab.follower(), "tax"), {})
    status = node.ledger.status()[0]
    assert status.spent_pico_loss == status.budget_pico_loss == BUDGET
    assert sum(burned.values()) > true
    refused_as(Refusal.BUDGET_SPENT, lambda: lab.commit("tax", lab.announce()))


def test_who_knows_what_was_in_flight_burns_that(lab: Lab) -> None:
    lab.nodes["tax"] = node = backed_up(lab)
    logged = logged_entries(entries(lab), lab.follower(), "tax")
    assert len(logged) == 3
    recover(node.ledger, logged, {Account.RHO: BUDGET // 8})
    assert node.ledger.status()[0].spent_pico_loss == BUDGET // 8 * 3
    played = lab.play()  # its links, with the burn, continue the logged chain
    for name in ("holder-1", "holder-2"):
        played.round.partial(lab.decrypt(name, played.evidence))


def test_the_same_word_twice_burns_once(lab: Lab) -> None:
    lab.nodes["tax"] = node = backed_up(lab)
    logged, word = logged_entries(entries(lab), lab.follower(), "tax"), BUDGET // 8
    assert recover(node.ledger, logged, {Account.RHO: word}) == {"residents": word}
    assert recover(node.ledger, logged, {Account.RHO: word}) == {}
    assert recover(node.ledger, logged, {Account.RHO: 2 * word}) == {"residents": word}  # lost once more
    lab.commit("tax", lab.announce())  # what it went on to do may be lost as well
    assert recover(node.ledger, logged, {Account.RHO: word}) == {"residents": word}


def test_a_word_about_one_account_burns_nothing_of_a_ledger_that_counts_in_both(lab: Lab) -> None:
    ledger = lab.nodes["tax"].ledger
    ledger.set_budget("asked-purely", BUDGET)
    before = ledger.length
    for word in ({Account.RHO: 1}, {Account.EPSILON: 1}):
        refused_as(Refusal.MALFORMED, partial(recover, ledger, [], word, {"asked-purely"}),
                   "nothing was burned")
    assert ledger.length == before
    both = dict.fromkeys(Account, 1)
    assert recover(ledger, [], both, {"asked-purely"}) == {"asked-purely": 1, "residents": 1}


def test_a_healthy_ledger_loses_nothing(lab: Lab) -> None:
    lab.play()
    node = lab.nodes["tax"]
    before, length = node.ledger.status(), node.ledger.length
    assert recover(node.ledger, logged_entries(entries(lab), lab.follower(), "tax"), {}) == {}
    assert (node.ledger.status(), node.ledger.length) == (before, length)


def test_a_copy_that_went_on_by_itself_is_beyond_help(lab: Lab) -> None:
    node = backed_up(lab)
    node.ledger.reserve(b"x" * 32, "residents", 1)
    refused_as(Refusal.EQUIVOCATION,
               lambda: recover(node.ledger, logged_entries(entries(lab), lab.follower(), "tax"), {}))


def test_a_start_writes_no_budget_into_a_ledger_that_is_behind(lab: Lab) -> None:
    node = backed_up(lab)
    length = node.ledger.length
    set_budgets(node.ledger, node.session.follower, "tax", {"residents": 1}, LOG)
    assert node.ledger.length == length


def test_a_round_whose_measurement_was_lost_is_not_measured_again(lab: Lab) -> None:
    announcement = lab.announce()
    node = lab.nodes["tax"]
    lab.commit("tax", announcement)
    forget_rounds(lab)
    refused_as(Refusal.OUT_OF_ORDER, lambda: node.session.decide(announcement, lab.now), "paid for")


# Renewed budgets

def renew(lab: Lab, pico_loss: int) -> None:
    policy = next_policy(lab.federation.first, lab.follower().policy, [], [
        roster_pb2.DepartmentBudget(department="tax", population="residents", pico_loss=pico_loss)])
    leaf = log_pb2.LogEntry(policy=log_pb2.PolicyLeaf(
        policy=policy, approvals=[approve(policy, name, lab.keys[name]) for name in lab.nodes]))
    lab.log(leaf)
    lab.witness()
    for node in lab.nodes.values():
        node.session.follow(leaf)


def budget(node: Department) -> int:
    return node.ledger.status()[0].budget_pico_loss


def test_a_logged_policy_renews_a_department_and_its_configuration_does_not(lab: Lab) -> None:
    node = lab.nodes["tax"]
    set_budgets(node.ledger, node.session.follower, "tax", {"residents": 2 * BUDGET}, LOG)
    assert budget(node) == BUDGET
    renew(lab, 3 * BUDGET)
    assert [budget(each) for each in lab.nodes.values()] == [BUDGET, BUDGET, 3 * BUDGET]
    set_budgets(node.ledger, node.session.follower, "tax", {"residents": BUDGET}, LOG)
    assert budget(node) == 3 * BUDGET
    played = lab.play()
    for name in ("holder-1", "holder-2"):
        played.round.partial(lab.decrypt(name, played.evidence))
    renew(lab, BUDGET)
    assert budget(node) == BUDGET


def test_a_ledgers_budget_is_its_own_in_the_log_until_a_policy_says_another(lab: Lab) -> None:
    node = lab.nodes["tax"]
    follower = node.session.follower
    assert follower.ledger_budget("tax", "residents") is None
    node.ledger.set_budget("residents", BUDGET - 1)
    lab.play()
    lab.witness()
    assert follower.ledger_budget("tax", "residents") == BUDGET - 1
    renew(lab, 3 * BUDGET)
    assert [follower.ledger_budget(name, "residents") for name in ("tax", "health")] == [3 * BUDGET, BUDGET]


def test_budgets_are_read_from_a_file(lab: Lab) -> None:
    path = lab.folder / "budgets.toml"
    path.write_text('[[budgets]]\npopulation = "residents"\nbudget = { rho = 4.0 }\n'
                    '[[budgets]]\npopulation = "residents"\nanalyst = "ada"\npurpose = "statistics"\n'
                    'budget = { rho = 0.5 }\n'
                    '[[departments]]\nname = "tax"\npopulation = "residents"\nbudget = { rho = 2.0 }\n')
    filters, departments = read_budgets(path, lab.federation)
    assert [(f.analyst, f.purpose, f.pico_loss) for f in filters] == [
        ("", "", 4 * 10**12), ("ada", "statistics", 5 * 10**11)]
    assert [(d.department, d.pico_loss) for d in departments] == [("tax", 2 * 10**12)]
    text = path.read_text()
    path.write_text(text.replace("tax", "mars"))
    with pytest.raises(Misconfigured, match="mars"):
        read_budgets(path, lab.federation)
    path.write_text(text[:text.index("[[dep")])
    assert len(read_budgets(path, lab.federation)[0]) == 2
    path.write_text(text[text.index("[[dep"):])
    with pytest.raises(Misconfigured, match="budgets is missing"):
        read_budgets(path, lab.federation)


def test_the_configuration_may_lower_a_budget(lab: Lab) -> None:
    node = lab.nodes["tax"]
    set_budgets(node.ledger, node.session.follower, "tax", {"residents": BUDGET // 2}, LOG)
    assert budget(node) == BUDGET // 2
    set_budgets(node.ledger, node.session.follower, "tax", {"residents": BUDGET}, LOG)
    assert budget(node) == BUDGET // 2


@pytest.mark.parametrize("raised", [BUDGET + 1, 10 * BUDGET])
def test_a_ledger_that_raises_its_own_budget_is_forked_for_everybody(lab: Lab, raised: int) -> None:
    lab.play()
    lab.nodes["tax"].ledger.set_budget("residents", raised)  # a dishonest department
    commitment = lab.commit("tax", lab.announce())
    follower = lab.holders["holder-1"].session.follower
    refused_as(Refusal.NOT_ALLOWED, lambda: follower.check_links(
        "tax", commitment.body.links, commitment.body.round, "residents", 500_000_000_000), "a policy")


def test_a_budget_that_the_disk_refused_is_taken_later_but_by_no_ledger_that_is_behind(lab: Lab) -> None:
    policy = next_policy(lab.charter.roster, None, [], [
        roster_pb2.DepartmentBudget(department="tax", population="residents", pico_loss=2 * BUDGET)])
    lab.log(log_pb2.LogEntry(policy=log_pb2.PolicyLeaf(policy=policy, approvals=[
        approve(policy, name, lab.keys[name]) for name in sorted(lab.nodes)])))
    lab.witness()  # it folds the entry, and its disk fails before it follows it
    restored = backed_up(lab)
    for node, budget in ((lab.nodes["tax"], 2 * BUDGET), (restored, BUDGET)):
        node.session.settle()
        assert node.ledger.status()[0].budget_pico_loss == budget
