"""`cotally audit`: the federation's log, checked from its first entry."""

import argparse

from cotally.v1.commands import Group

from .output import JSON, add_output, add_profile, print_json, print_lines


class VerifyCommand:
    """`cotally audit verify`."""

    name = "verify"
    help = "fetch the whole audit log and check it against its witnesses"

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """Only how to print, and the profile."""
        add_output(parser)
        add_profile(parser)
        parser.epilog = ("Example\n  cotally audit verify\n\n"
                         "Every entry is hashed again; the root must be the one that the witnesses signed.\n"
                         "Write size and root down: a later log must still contain this one.")

    def run(self, args: argparse.Namespace) -> int:
        """Print size and root."""
        from .session import connected
        with connected(args.profile) as con:
            size, root = con.verify_log()
            federation = con.charter.roster.federation
        if args.output == JSON:
            print_json({"federation": federation, "size": size, "root": root, "verified": True})
        else:
            print_lines([f"✓ the log of {federation} is whole and witnessed",
                         f"  {size} entries, root {root}"])
        return 0


command = Group("audit", "check the federation's whole audit log", [VerifyCommand()])
