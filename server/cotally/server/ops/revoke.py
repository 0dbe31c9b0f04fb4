"""`cotally node revoke`: a department takes back what it granted.

It signs the department's next whole list and lays it in the folder of grants, where the node looks.
"""

import argparse
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from unicodedata import normalize

from cotally.server.node import lists
from cotally.server.node.folder import GRANTS, read_grant
from cotally.server.settings import config, party
from cotally.server.settings.revocations import LIST, read_list
from cotally.server.store.database import open_database
from cotally.server.wire.federation import Federation
from cotally.v1 import query_pb2, roster_pb2
from cotally.v1.canonical import digest
from cotally.v1.refusals import Misconfigured

from .revocation import Entries, issue, known, terms


def last_list(path: Path, state: Path) -> query_pb2.Revocation:
    """The list with the highest serial, of the file *path* and of a node's *state*; an empty one, if none."""
    found = [read_list(path)]
    if (state / "ledger.db").exists():
        found.append(lists.Lists(open_database(state / "ledger.db", lists.SCHEMA)).last())
    bodies = [each.body for each in found if each is not None]
    return max(bodies, key=lambda body: body.serial, default=query_pb2.Revocation())


class RevokeCommand:
    """`cotally node revoke`."""

    name = "revoke"
    help = "take back what this department granted, from now on"

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """CONFIG, and what is taken back."""
        parser.add_argument("config", type=Path, metavar="CONFIG", help="the department's node.toml")
        parser.add_argument("--analyst", action="append", default=[], metavar="A",
                            help="whose grants end; repeat for more")
        parser.add_argument("--purpose", action="append", default=[], metavar="P",
                            help="only for this purpose; repeat for more (default: every purpose)")
        parser.add_argument("--grant", action="append", type=Path, default=[], metavar="FILE",
                            help="one grant that ends; repeat for more")
        terms(parser)
        parser.epilog = ("A running node reads the list within a second: it takes part in no round under\n"
                         "a revoked grant, and reveals in none that it has committed to; that price stays\n"
                         "spent. Without anything to take back, the list is renewed.")

    def run(self, args: argparse.Namespace) -> int:
        """Sign and lay the list; say what it takes back in all."""
        settings = config.node(args.config)
        if args.purpose and not args.analyst:
            raise Misconfigured("--purpose needs --analyst")
        federation = party.federation(settings.common)
        known(federation, args.analyst, "--analyst", roster_pb2.ROLE_ANALYST)
        purposes = [normalize("NFC", p) for p in args.purpose] or [""]
        ended = {path: read_grant(path).body for path in args.grant}
        if not args.lift:  # what stands on a list comes off again, whatever it says
            for path, grant in ended.items():
                _check_ours(path, grant, settings.common.name, federation)
            for analyst in args.analyst if args.purpose else ():
                _check_granted(settings, federation, analyst, purposes)
        change = Entries(frozenset(digest("grant", grant) for grant in ended.values()),
                         frozenset((a, p) for a in args.analyst for p in purposes))
        path = settings.grants / LIST
        return issue(settings.common, roster_pb2.ROLE_NODE, path, last_list(path, settings.common.state),
                     change, args)


def _check_ours(path: Path, grant: query_pb2.Grant, name: str, federation: Federation) -> None:
    """Refuse (Misconfigured) to take back what another department granted, or in another federation."""
    if (grant.department, grant.federation) != (name, federation.name):
        raise Misconfigured(f"--grant {path}: this is a grant of {grant.department!r} to {grant.analyst!r} "
                            f"in the federation {grant.federation!r}; {name} takes back only its own")
    if grant.founding != federation.founding:
        raise Misconfigured(f"--grant {path}: this grant is of an earlier federation called "
                            f"{grant.federation!r}, and counts for nothing here")


def _check_granted(settings: config.NodeConfig, federation: Federation, analyst: str,
                   purposes: Iterable[str]) -> None:
    """Refuse (Misconfigured) a purpose that the department's grants to *analyst* do not name.

    Where the folder holds none of them any more, nobody knows, and every purpose may be taken back.
    """
    granted: set[str] = set()
    for path in settings.grants.glob(GRANTS):
        with suppress(Misconfigured):  # a node leaves it out, too
            grant = read_grant(path).body
            if (grant.department, grant.founding, grant.analyst) == (
                    settings.common.name, federation.founding, analyst):
                granted.update(grant.purposes)
    for purpose in purposes:
        if granted and purpose not in granted:
            raise Misconfigured(f"--purpose {purpose!r}: {settings.common.name} has granted {analyst!r} only "
                                f"{', '.join(map(repr, sorted(granted)))}")


command = RevokeCommand()
