"""`cotally release`: keep a release, see it again, or verify one that somebody kept."""

import argparse
from pathlib import Path
from typing import Final

from cotally.v1.commands import Group
from cotally.v1.refusals import Misconfigured, Refused

from .answer import print_release
from .kept import told_of
from .output import CSV, JSON, TABLE, add_output, add_profile, print_json, print_lines
from .pins import add_roster, pin

_TICK: Final = "✓"
_CROSS: Final = "✗"


class SaveCommand:
    """`cotally release save ID FILE`."""

    name = "save"
    help = "fetch a release of yours, verify it, and keep it with its whole proof"

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """ID and FILE."""
        parser.add_argument("id", metavar="ID", help="64 hex digits: `release_id` of the answer")
        parser.add_argument("file", type=Path, metavar="FILE")
        parser.add_argument("--force", action="store_true", help="replace FILE if it exists")
        add_output(parser)
        add_profile(parser)
        parser.epilog = "Example\n  cotally release save 3f0c...9a answer.release"

    def run(self, args: argparse.Namespace) -> int:
        """Fetch, verify, write."""
        from .session import connected
        if args.file.exists() and not args.force:
            raise Misconfigured(f"{args.file} exists already; name another file, or say --force")
        with connected(args.profile) as con:
            release = con.release(args.id)
        release.save(args.file)
        if args.output == JSON:
            print_json({"release_id": release.id, "file": str(args.file),
                        "bytes": args.file.stat().st_size})
        else:
            print_lines([f"{args.file}: release {release.id}, {args.file.stat().st_size:,} bytes, verified"])
        return 0


class ShowCommand:
    """`cotally release show ID`."""

    name = "show"
    help = "fetch a release of yours again, verify and print it; free"

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """ID."""
        parser.add_argument("id", metavar="ID", help="64 hex digits: `release_id` of the answer")
        add_output(parser, CSV)
        add_profile(parser)
        parser.epilog = "Example\n  cotally release show 3f0c...9a -o csv"

    def run(self, args: argparse.Namespace) -> int:
        """Fetch, verify, print."""
        from .session import connected
        with connected(args.profile) as con:
            release = con.release(args.id)
        print_release(release, args.output)
        return 0


class VerifyCommand:
    """`cotally release verify FILE`."""

    name = "verify"
    help = "check a saved release offline, from the pinned roster alone"

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """FILE, and where the pin comes from."""
        parser.add_argument("file", type=Path, metavar="FILE")
        add_roster(parser)
        add_output(parser)
        add_profile(parser)
        parser.epilog = ("Examples\n  cotally release verify answer.release\n"
                         "  cotally release verify answer.release --roster 9f86d081...\n\n"
                         "Nothing is asked of the coordinator. The exit status is 0 only if every check\n"
                         "holds; the fingerprint must come from a source that you trust.")

    def run(self, args: argparse.Namespace) -> int:
        """Print every check; raise what failed."""
        from ..release import Release
        fingerprint = pin(args)
        try:
            with told_of(args.file):
                release = Release.load(args.file, fingerprint)
        except (Refused, Misconfigured) as refused:
            if args.output == TABLE:
                print_lines([f"{_CROSS} {args.file} is not verified"])
            refused.add_note("the file was altered, or belongs to another roster than the pinned one")
            raise
        if args.output == JSON:
            print_json(release.to_dict() | {
                "verified": True, "checks": [{"check": n, "found": text} for n, text in release.checks]})
            return 0
        width = max(len(name) for name, _ in release.checks)
        print_lines([*(f"{_TICK} {name:<{width}}  {text}" for name, text in release.checks), "",
                     release.caption, f"release {release.id} is genuine"])
        return 0


command = Group("release", "save, show again or verify a release",
                [SaveCommand(), ShowCommand(), VerifyCommand()])
