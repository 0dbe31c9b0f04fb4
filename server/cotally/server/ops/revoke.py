"""`cotally node revoke`: a department takes back what it granted.

It signs the department's next whole list and lays it in the folder of grants, where the node looks.
"""

import argparse
from pathlib import Path
from unicodedata import normalize

from cotally.server.node import lists
from cotally.server.node.folder import read_grant
from cotally.server.settings import config, party
from cotally.server.settings.revocations import LIST, read_list
from cotally.server.store.database import open_database
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
        known(party.federation(settings.common), args.analyst, "--analyst", roster_pb2.ROLE_ANALYST)
        purposes = [normalize("NFC", p) for p in args.purpose] or [""]
        change = Entries(frozenset(digest("grant", read_grant(path).body) for path in args.grant),
                         frozenset((a, p) for a in args.analyst for p in purposes))
        path = settings.grants / LIST
        return issue(settings.common, roster_pb2.ROLE_NODE, path, last_list(path, settings.common.state),
                     change, args)


command = RevokeCommand()
