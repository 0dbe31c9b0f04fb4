"""`cotally coordinator revoke`: the operator refuses a member of the roster from now on.

It signs the coordinator's next whole list and lays it beside coordinator.toml, where the coordinator looks.
"""

import argparse
from pathlib import Path

from cotally.server.settings import config, party
from cotally.server.settings.revocations import LIST, read_list
from cotally.v1 import query_pb2, roster_pb2
from cotally.v1.refusals import Misconfigured

from .revocation import Entries, issue, known, terms


class RevokeMemberCommand:
    """`cotally coordinator revoke`."""

    name = "revoke"
    help = "refuse a member of the roster from now on, whatever its certificate says"

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """CONFIG, and who."""
        parser.add_argument("config", type=Path, metavar="CONFIG", help="coordinator.toml")
        parser.add_argument("--member", action="append", default=[], metavar="NAME",
                            help="an analyst, a department or a key holder; repeat for more")
        terms(parser)

    def run(self, args: argparse.Namespace) -> int:
        """Sign and lay the list; say whom it revokes in all."""
        common = config.coordinator(args.config).common
        known(party.federation(common), args.member, "--member")
        if common.name in args.member:
            raise Misconfigured(f"--member {common.name!r}: the coordinator cannot revoke itself")
        path = common.path.parent / LIST
        before = read_list(path) or query_pb2.SignedRevocation()
        return issue(common, roster_pb2.ROLE_COORDINATOR, path, before.body,
                     Entries(members=frozenset(args.member)), args)


command = RevokeMemberCommand()
