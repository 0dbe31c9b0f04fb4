"""A population in pure epsilon: every filter runs out at the exact epsilon, and nothing else pays.

Whoever would have it charged as where rho is counted, or noised by a Gaussian, meets nodes and key holders
that make their own plan.
"""

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from cotally.client.audit.verifier import verify_log
from cotally.server.engines.engine import Measures
from cotally.server.engines.idle import Idle
from cotally.server.model.account import PICO, Account
from cotally.server.node import main
from cotally.server.node.measuring import Measuring
from cotally.server.ops import policy, recover, renewal
from cotally.server.protocol.announcement import announce
from cotally.server.protocol.frozen import freeze
from cotally.server.rpc.logs import Level, Log
from cotally.server.settings import config
from cotally.server.wire import charter as wire_charter
from cotally.server.wire.federation import Federation
from cotally.server.wire.signed import sign
from cotally.v1 import catalog_pb2, log_pb2, query_pb2, roster_pb2, round_pb2, work_pb2
from cotally.v1.canonical import digest
from cotally.v1.refusals import Misconfigured, Refusal
from tests.protocol import lab as laboratory
from tests.protocol.lab import BUDGET, DEPARTMENTS, Lab
from tests.protocol.planting import committed, refused_as

AS_RHO = PICO // 8  # what epsilon = 0.5 costs where rho is counted: e^2/2
LEAST = "0.0001"    # that may be asked for


def question(epsilon: str = "0.5", mechanism: int = query_pb2.MECHANISM_LAPLACE) -> query_pb2.Query:
    """SELECT sex, COUNT(*) AS n FROM people GROUP BY sex WITH PRIVACY (epsilon = *epsilon*)"""
    query = laboratory.count_by_sex()
    query.privacy.epsilon = epsilon
    query.privacy.mechanism = query_pb2.Mechanism.ValueType(mechanism)
    return query


class PureLab(Lab):
    """A federation whose one population is pure; *granted* is what each department's grant allows."""

    def __init__(self, folder: Path, budgets: Sequence[roster_pb2.FilterBudget] = (),
                 granted: int = 0) -> None:
        self._granted = granted
        super().__init__(folder, budgets=budgets)

    def grant(self, department: str, analyst: str) -> query_pb2.SignedGrant:
        body = super().grant(department, analyst).body
        if self._granted:
            body.budgets.add(population="residents", purpose="statistics", pico_loss=self._granted)
        return query_pb2.SignedGrant(body=body, signature=sign(self.keys[department], "grant", body))

    def envelope(self, query: query_pb2.Query | None = None, query_id: bytes = b"",
                 analyst: str = "ada", signer: str = "") -> query_pb2.SignedEnvelope:
        return super().envelope(query or question(), query_id, analyst, signer)

    def impure(self) -> Federation:
        """The same federation to somebody for whom the population counts in rho."""
        charter = roster_pb2.Charter()
        charter.CopyFrom(self.charter)
        charter.catalog.tables[0].pure = False
        return Federation(charter)

    def announced_as_if_impure(self, query: query_pb2.Query) -> round_pb2.SignedAnnouncement:
        """What a hostile coordinator posts for *query*, signed by its analyst."""
        priced = self.impure().price(query)
        return announce(self.federation, self.envelope(query), priced, list(self.nodes), b"n" * 16, self.now,
                        self.keys["coordinator"])


@pytest.fixture(autouse=True)
def catalog(monkeypatch: pytest.MonkeyPatch) -> None:
    """The usual table, whose population is pure."""
    usual = laboratory.catalog

    def pure(departments: Sequence[str] = DEPARTMENTS) -> catalog_pb2.Catalog:
        made = usual(departments)
        made.tables[0].pure = True
        return made

    monkeypatch.setattr(laboratory, "catalog", pure)


# Filters


def budget(analyst: str = "", purpose: str = "") -> roster_pb2.FilterBudget:
    """One whole epsilon for a filter."""
    return roster_pb2.FilterBudget(population="residents", analyst=analyst, purpose=purpose, pico_loss=PICO)


@pytest.mark.parametrize("stated, named", [
    (budget(), "population residents"),
    (budget(analyst="ada"), "analyst ada in population residents"),
    (budget(purpose="statistics"), "purpose 'statistics' in population residents"),
    (budget("ada", "statistics"), "analyst ada and purpose 'statistics' in population residents"),
], ids=["population", "analyst", "purpose", "analyst's purpose"])
def test_a_filter_runs_out_at_the_exact_epsilon(
    folder: Path, stated: roster_pb2.FilterBudget, named: str
) -> None:
    lab = PureLab(folder, [stated])
    for _ in range(2):
        assert lab.decrypt("holder-1", lab.play().evidence)
    assert lab.follower().left("residents", stated.analyst, stated.purpose) == 0
    refused_as(Refusal.BUDGET_SPENT, lambda: lab.commit("tax", lab.announce(lab.envelope(question(LEAST)))),
               f"budget of 1 epsilon for {named} has 0 epsilon left; the price is 0.0001 epsilon")


def test_what_grants_allow_runs_out_at_the_exact_epsilon(folder: Path) -> None:
    lab = PureLab(folder, granted=PICO)
    for _ in range(2):
        assert lab.decrypt("holder-1", lab.play().evidence)
    refused_as(Refusal.BUDGET_SPENT, lambda: lab.commit("tax", lab.announce(lab.envelope(question(LEAST)))),
               "has 0 epsilon left")


def test_a_ledger_runs_out_at_the_exact_epsilon(folder: Path) -> None:
    lab = PureLab(folder)
    for _ in range(BUDGET // (PICO // 2)):
        lab.play()
    (status,) = lab.nodes["tax"].ledger.status()
    assert status.spent_pico_loss == status.budget_pico_loss == BUDGET
    refused_as(Refusal.BUDGET_SPENT, lambda: lab.commit("tax", lab.announce(lab.envelope(question(LEAST)))),
               "department tax has 0 epsilon left of its budget of 2 epsilon")


def test_an_auditor_adds_epsilon_up(folder: Path) -> None:
    """From the log alone, by the client's own fold."""
    lab = PureLab(folder, [budget()])
    for _ in range(2):
        lab.play()
    audited = verify_log(lab.charter, lab.federation.roster, lab.audit.entries(0, lab.audit.size),
                         lab.witness())
    found = {(each.kind, each.name): each for each in audited.accounts}
    for key, limit in {("population", "residents"): PICO, ("department", "tax"): BUDGET}.items():
        assert (found[key].budget, found[key].cumulative, found[key].delta) == (limit, PICO, "0")
        assert found[key].to_dict()["cumulative_epsilon"] == 1.0
    assert not audited.findings


# Budgets, as departments and operators state them


def configured(tmp: Path, budget_: str) -> config.NodeConfig:
    """What a node.toml with this [budget] says."""
    path = tmp / "node.toml"
    path.write_text("\n".join([
        *(f'{key} = "x"' for key in ("name", "charter", "ca", "certificate", "key", "signing_key", "state")),
        f'roster = "{"0" * 64}"', 'coordinator = "x:1"', 'grants = "g"', "[budget]", budget_]))
    return config.node(path)


def test_a_department_budgets_epsilon_as_it_stands(folder: Path) -> None:
    federation = PureLab(folder).federation
    assert main.stated_budgets(configured(folder, "residents = { epsilon = 1.5 }"), federation) == {
        "residents": 15 * PICO // 10}
    with pytest.raises(Misconfigured, match="'residents' is pure: state epsilon"):
        main.stated_budgets(configured(folder, "residents = { rho = 1.5 }"), federation)


def test_a_policy_budgets_epsilon_as_it_stands(folder: Path) -> None:
    federation, path = PureLab(folder).federation, folder / "budgets.toml"
    path.write_text('[[budgets]]\npopulation = "residents"\nbudget = { epsilon = 4.0 }\n'
                    '[[departments]]\nname = "tax"\npopulation = "residents"\nbudget = { epsilon = 2.5 }\n')
    filters, departments = policy.read_budgets(path, federation)
    assert (filters[0].pico_loss, departments[0].pico_loss) == (4 * PICO, 5 * PICO // 2)
    found = renewal.changes(roster_pb2.BudgetPolicy(budgets=filters, departments=departments), [],
                            lambda *_: PICO)
    assert [line.strip() for line in renewal.told(found, federation)] == [
        "everybody in population residents: no limit -> 4 epsilon",
        "department tax in population residents: 1 epsilon -> 2.5 epsilon"]
    path.write_text(path.read_text().replace("epsilon", "rho"))
    with pytest.raises(Misconfigured, match="budget is in rho, but population 'residents' is pure"):
        policy.read_budgets(path, federation)


def test_a_restored_ledger_burns_what_is_vouched_for_in_epsilon(folder: Path) -> None:
    """A word about rho says nothing of a population that counts in epsilon."""
    lab = PureLab(folder)
    played = lab.play()
    assert lab.decrypt("holder-1", played.evidence)
    logged = recover.logged_entries(lab.audit.entries(0, lab.audit.size), lab.follower(), "tax")
    ledger, pure = lab.department("tax", "restored").ledger, lab.federation.catalog.pure
    refused_as(Refusal.MALFORMED, lambda: recover.recover(ledger, logged, {Account.RHO: 7}, pure),
               "state --unlogged-epsilon as well; nothing was burned")
    assert ledger.length == 1, "its budget"
    assert recover.recover(ledger, logged, {Account.EPSILON: 7}, pure) == {"residents": 7}


# Another price


def test_nodes_and_key_holders_refuse_a_plan_that_is_charged_as_rho(folder: Path) -> None:
    """The noise is right, and e^2/2 is what it costs elsewhere."""
    lab = PureLab(folder)
    forged = lab.announced_as_if_impure(question())
    assert forged.body.plan.pico_loss == AS_RHO
    assert forged.body.plan.blocks[0].scale == lab.announce().body.plan.blocks[0].scale
    refused_as(Refusal.PLAN_MISMATCH, lambda: lab.commit("tax", forged), "our own calculation")
    evidence = lab.play().evidence
    evidence.announcement.CopyFrom(forged)
    refused_as(Refusal.PLAN_MISMATCH, lambda: lab.decrypt("holder-1", evidence), "our own calculation")


def test_key_holders_refuse_a_leaf_that_charges_as_rho(folder: Path) -> None:
    lab = PureLab(folder)
    round_ = committed(lab)
    leaf = round_.combine()
    assert leaf.pico_loss == PICO // 2
    leaf.pico_loss = AS_RHO
    index = lab.log(log_pb2.LogEntry(transcript=leaf))
    evidence = work_pb2.Evidence(
        announcement=round_.announcement, frozen=round_.frozen, index=index, checkpoint=lab.witness(),
        reveals=[round_.reveals[n] for n in round_.members])
    refused_as(Refusal.EQUIVOCATION, lambda: lab.decrypt("holder-1", evidence), "our own recomputation")


def test_nodes_and_key_holders_refuse_a_ledger_that_reserves_as_rho(folder: Path) -> None:
    lab = PureLab(folder)
    announcement = lab.announce()
    commitments = [lab.commit(name, announcement) for name in lab.nodes]
    cheap = commitments[0].body
    cheap.links[-1].pico_loss = AS_RHO
    commitments[0].signature = sign(lab.keys["health"], "commitment", cheap)
    frozen = freeze(cheap.round, commitments, lab.keys["coordinator"])
    refused_as(Refusal.PLAN_MISMATCH, lambda: lab.nodes["tax"].session.reveal(frozen, lab.now),
               "does not reserve")
    evidence = lab.play().evidence
    evidence.announcement.CopyFrom(announcement)
    evidence.frozen.CopyFrom(frozen)
    refused_as(Refusal.PLAN_MISMATCH, lambda: lab.decrypt("holder-1", evidence), "does not reserve")


# Another mechanism


def test_nodes_and_key_holders_refuse_gaussian_noise(folder: Path) -> None:
    """An analyst and a coordinator agree on it, and it has no pure epsilon at all."""
    lab = PureLab(folder)
    forged = lab.announced_as_if_impure(question(mechanism=query_pb2.MECHANISM_GAUSSIAN))
    fix = "population 'residents' is pure: state mechanism = 'laplace'"
    refused_as(Refusal.BAD_PRIVACY, lambda: lab.commit("tax", forged), fix)
    evidence = lab.play().evidence
    evidence.announcement.CopyFrom(forged)
    refused_as(Refusal.BAD_PRIVACY, lambda: lab.decrypt("holder-1", evidence), fix)


def test_a_price_in_rho_is_refused(folder: Path) -> None:
    lab, query = PureLab(folder), question()
    query.privacy.rho = "0.125"
    forged = lab.announced_as_if_impure(query)
    refused_as(Refusal.BAD_PRIVACY, lambda: lab.commit("tax", forged), "state epsilon instead of rho")


def test_a_charter_whose_population_counts_in_two_things_is_refused(folder: Path) -> None:
    charter = PureLab(folder).charter
    other = charter.catalog.tables.add()
    other.CopyFrom(charter.catalog.tables[0])
    other.name, other.pure = "visits", False
    charter.roster.catalog = digest("catalog", charter.catalog)
    with pytest.raises(Misconfigured, match="'people' and 'visits' of population 'residents' disagree"):
        wire_charter.check_content(charter)


@pytest.mark.parametrize("pure", [True, False])
def test_a_node_rehearses_whatever_its_first_table_counts_in(folder: Path, pure: bool) -> None:
    lab = PureLab(folder)
    federation = lab.federation if pure else lab.impure()
    engine: Measures = Idle(folder)
    Measuring(federation, engine, os.urandom, Log("node", "tax", least=Level.OFF)).rehearse(Idle)
