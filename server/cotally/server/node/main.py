"""`cotally node run CONFIG`: wiring."""

import asyncio
import os
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from cotally.server.audit import follower_store
from cotally.server.audit.follower import Follower
from cotally.server.dp.accounting import loss_within
from cotally.server.engines.engine import EngineError
from cotally.server.engines.holding import Holding
from cotally.server.engines.idle import Idle
from cotally.server.engines.source import File
from cotally.server.ledger import ledger as ledgers
from cotally.server.model.account import PICO, Account
from cotally.server.rpc import channel, credentials
from cotally.server.rpc.logs import Log
from cotally.server.rpc.running import Ready, RunCommand
from cotally.server.settings import config, party
from cotally.server.store.database import open_database
from cotally.server.wire.federation import Federation
from cotally.v1 import roster_pb2
from cotally.v1.refusals import Misconfigured, Refused

from . import lists, rounds, sent
from .folder import Folder
from .measuring import Measuring
from .permissions import Permissions
from .service import NodeService
from .session import NodeSession


async def _serve(path: Path, log: Log, ready: Ready) -> None:
    settings = config.node(path)
    common = settings.common
    us = party.load(common, roster_pb2.ROLE_NODE)
    log = Log("node", us.member.name)
    tls = credentials.load(common.ca, common.certificate, common.key)
    database = open_database(us.state / "ledger.db", ledgers.SCHEMA, rounds.SCHEMA, lists.SCHEMA)
    ledger = ledgers.Ledger(database, us.member.name, us.federation.catalog.pure)
    budgets = stated_budgets(settings, us.federation)
    followers = follower_store.FollowerStore(open_database(us.state / "log.db", follower_store.SCHEMA))
    holding = Holding(us.state, settings.data)
    tables = await asyncio.to_thread(_snapshots, holding, settings, us, log)
    follower = followers.load(us.federation.charter)
    federation = us.in_force(follower.roster)
    set_budgets(ledger, follower, us.member.name, budgets, log)
    permissions = Permissions(federation, us.member.name, follower, lists.Lists(database),
                              max_age_ms=settings.revocations_max_age)
    folder = Folder(settings.grants, permissions, log)
    folder.check()
    folder.look()
    session = NodeSession(
        federation, us.member.name, us.signing, rounds.Rounds(database), ledger, follower,
        permissions, settings.accept_min_departments, settings.refunds)
    session.settle()
    measuring = Measuring(federation, holding, os.urandom, log, settings.noise)
    rehearse = partial(_rehearse, settings=settings)
    await asyncio.to_thread(rehearse, measuring)
    leaving = sent.Sent(open_database(us.state / "sent.db", sent.SCHEMA), lambda: time.time_ns() // 1_000_000)
    service = NodeService(session, us, ledger, followers, measuring, tables, rehearse, folder, leaving, log)
    async with channel.connect(settings.coordinator, tls) as line:
        await service.serve(line, settings.coordinator, tls, lambda: us.ready(ready))


def _rehearse(measuring: Measuring, settings: config.NodeConfig) -> None:
    """Walk the whole way once; through DuckDB where a table of ours lies in a file."""
    if any(isinstance(source, File) for source in settings.data.values()):
        from cotally.server.engines.duckdb.engine import DuckDB
        measuring.rehearse(DuckDB)
    else:
        measuring.rehearse(Idle)


def set_budgets(ledger: ledgers.Ledger, follower: Follower, name: str, stated: Mapping[str, int],
                log: Log) -> None:
    """Give the ledger its budgets: a policy's in the log, else what the configuration says at first.

    Later the configuration may lower a budget; only a policy raises one. A ledger that is older than
    the log gets nothing, so that `cotally node recover` can still continue it.
    """
    logged = follower.last_link(name)
    try:
        ledger.check_logged(*logged or (0, b""))
    except Refused as refused:
        log.warning("ledger_refused", refusal=refused.refusal, message=refused.message)
        return
    now = {status.population: status.budget_pico_loss for status in ledger.status()}
    renewed = {p: follower.budget_of(name, p) for p in {*now, *stated}}
    for population, pico_loss in sorted(stated.items()):
        if renewed[population] is None:
            if pico_loss > now.get(population, pico_loss):
                log.warning("budget_not_raised", message=f"the budget of {population} stays what it was: "
                            "`cotally federation policy` renews it, with every department's approval")
                continue
            ledger.set_budget(population, pico_loss)
    for population, budget in sorted(renewed.items()):
        if budget is not None:
            ledger.set_budget(population, budget)


def stated_budgets(settings: config.NodeConfig, federation: Federation) -> dict[str, int]:
    """What each population's ledger may spend, rounded down; one without a budget can spend nothing."""
    known, pure = {t.population for t in federation.catalog.tables}, federation.catalog.pure
    for population in (*settings.budgets, *settings.budgets_rho):
        if population not in known:
            raise Misconfigured(f"{settings.common.path}: budget.{population}: the catalog has no such "
                                f"population; it has {', '.join(sorted(known))}")
        if population in pure and population in settings.budgets_rho:
            raise Misconfigured(f"{settings.common.path}: budget.{population} is in rho, but population "
                                f"{population!r} is pure: state epsilon")
    budgets = {p: loss_within(e, Account.of(p, pure), federation.delta) if e else 0
               for p, e in settings.budgets.items()}
    return budgets | {p: int(rho * PICO) for p, rho in settings.budgets_rho.items()}


def _snapshots(holding: Holding, settings: config.NodeConfig, us: party.Party, log: Log) -> frozenset[str]:
    """Take the snapshot of each table that the catalog says we hold; notes go to the operator."""
    held = [t for t in us.federation.catalog.tables if us.member.name in t.holders]
    for name in settings.data:
        if name not in {t.name for t in held}:
            raise Misconfigured(f"{settings.common.path}: data.{name}: the catalog does not list "
                                f"{us.member.name} as a holder of {name!r}")
    for table in held:
        if table.name not in settings.data:
            raise Misconfigured(f"{settings.common.path}: data.{table.name} is missing; the catalog lists "
                                f"{us.member.name} as a holder of it")
        try:
            report = holding.snapshot(table)
        except (Misconfigured, EngineError) as reason:
            raise Misconfigured(f"{settings.common.path}: data.{table.name}: {reason}") from None
        log.event("snapshot", table=table.name, count=report.rows)
        for note in report.notes:
            log.warning("snapshot_note", table=table.name, message=note)
    for table in held[:1]:
        holding.open(table)  # the first question finds the engine open; later ones, as the one before left it
    return frozenset(t.name for t in held)


run_command = RunCommand(
    "node", "node.toml", "run a department's node beside its data, until interrupted", _serve)
