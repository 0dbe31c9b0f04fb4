"""A department's word on what one analyst may ask: made, signed and written to its folder of grants."""

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Final
from unicodedata import normalize

from cotally.server.crypto import private_files
from cotally.server.crypto.signing import SigningKey
from cotally.server.model.account import Account
from cotally.server.settings import config as role_config
from cotally.server.wire import charter as wire_charter
from cotally.server.wire import signed
from cotally.v1 import query_pb2, roster_pb2
from cotally.v1.canonical import digest
from cotally.v1.refusals import Misconfigured

from .budgets import Budget

DAYS: Final = 365
_DAY_MS: Final = 86_400_000
_SKEW_MS: Final = 300_000  # the analyst's clock may be a little behind


@dataclass(frozen=True, slots=True)
class Terms:
    """What is granted: every column and statistic of *tables*, for *purposes*, for *days* from now."""

    analyst: str
    purposes: Sequence[str]
    tables: Sequence[str]
    days: int = DAYS
    budgets: Sequence[query_pb2.GrantBudget] = ()


def sign_grant(first: roster_pb2.Roster, department: str, signer: SigningKey, terms: Terms,
               now_ms: int) -> query_pb2.SignedGrant:
    """The grant of *department*, valid from five minutes before *now_ms* (Unix milliseconds).

    *first* is the roster with which the federation began.
    """
    body = query_pb2.Grant(
        federation=first.federation, founding=digest("roster", first), department=department,
        analyst=terms.analyst,
        purposes=sorted({normalize("NFC", p) for p in terms.purposes}), tables=sorted(set(terms.tables)),
        budgets=sorted(terms.budgets, key=lambda b: (b.population, b.purpose)),
        not_before_ms=now_ms - _SKEW_MS, not_after_ms=now_ms + terms.days * _DAY_MS)
    return query_pb2.SignedGrant(body=body, signature=signed.sign(signer, "grant", body))


def write_grant(folder: Path, grant: query_pb2.SignedGrant) -> Path:
    """Write *grant* into *folder* under a name that no other grant there has."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    number = 1
    while (path := folder / f"{grant.body.analyst}-{number}.grant").exists():
        number += 1
    private_files.write(path, grant.SerializeToString(deterministic=True))
    return path


def now_ms() -> int:
    """Unix milliseconds."""
    return time.time_ns() // 1_000_000


class GrantCommand:
    """`cotally node grant`: mounted by the node's command."""

    name = "grant"
    help = "sign what one analyst may ask this department"

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """CONFIG and the terms."""
        parser.add_argument("config", type=Path, metavar="CONFIG", help="the department's node.toml")
        parser.add_argument("--analyst", required=True, metavar="NAME", help="as in the roster")
        parser.add_argument("--purpose", required=True, action="append", metavar="P",
                            help="a purpose that may be stated; repeat for more")
        parser.add_argument("--table", action="append", metavar="T",
                            help="a table that may be asked; repeat for more (default: all that are held)")
        parser.add_argument("--days", type=int, default=DAYS, metavar="N",
                            help="days it lasts (default %(default)s)")
        amount = parser.add_mutually_exclusive_group()
        amount.add_argument("--epsilon", type=Fraction, metavar="E",
                            help="most that the analyst may spend for each purpose on a population, over all "
                                 "departments and time, at the federation's delta or, of pure tables, at "
                                 "delta 0 (default: no limit)")
        amount.add_argument("--rho", type=Fraction, metavar="R", help="the same in rho; not for pure tables")
        parser.add_argument("-o", choices=["text", "json"], default="text", dest="output")
        parser.epilog = "A running node lets it count within a second."

    def run(self, args: argparse.Namespace) -> int:
        """Sign and write the grant; say where it lies."""
        stated = [Budget(unit, amount, f"--{unit}") for unit, amount in (
            (Account.EPSILON, args.epsilon), (Account.RHO, args.rho)) if amount is not None]
        terms = Terms(args.analyst, args.purpose, args.table or (), args.days)
        path = grant_from_config(args.config, terms, stated[0] if stated else None)
        if args.output == "json":
            print(json.dumps({"grant": str(path), "analyst": args.analyst}, ensure_ascii=False))
        else:
            print(f"granted to {args.analyst}: {path}; a running node reads it within a second")
        return 0


def grant_from_config(config: Path, terms: Terms, budget: Budget | None = None) -> Path:
    """Sign *terms* with the keys of a node's config; without tables, for every table it holds.

    *budget* is what may be spent for each purpose on each population of the tables.
    """
    settings = role_config.node(config)
    name = settings.common.name
    federation = wire_charter.load(settings.common.charter, settings.common.roster)
    if terms.analyst not in [m.name for m in federation.members(roster_pb2.ROLE_ANALYST)]:
        raise Misconfigured(f"--analyst {terms.analyst!r} is no analyst of {federation.name}")
    held = [t.name for t in federation.catalog.tables if name in t.holders]
    for table in terms.tables:
        if table not in held:
            raise Misconfigured(f"--table {table!r} is not held by {name}, which holds {', '.join(held)}")
    if not all(purpose.strip() for purpose in terms.purposes):
        raise Misconfigured("--purpose must not be empty")
    if not 1 <= terms.days <= 3660:
        raise Misconfigured(f"--days must be from 1 to 3660, not {terms.days}")
    signer = SigningKey.load(settings.common.signing_key)
    if federation.member(name, roster_pb2.ROLE_NODE).signing_key != signer.public:
        raise Misconfigured(f"{settings.common.signing_key}: the roster gives {name} another signing key")
    tables = terms.tables or held
    populations = sorted({t.population for t in federation.catalog.tables if t.name in tables})
    losses = {p: budget.pico_loss(p, federation.catalog.pure, federation.delta)
              for p in populations} if budget else {}
    budgets = [query_pb2.GrantBudget(population=population, purpose=normalize("NFC", p), pico_loss=pico_loss)
               for population, pico_loss in losses.items() for p in sorted(set(terms.purposes))]
    whole = Terms(terms.analyst, terms.purposes, tables, terms.days, budgets)
    return write_grant(settings.grants, sign_grant(federation.first, name, signer, whole, now_ms()))


command = GrantCommand()
