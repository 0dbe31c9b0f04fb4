"""`cotally node recover`: continues a ledger that was restored from an older copy, at the price of doubt.

What the audit log remembers of the ledger is put back, entry by entry, so that the chain goes on where
everybody saw it. What the lost copy may have reserved *after* its last logged entry nobody can tell: it is
burned, by default all that is left of every budget. So the ledger never under-charges; a policy may renew
budgets. A copy that went on by itself after it was restored contradicts the log, and is beyond help.
"""

import argparse
import asyncio
from collections.abc import Container, Mapping, Sequence
from fractions import Fraction
from math import ceil
from pathlib import Path
from typing import Final

import grpc

from cotally.server.audit import follower_store
from cotally.server.audit.checkpoint import check_witnessed
from cotally.server.audit.follower import Follower
from cotally.server.ledger import ledger as ledgers
from cotally.server.ledger.ledger import Ledger, entry_hash
from cotally.server.model.account import PICO, Account
from cotally.server.node import rounds
from cotally.server.rpc import channel, credentials
from cotally.server.rpc.frames import Joiner
from cotally.server.rpc.refusals import from_error
from cotally.server.settings import config, party
from cotally.server.store.book import Book
from cotally.server.store.database import open_database
from cotally.v1 import audit_pb2, audit_pb2_grpc, log_pb2, roster_pb2, round_pb2, work_pb2
from cotally.v1.refusals import Misconfigured, Refusal, Refused

from .said import add_output, say

SECONDS: Final = 60.0
_OPTIONS: Final = {Account.RHO: "--unlogged", Account.EPSILON: "--unlogged-epsilon"}


def logged_entries(entries: Sequence[log_pb2.LogEntry], follower: Follower,
                   name: str) -> list[round_pb2.LedgerEntry]:
    """Every entry of *name*'s ledger that the log holds and its *follower* accepted, from the first."""
    found: dict[int, round_pb2.LedgerEntry] = {}
    for entry in entries:
        for ledger in entry.roster.ledgers if entry.HasField("roster") else ():
            for link in ledger.links if ledger.node == name else ():
                if follower.link_at(name, link.length) == entry_hash(link):
                    found[link.length] = link
    last = follower.last_link(name)
    return [found[length] for length in range(1, last[0] + 1)] if last else []


def recover(ledger: Ledger, logged: Sequence[round_pb2.LedgerEntry], unlogged: Mapping[Account, int],
            pure: Container[str] = ()) -> dict[str, int]:
    """Continue *ledger* from what was *logged* of it; return what was burned, by population.

    *unlogged*: what the lost copy may have reserved beyond the log, in each population that counts in that
    account (*pure*: in epsilon). If it is empty, that is unknown, which burns all that is left, if the
    ledger was behind. Burns at the end of a ledger that was not behind are part of it, so that the same word
    twice burns once. Refused MALFORMED for a word about one account of a ledger that counts in both or in
    the other, EQUIVOCATION for a ledger that contradicts the log.
    """
    behind = ledger.length < len(logged)
    _check_stated(unlogged, {Account.of(population, pure) for population in (
        *(status.population for status in ledger.status()), *(entry.population for entry in logged))})
    done = {} if behind else ledger.last_burns()

    def burns(book: Book) -> dict[str, int]:
        amounts = {}
        for population in sorted(book.budgets):
            unknown = book.left(population) if behind else 0
            amount = unlogged.get(Account.of(population, pure), unknown)
            amounts[population] = amount - done.get(population, 0)
        return {population: amount for population, amount in amounts.items() if amount > 0}

    return ledger.adopt(logged, burns)


def _check_stated(unlogged: Mapping[Account, int], counted: Container[Account]) -> None:
    """Refuse a word about some of the accounts that the ledger counts in: it would cost the others all."""
    for account, option in _OPTIONS.items():
        if unlogged and account in counted and account not in unlogged:
            given = ", ".join(_OPTIONS[each] for each in unlogged)
            raise Refused(Refusal.MALFORMED, f"{given} says nothing of the populations that count in "
                                             f"{account}: state {option} as well; nothing was burned")


async def fetch(settings: config.NodeConfig, us: party.Party,
                seen: Follower) -> tuple[list[log_pb2.LogEntry], Follower]:
    """The whole log under a witnessed checkpoint, folded; refused where it is not the one *seen* before."""
    common = settings.common
    tls = credentials.load(common.ca, common.certificate, common.key)
    entries: list[log_pb2.LogEntry] = []
    try:
        async with channel.connect(settings.coordinator, tls) as line:
            stub = audit_pb2_grpc.AuditStub(line)
            latest = await stub.LatestCheckpoint(audit_pb2.LatestCheckpointRequest(), timeout=SECONDS)
            size, root = check_witnessed(us.federation.charter, latest.checkpoint)
            joiner = Joiner(work_pb2.Growth)
            async for frame in stub.Entries(audit_pb2.EntriesRequest(first=0, size=size), timeout=SECONDS):
                growth = joiner.feed(frame)
                if growth is not None:
                    entries += growth.entries
    except grpc.RpcError as error:
        raise from_error(error, settings.coordinator) from None
    follower = Follower(us.federation.charter)
    follower.fold(entries)
    if (follower.size, follower.root_at(size)) != (size, root) or (
            seen.root_at(seen.size) != follower.root_at(seen.size)):
        raise Refused(Refusal.EQUIVOCATION, "the coordinator's log is not the one that was witnessed")
    return entries, follower


class RecoverCommand:
    """`cotally node recover`."""

    name = "recover"
    help = "continue a ledger that was restored from a backup, burning what it may have forgotten"

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """CONFIG, and what is known of the loss."""
        parser.add_argument("config", type=Path, metavar="CONFIG", help="the department's node.toml")
        parser.add_argument("--unlogged", type=Fraction, metavar="RHO",
                            help="most that the lost copy may have reserved of a population after its last "
                                 "entry in the log (default: all that is left, where the ledger is behind)")
        parser.add_argument("--unlogged-epsilon", type=Fraction, metavar="E",
                            help="the same of populations that are pure")
        add_output(parser)
        parser.epilog = ("The node must be stopped, the coordinator reachable. Run it after ledger.db came\n"
                         "back from a backup; a node that was not restored loses nothing by it, unless you\n"
                 "state an amount: that is burned, once, even where the log shows no loss. The word\n"
                 "of populations that count in rho is none of those that are pure: state both.")

    def run(self, args: argparse.Namespace) -> int:
        """Recover; say what was put back and burned."""
        stated = {Account.RHO: args.unlogged, Account.EPSILON: args.unlogged_epsilon}
        unlogged = {account: ceil(most * PICO) for account, most in stated.items() if most is not None}
        if any(most < 0 for most in unlogged.values()):
            raise Misconfigured("--unlogged and --unlogged-epsilon must be 0 or more")
        settings = config.node(args.config)
        us = party.load(settings.common, roster_pb2.ROLE_NODE)
        database = open_database(us.state / "ledger.db", ledgers.SCHEMA, rounds.SCHEMA)
        pure = us.federation.catalog.pure
        ledger = Ledger(database, us.member.name, pure)
        store = follower_store.FollowerStore(open_database(us.state / "log.db", follower_store.SCHEMA))
        entries, follower = asyncio.run(fetch(settings, us, store.load(us.federation.charter)))
        before, done = ledger.length, ledger.last_burns()
        burned = recover(ledger, logged_entries(entries, follower, us.member.name), unlogged, pure)
        adopted = ledger.length - before - len(burned)
        texts = {p: Account.of(p, pure).text(amount) for p, amount in burned.items()}
        say(args.output, {
            "adopted": adopted,
            "burned_rho": {p: Account.number(b) for p, b in burned.items() if p not in pure},
            "burned_epsilon": {p: Account.number(b) for p, b in burned.items() if p in pure}}, [
            f"{adopted} entries were put back from the audit log.",
            *(f"Burned {text} of population {name}." for name, text in texts.items()),
            *([] if adopted else ["The ledger lacks nothing that the log knows."]),
            *(["It ends with that burn already; if it was restored again since, state both losses together."]
              if unlogged and done and not (adopted or burned) else [])])
        return 0


command = RecoverCommand()
