"""Signs the next list of revocations of one issuer: what was taken back before, and what is now."""

import argparse
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cotally.server.audit.revocations import DOMAIN, check_list
from cotally.server.crypto.signing import SigningKey
from cotally.server.settings import party
from cotally.server.settings.config import Common
from cotally.server.settings.revocations import write_list
from cotally.server.wire import signed
from cotally.server.wire.federation import Federation
from cotally.v1 import query_pb2, roster_pb2
from cotally.v1.canonical import digest
from cotally.v1.refusals import Misconfigured

from .grants import now_ms
from .said import add_output, say
from .succession import blaming

DAYS: Final = 30
_DAY_MS: Final = 86_400_000


@dataclass(frozen=True, slots=True)
class Entries:
    """What a list takes back: grants by digest, (analyst, purpose) with "" for every purpose, members."""

    grants: frozenset[bytes] = frozenset()
    analysts: frozenset[tuple[str, str]] = frozenset()
    members: frozenset[str] = frozenset()

    @classmethod
    def of(cls, body: query_pb2.Revocation) -> "Entries":
        """The entries of a list."""
        return cls(frozenset(body.grants), frozenset((a.analyst, a.purpose) for a in body.analysts),
                   frozenset(body.members))

    def __or__(self, more: "Entries") -> "Entries":
        return Entries(self.grants | more.grants, self.analysts | more.analysts, self.members | more.members)

    def __sub__(self, less: "Entries") -> "Entries":
        return Entries(self.grants - less.grants, self.analysts - less.analysts, self.members - less.members)


def sign_list(first: roster_pb2.Roster, issuer: str, signer: SigningKey, before: int, entries: Entries,
              now: int, days: int = DAYS) -> query_pb2.SignedRevocation:
    """The list that follows serial *before* (0: none), issued at *now* (Unix milliseconds).

    *first* is the roster with which the federation began.
    """
    body = query_pb2.Revocation(
        federation=first.federation, founding=digest("roster", first), issuer=issuer, serial=before + 1,
        issued_ms=now, next_update_ms=now + days * _DAY_MS,
        grants=sorted(entries.grants), members=sorted(entries.members),
        analysts=[query_pb2.RevokedAnalyst(analyst=a, purpose=p) for a, p in sorted(entries.analysts)])
    return query_pb2.SignedRevocation(body=body, signature=signed.sign(signer, DOMAIN, body))


def issue(common: Common, role: "roster_pb2.Role.ValueType", path: Path, before: query_pb2.Revocation,
          change: Entries, args: argparse.Namespace) -> int:
    """Sign the list that follows *before* by *change* (or, under --lift, less it), lay it at *path*, tell.

    Members whose processes ended because they were refused are named: nothing else starts them again.
    """
    federation = party.federation(common)
    signer = SigningKey.load(common.signing_key)
    with blaming(common.path):
        if federation.member(common.name, role).signing_key != signer.public:
            raise Misconfigured(f"{common.signing_key}: the roster gives {common.name} another signing key")
    if not 1 <= args.days <= 3660:
        raise Misconfigured(f"--days must be from 1 to 3660, not {args.days}")
    entries = Entries.of(before)
    if args.lift and (unknown := change - entries) != Entries():
        raise Misconfigured(f"--lift: the list does not hold {_told(unknown)[0]}")
    entries = entries - change if args.lift else entries | change
    made = sign_list(federation.first, common.name, signer, before.serial, entries, now_ms(), args.days)
    with blaming(path):
        check_list(federation.first, made)
    write_list(path, made)
    processes = {m.name for m in federation.members(roster_pb2.ROLE_NODE, roster_pb2.ROLE_KEY_HOLDER)}
    start = sorted(processes & change.members) if args.lift else []
    say(args.output, {"list": str(path), "serial": made.body.serial, "revoked": _told(entries),
                      "start_again": start}, [
        f"{path}: list {made.body.serial}, due again in {args.days} days", *_told(entries),
        "It counts within a second where the role runs, and else from its next start.",
        *(f"start {name} again: its process ended, with status 8, when it was refused" for name in start)])
    return 0


def _told(entries: Entries) -> list[str]:
    """One phrase for each entry."""
    return [*(f"grant {each.hex()[:16]}" for each in sorted(entries.grants)),
            *(f"analyst {analyst}, {f'purpose {purpose!r}' if purpose else 'every purpose'}"
              for analyst, purpose in sorted(entries.analysts)),
            *(f"member {name}" for name in sorted(entries.members))]


def known(federation: Federation, names: Iterable[str], option: str,
           *roles: "roster_pb2.Role.ValueType") -> None:
    """Refuse (Misconfigured) a name that the roster does not hold in one of *roles* (none: any)."""
    there = {m.name for m in (federation.members(*roles) if roles else federation.charter.roster.members)}
    for name in names:
        if name not in there:
            raise Misconfigured(f"{option} {name!r} is not in the roster of {federation.name}")


def terms(parser: argparse.ArgumentParser) -> None:
    """Declare what both commands take."""
    parser.add_argument("--lift", action="store_true", help="take these off the list again")
    parser.add_argument("--days", type=int, default=DAYS, metavar="N",
                        help="days after which the next list is due (default %(default)s)")
    add_output(parser)
