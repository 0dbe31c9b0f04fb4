"""`cotally federation policy`: budgets renewed, by a policy that every department approves.

  propose   writes the policy that would follow the one in force, from a file of budgets
  approve   a department signs it
  submit    lays it, with all approvals, where the coordinator looks
"""

import argparse
from pathlib import Path
from typing import Final

from google.protobuf.message import DecodeError

from cotally.server.audit import follower_store
from cotally.server.audit.follower import Follower
from cotally.server.audit.policies import check_policy, next_policy
from cotally.server.coordinator.policies import POLICY
from cotally.server.crypto.signing import SigningKey
from cotally.server.settings import config
from cotally.server.store.database import open_database
from cotally.server.wire import signed
from cotally.server.wire.federation import Federation
from cotally.v1 import log_pb2, roster_pb2
from cotally.v1.commands import Group
from cotally.v1.refusals import Misconfigured

from .budgets import read_budget
from .charter import department
from .reader import read_toml
from .renewal import Change, changes, to_json, told
from .said import add_output, say
from .succession import blaming, in_force, replace

APPROVAL: Final = ".policy-approval"


def read_budgets(path: Path, federation: Federation) -> tuple[
        list[roster_pb2.FilterBudget], list[roster_pb2.DepartmentBudget]]:
    """The budgets in the TOML file *path*: sections [[budgets]] and, if ledgers change, [[departments]].

    A file without [[budgets]] is refused: it would lift every filter.
    """
    file = read_toml(path)
    known, pure = {t.population for t in federation.catalog.tables}, federation.catalog.pure
    nodes = {m.name for m in federation.members(roster_pb2.ROLE_NODE)}
    filters, departments = [], []
    for each in file.sections("budgets"):
        population = each.text("population")
        if population not in known:
            each.refuse("population", f"is {population!r}, which the catalog does not have")
        filters.append(roster_pb2.FilterBudget(
            population=population, analyst=each.text("analyst") if each.has("analyst") else "",
            purpose=each.text("purpose") if each.has("purpose") else "",
            pico_loss=read_budget(each, "budget").pico_loss(population, pure, federation.delta)))
        each.done()
    for each in file.sections("departments") if file.has("departments") else ():
        name, population = each.text("name"), each.text("population")
        if population not in known or name not in nodes:
            each.refuse("name", f"{name!r} with population {population!r} is not in the federation")
        departments.append(roster_pb2.DepartmentBudget(
            department=name, population=population,
            pico_loss=read_budget(each, "budget").pico_loss(population, pure, federation.delta)))
        each.done()
    file.done()
    return filters, departments


def read_leaf(path: Path) -> log_pb2.PolicyLeaf:
    """The policy in *path*, with the approvals that it has."""
    try:
        leaf = log_pb2.PolicyLeaf.FromString(path.read_bytes())
        if not leaf.policy.number:  # an empty file is an empty message
            raise DecodeError
        return leaf
    except OSError as reason:
        raise Misconfigured(f"{path}: cannot be read: {reason.strerror}") from None
    except DecodeError:
        raise Misconfigured(f"{path}: this is not a budget policy, or it is damaged") from None


def approve(policy: roster_pb2.BudgetPolicy, name: str, signer: SigningKey) -> roster_pb2.Approval:
    """The word of department *name* on *policy*."""
    return roster_pb2.Approval(department=name, signature=signed.sign(signer, "policy", policy))


def changes_here(policy: roster_pb2.BudgetPolicy, common: config.Common,
                 federation: Federation) -> tuple[list[Change], int]:
    """What *policy* changes as the log of this department tells, and the number of its last policy."""
    path = common.state / "log.db"
    follower = (follower_store.FollowerStore(open_database(path, follower_store.SCHEMA)).load(
        federation.charter) if path.exists() else Follower(federation.charter))
    last = follower.policy or roster_pb2.BudgetPolicy(budgets=federation.first.policy.budgets)
    return changes(policy, last.budgets, follower.ledger_budget), last.number


def changes_since(policy: roster_pb2.BudgetPolicy, last: roster_pb2.BudgetPolicy | None,
                  federation: Federation) -> list[Change]:
    """What *policy* changes after *last* (None: it is the first)."""
    before = last or roster_pb2.BudgetPolicy(budgets=federation.first.policy.budgets)
    ledgers = {(b.department, b.population): b.pico_loss for b in before.departments}
    return changes(policy, before.budgets, lambda *ledger: ledgers.get(ledger))


class ProposeCommand:
    """`cotally federation policy propose`."""

    name = "propose"
    help = "write the policy that would follow the one in force, for departments to approve"

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """The coordinator's configuration, the budgets, and where to."""
        parser.add_argument("config", type=Path, metavar="COORDINATOR.toml")
        parser.add_argument("budgets", type=Path, metavar="BUDGETS.toml",
                            help="[[budgets]] population, analyst, purpose, budget; [[departments]] name, "
                                 "population, budget = { epsilon = 2.0 }; they replace all former ones")
        parser.add_argument("exchange", type=Path, metavar="EXCHANGE", help="folder to write policy.bin into")
        add_output(parser)
        parser.epilog = "Budgets count from the beginning: what was spent stays spent, and on show."

    def run(self, args: argparse.Namespace) -> int:
        """Write EXCHANGE/policy.bin."""
        common = config.coordinator(args.config).common
        federation = in_force(common)
        before = common.state / POLICY
        last = read_leaf(before).policy if before.exists() else None
        policy = next_policy(federation.first, last, *read_budgets(args.budgets, federation))
        path = args.exchange / POLICY
        replace(path, log_pb2.PolicyLeaf(policy=policy).SerializeToString(deterministic=True))
        found = changes_since(policy, last, federation)
        say(args.output, {"policy": str(path), "number": policy.number} | to_json(found, federation), [
            f"{path}: policy number {policy.number}", *told(found, federation),
            "Every department approves it."])
        return 0


class ApproveCommand:
    """`cotally federation policy approve`."""

    name = "approve"
    help = "a department signs the budgets that it agrees to"

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """The department's configuration, and the exchange."""
        parser.add_argument("config", type=Path, metavar="NODE.toml")
        parser.add_argument("exchange", type=Path, metavar="EXCHANGE", help="folder that holds policy.bin")
        add_output(parser)

    def run(self, args: argparse.Namespace) -> int:
        """Write NAME.policy-approval into the exchange."""
        common = config.node(args.config).common
        federation = in_force(common)
        leaf = read_leaf(args.exchange / POLICY)
        if leaf.policy.federation != federation.name:
            raise Misconfigured(f"{args.exchange / POLICY}: the policy is of {leaf.policy.federation!r}")
        signer = SigningKey.load(common.signing_key)
        if department(federation.charter, common.name, args.config).signing_key != signer.public:
            raise Misconfigured(f"{common.signing_key}: this is not the key of {common.name} in the roster")
        path = args.exchange / f"{common.name}{APPROVAL}"
        found, last = changes_here(leaf.policy, common, federation)
        replace(path, approve(leaf.policy, common.name, signer).SerializeToString(deterministic=True))
        data = {"approval": str(path), "number": leaf.policy.number, "before": last}
        say(args.output, data | to_json(found, federation), [
            f"policy number {leaf.policy.number}; {common.name} has seen number {last} in the log",
            *told(found, federation), f"Approved by {common.name}: {path}"])
        return 0


class SubmitCommand:
    """`cotally federation policy submit`."""

    name = "submit"
    help = "hand an approved policy to the coordinator, which logs it"

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """The coordinator's configuration, and the exchange."""
        parser.add_argument("config", type=Path, metavar="COORDINATOR.toml")
        parser.add_argument("exchange", type=Path, metavar="EXCHANGE",
                            help=f"folder that holds policy.bin and every department's *{APPROVAL}")
        add_output(parser)

    def run(self, args: argparse.Namespace) -> int:
        """Check it, and lay it beside the configuration."""
        common = config.coordinator(args.config).common
        federation = in_force(common)
        leaf = read_leaf(args.exchange / POLICY)
        approvals = [_approval(path) for path in sorted(args.exchange.glob(f"*{APPROVAL}"))]
        leaf = log_pb2.PolicyLeaf(policy=leaf.policy, approvals=sorted(approvals, key=lambda a: a.department))
        before = common.state / POLICY
        last = read_leaf(before).policy if before.exists() else None
        with blaming(args.exchange):
            check_policy(federation.first, last, leaf)
        place = common.path.parent / POLICY
        replace(place, leaf.SerializeToString(deterministic=True))
        say(args.output, {"policy": str(place), "number": leaf.policy.number}, [
            f"{place}: the coordinator logs it when it runs; budgets hold from that entry on."])
        return 0


def _approval(path: Path) -> roster_pb2.Approval:
    try:
        return roster_pb2.Approval.FromString(path.read_bytes())
    except (OSError, DecodeError):
        raise Misconfigured(f"{path}: this is not an approval, or it is damaged") from None


command = Group("policy", "renew budgets, by a policy that every department approves",
                [ProposeCommand(), ApproveCommand(), SubmitCommand()])
